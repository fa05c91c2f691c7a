//! The files beside the weights of a folder in Hugging Face layout.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::NewModel;
use super::metadata::llama3_factors;
use crate::architecture::Architecture;
use crate::config::{Activation, ModelConfig, Rope, RopeScaling, Windowed};
use crate::error::PretrainedError;
use crate::open::{Pretrained, read_config};
use crate::tokenizer::Tokenizer;
use crate::weight::Element;

/// What says how texts are made, and which tokens end them.
const GENERATION: &str = "generation_config.json";

/// What is taken as it is where a model comes from a folder.
const COPIED: [&str; 10] = [
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    GENERATION,
    "chat_template.jinja",
    "vocab.json",
    "merges.txt",
    "vocab.txt",
    "tokenizer.model",
];

/// Writes config and tokenizer.
///
/// # Errors
/// [`PretrainedError`] where something cannot be written.
pub(super) fn write_configs(
    model: &Pretrained,
    folder: &Path,
    element: Element,
    new: &NewModel,
) -> Result<(), PretrainedError> {
    let from = &model.path;
    let is_folder = from.is_dir();
    let mut config = if is_folder {
        read_config(&from.join("config.json"))?
    } else {
        of_config(&model.config).ok_or_else(|| {
            let reason = "a config.json cannot say how its positions are changed for long contexts; \
                          write a GGUF file instead";
            PretrainedError::bad_file(&folder.join("config.json"), reason)
        })?
    };
    let kind = match element {
        Element::F16 => "float16",
        Element::BF16 => "bfloat16",
        _ => "float32",
    };
    // The newer of the two names where the config has it.
    let key = if config.contains_key("dtype") { "dtype" } else { "torch_dtype" };
    config.insert(key.to_owned(), kind.into());
    if let Some(purpose) = &new.purpose {
        purpose.say(model.config.architecture, &mut config);
    }
    write_json(&folder.join("config.json"), &config.into())?;
    write_tokenizer(model, folder, new)
}

/// Writes the tokenizer: its files as they are but for what is new of chats, or one that is made of what a GGUF file
/// has.
///
/// # Errors
/// [`PretrainedError`] where something cannot be written.
pub(super) fn write_tokenizer(
    model: &Pretrained,
    folder: &Path,
    new: &NewModel,
) -> Result<(), PretrainedError> {
    let from = &model.path;
    if from.is_dir() {
        for name in COPIED.into_iter().filter(|name| from.join(name).is_file()) {
            let (from, to) = (from.join(name), folder.join(name));
            // Not as a copy of the file, which may be one that nobody may write.
            let bytes = std::fs::read(&from).map_err(PretrainedError::io(&from))?;
            std::fs::write(&to, bytes).map_err(PretrainedError::written(&to))?;
        }
        return write_chats(from, folder, new);
    }
    let Some(tokenizer) = Tokenizer::open(from)? else { return Ok(()) };
    let tokenizer = new.tokenizer(tokenizer)?;
    let path = folder.join("tokenizer.json");
    std::fs::write(&path, tokenizer.to_json()?).map_err(PretrainedError::written(&path))?;
    let mut about = Map::new();
    about.insert("tokenizer_class".to_owned(), "PreTrainedTokenizerFast".into());
    about.insert("model_max_length".to_owned(), model.config.context.into());
    about.extend(tokenizer.special().map(|(name, text)| (name.to_owned(), text.into())));
    let template = tokenizer.chat_template().filter(|_| new.chat_template.is_none());
    about.extend(template.map(|text| ("chat_template".to_owned(), text.into())));
    write_json(&folder.join("tokenizer_config.json"), &about.into())?;
    write_template(folder, new)?;
    if model.config.architecture.is_encoder() {
        return Ok(());
    }
    let ends = json!({ "bos_token_id": tokenizer.bos(), "eos_token_id": tokenizer.eos() });
    let ends = ends.as_object().cloned().unwrap_or_default();
    let ends: Map<String, Value> =
        ends.into_iter().filter(|(_, id)| !id.is_null() && *id != json!([])).collect();
    write_json(&folder.join(GENERATION), &ends.into())
}

/// Writes what is new of chats beside the files of a tokenizer that came from another folder.
fn write_chats(from: &Path, folder: &Path, new: &NewModel) -> Result<(), PretrainedError> {
    write_template(folder, new)?;
    if new.ends.is_empty() {
        return Ok(());
    }
    let path = folder.join(GENERATION);
    let mut about = if path.is_file() {
        read_config(&path)?
    } else {
        // What `transformers` would take of the config without this file.
        let mut config = read_config(&from.join("config.json"))?;
        config
            .retain(|key, id| ["bos_token_id", "pad_token_id"].contains(&&**key) && !id.is_null());
        config
    };
    about.insert("eos_token_id".to_owned(), json!(new.ends));
    write_json(&path, &about.into())
}

/// Writes a template of chats that is new into a file of its own, and nowhere else, as `transformers` 5 does.
fn write_template(folder: &Path, new: &NewModel) -> Result<(), PretrainedError> {
    let Some(template) = &new.chat_template else { return Ok(()) };
    let path = folder.join("chat_template.jinja");
    std::fs::write(&path, template).map_err(PretrainedError::written(&path))?;
    let path = folder.join("tokenizer_config.json");
    if !path.is_file() {
        return Ok(());
    }
    let mut about = read_config(&path)?;
    if about.remove("chat_template").is_some() {
        write_json(&path, &about.into())?;
    }
    Ok(())
}

pub(super) fn write_json(path: &Path, json: &Value) -> Result<(), PretrainedError> {
    std::fs::write(path, format!("{json:#}\n")).map_err(PretrainedError::written(path))
}

/// A config.json for a model that comes from a GGUF file, by the keys of `transformers`; None where they do not
/// say all of it.
fn of_config(config: &ModelConfig) -> Option<Map<String, Value>> {
    use Architecture::{Gemma2, Gemma3, Gpt2, GptNeox};
    let mut all = Map::new();
    let mut add = |key: &str, value: Value| all.insert(key.to_owned(), value);
    add("architectures", json!([config.architecture.class()]));
    add("model_type", config.architecture.model_type().into());
    add("vocab_size", config.vocabulary.into());
    add("tie_word_embeddings", config.tied.into());
    if !config.architecture.is_encoder() {
        // Without the key some classes take a number of their own.
        add("pad_token_id", config.filling.into());
    }
    let activation = match config.activation {
        Activation::Silu => "silu",
        Activation::Gelu => "gelu",
        Activation::GeluTanh if config.architecture == Gpt2 => "gelu_new",
        Activation::GeluTanh => "gelu_pytorch_tanh",
    };
    if config.architecture == Gpt2 {
        add("n_embd", config.width.into());
        add("n_layer", config.blocks.into());
        add("n_head", config.heads.into());
        add("n_inner", config.feed_forward.into());
        add("n_positions", config.context.into());
        add("layer_norm_epsilon", config.epsilon.into());
        add("activation_function", activation.into());
        return Some(all);
    }
    add("hidden_size", config.width.into());
    add("num_hidden_layers", config.blocks.into());
    add("num_attention_heads", config.heads.into());
    add("intermediate_size", config.feed_forward.into());
    add("max_position_embeddings", config.context.into());
    add("hidden_act", activation.into());
    if config.architecture == GptNeox || config.architecture.is_encoder() {
        add("layer_norm_eps", config.epsilon.into());
    } else {
        add("num_key_value_heads", config.key_value_heads.into());
        add("head_dim", config.head_width.into());
        add("rms_norm_eps", config.epsilon.into());
        add("attention_bias", config.biases.output.into());
        add("mlp_bias", config.biases.mlp.into());
    }
    if config.architecture == GptNeox {
        add("use_parallel_residual", config.parallel_residual.into());
        add("attention_bias", config.biases.attention.into());
    }
    if config.architecture.is_encoder() {
        add("type_vocab_size", config.segments.into());
    }
    for (key, value) in of_windows(config) {
        add(key, value);
    }
    if matches!(config.architecture, Gemma2 | Gemma3) {
        add("hidden_activation", activation.into());
        // `transformers` takes no float here.
        let scalar = config.attention_scale.powi(-2).round() as u64;
        add("query_pre_attn_scalar", scalar.into());
        add("attn_logit_softcapping", config.attention_cap.into());
        add("final_logit_softcapping", config.logit_cap.into());
    }
    if let Some(rope) = &config.rope {
        let neox = config.architecture == GptNeox;
        add(if neox { "rotary_emb_base" } else { "rope_theta" }, rope.theta.into());
        add(if neox { "rotary_pct" } else { "partial_rotary_factor" }, rope.share.into());
        if let Some(theta) = rope.local_theta {
            add("rope_local_base_freq", theta.into());
        }
        let scaling = rope.scaling.as_ref();
        let said =
            scaling.map(|scaling| of_scaling(config, rope, scaling).ok_or(())).transpose().ok()?;
        if let Some(scaling) = said {
            add("rope_scaling", scaling);
        }
    }
    Some(all)
}

/// Which blocks see how far back, for classes of `transformers` with windows; older ones know no `layer_types`.
fn of_windows(config: &ModelConfig) -> Vec<(&'static str, Value)> {
    use Architecture::{Gemma2, Gemma3, Mistral, Phi3, Qwen2, Qwen3};
    let (is_gemma, is_qwen) = match config.architecture {
        Gemma2 | Gemma3 => (true, false),
        Qwen2 | Qwen3 => (false, true),
        Mistral | Phi3 => (false, false),
        _ => return Vec::new(),
    };
    // Without the key some classes have a window.
    let mut all = vec![("sliding_window", config.window.into())];
    match &config.windowed {
        Windowed::From(first) if is_qwen => all.push(("max_window_layers", (*first).into())),
        Windowed::AllButEvery(every) if config.architecture == Gemma3 => {
            all.push(("sliding_window_pattern", (*every).into()));
        }
        _ => {}
    }
    if is_qwen {
        all.push(("use_sliding_window", config.window.is_some().into()));
    }
    if is_gemma || is_qwen {
        let kind = |block| match config.window_of(block) {
            Some(_) => "sliding_attention",
            None => "full_attention",
        };
        all.push(("layer_types", (0..config.blocks).map(kind).collect()));
    }
    all
}

/// A change of frequencies as configs say it. GGUF files have factors, which may be those of Llama 3.
fn of_scaling(config: &ModelConfig, rope: &Rope, scaling: &RopeScaling) -> Option<Value> {
    let of_llama3 = |factor: f64, low: f64, high: f64, context: u64| {
        json!({
            "rope_type": "llama3",
            "factor": factor,
            "low_freq_factor": low,
            "high_freq_factor": high,
            "original_max_position_embeddings": context,
        })
    };
    match scaling {
        RopeScaling::Linear { factor } => Some(json!({ "rope_type": "linear", "factor": factor })),
        RopeScaling::Llama3 { factor, low_freq_factor, high_freq_factor, original_context } => {
            Some(of_llama3(*factor, *low_freq_factor, *high_freq_factor, *original_context))
        }
        RopeScaling::Factors { factors } => {
            // Those of Llama 3.1 and 3.2.
            let factor = [8.0, 32.0].into_iter().find(|factor| {
                let known = llama3_factors(config, rope, [*factor, 1.0, 4.0, 8192.0]);
                let is_close =
                    |(one, other): (&f32, &f32)| (one - other).abs() <= 1e-3 * other.abs();
                known.len() == factors.len() && known.iter().zip(factors).all(is_close)
            })?;
            Some(of_llama3(factor, 1.0, 4.0, 8192))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::from_json;

    fn read(config: &Map<String, Value>) -> ModelConfig {
        from_json("config.json".as_ref(), config).unwrap()
    }

    /// How far back a block sees, and how positions turn.
    type Block = (Option<u64>, Option<(f64, Option<RopeScaling>)>);

    fn blocks(config: &ModelConfig) -> Vec<Block> {
        let of = |block| {
            let window = config.window_of(block);
            let rotation = config.rotation(window.is_some());
            (window, rotation.map(|(theta, scaling)| (theta, scaling.cloned())))
        };
        (0..config.blocks).map(of).collect()
    }

    #[test]
    fn a_config_that_was_written_says_the_same_of_every_block() {
        let (full, sliding) = ("full_attention", "sliding_attention");
        let windowed =
            json!({ "use_sliding_window": true, "sliding_window": 8, "max_window_layers": 2 });
        let mut listed = windowed.clone();
        listed["layer_types"] = json!([full, sliding, full, full]);
        let linear = json!({ "rope_type": "linear", "factor": 8.0 });
        for (kind, more) in [
            ("qwen2", windowed.clone()),
            ("qwen3", windowed),
            ("qwen2", listed),
            ("qwen2", json!({})),
            ("mistral", json!({ "sliding_window": null })),
            ("mistral", json!({})),
            ("phi3", json!({ "sliding_window": 8, "partial_rotary_factor": 0.5 })),
            ("llama", json!({ "rope_theta": 5e5, "rope_scaling": linear })),
            ("gemma2", json!({ "sliding_window": 8, "query_pre_attn_scalar": 9 })),
            ("gemma2", json!({ "layer_types": [full, sliding, full, full] })),
            ("gemma2", json!({ "sliding_window": null, "attn_logit_softcapping": null })),
            ("gemma3_text", json!({ "sliding_window": 8, "sliding_window_pattern": 3 })),
            ("gemma3_text", json!({ "rope_local_base_freq": 5e4, "rope_scaling": linear })),
            ("gpt_neox", json!({ "rotary_emb_base": 500, "rotary_pct": 0.5 })),
            ("gemma2", json!({ "pad_token_id": null })),
        ] {
            let mut json = json!({
                "model_type": kind, "hidden_size": 24, "num_hidden_layers": 4, "num_attention_heads": 3,
                "intermediate_size": 40, "vocab_size": 37, "max_position_embeddings": 96
            });
            let map = json.as_object_mut().unwrap();
            map.extend(more.as_object().unwrap().clone());
            let config = read(map);
            let written = of_config(&config).unwrap();
            if let Windowed::From(first) = config.windowed {
                assert_eq!(written["max_window_layers"], first, "{kind} {more}");
            }
            assert_eq!(written["pad_token_id"], json!(config.filling), "{kind} {more}");
            let again = read(&written);
            assert_eq!(blocks(&config), blocks(&again), "{kind} {more}");
            // The same blocks may have been said in another way.
            let same = ModelConfig { windowed: config.windowed.clone(), ..again };
            assert_eq!(same, config, "{kind} {more}");
        }
    }
}
