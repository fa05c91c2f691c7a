//! The config of a folder in Hugging Face layout.

use std::path::Path;

use serde_json::{Map, Value};

use super::options::Options;
use super::{Biases, ModelConfig, Rope};
use crate::architecture::Architecture;
use crate::error::PretrainedError;
use crate::weight::Element;

/// Reads a config.json. Keys and their defaults are those of `transformers`.
///
/// # Errors
/// [`PretrainedError`] for an architecture that is not known, an option that is not supported, and a value
/// that makes no sense.
pub(crate) fn from_json(
    path: &Path,
    config: &Map<String, Value>,
) -> Result<ModelConfig, PretrainedError> {
    let options = Options::new(path, config);
    let architecture = architecture(&options)?;
    refuse_what_changes_the_model(architecture, &options)?;
    let width = options.needed_size(&["hidden_size", "n_embd", "dim"])?;
    let heads = options.needed_size(&["num_attention_heads", "n_head", "n_heads"])?;
    let key_value_heads = options.size(&["num_key_value_heads"])?.unwrap_or(heads);
    if !heads.is_multiple_of(key_value_heads) {
        let reason =
            format!("{heads} heads cannot share {key_value_heads} heads of keys and values");
        return Err(PretrainedError::bad_file(path, reason));
    }
    let head_width = match options.size(&["head_dim"])? {
        Some(head_width) => head_width,
        None if architecture == Architecture::Gemma2 || architecture == Architecture::Gemma3 => 256,
        None if width.is_multiple_of(heads) => width / heads,
        None => {
            let reason = format!("a width of {width} is not divided by {heads} heads");
            return Err(PretrainedError::bad_file(path, reason));
        }
    };
    let feed_forward = options.size(&["intermediate_size", "n_inner", "hidden_dim"])?;
    let positions = ["max_position_embeddings", "n_positions", "n_ctx"];
    let is_gpt2 = architecture == Architecture::Gpt2;
    let has_biases = is_gpt2 || architecture == Architecture::GptNeox || architecture.is_encoder();
    let attention_bias = options.flag("attention_bias", has_biases)?;
    let segments = match architecture {
        Architecture::Bert | Architecture::Roberta => {
            options.size(&["type_vocab_size"])?.unwrap_or(2)
        }
        _ => 0,
    };
    Ok(ModelConfig {
        architecture,
        width,
        blocks: options.needed_size(&["num_hidden_layers", "n_layer", "n_layers"])?,
        heads,
        key_value_heads,
        head_width,
        feed_forward: match feed_forward {
            Some(size) => size,
            // As GPT-2 has it where nothing is said.
            None if is_gpt2 => 4 * width,
            None => options.needed_size(&["intermediate_size"])?,
        },
        vocabulary: options.needed_size(&["vocab_size"])?,
        context: options.needed_size(&positions)?,
        segments,
        tied: options.flag("tie_word_embeddings", ties_by_default(architecture))?,
        biases: Biases {
            attention: attention_bias || architecture == Architecture::Qwen2,
            output: attention_bias,
            mlp: options.flag("mlp_bias", has_biases)?,
        },
        rope: rope(architecture, &options)?,
        window: window(architecture, &options)?,
        element: element(&options)?,
    })
}

fn architecture(options: &Options<'_>) -> Result<Architecture, PretrainedError> {
    let class = options.value("architectures").and_then(|all| all.get(0)).and_then(Value::as_str);
    let named = options.word("model_type").or(class);
    let named = named.ok_or_else(|| {
        let reason = "it names no model_type, so it is not the config of a model";
        PretrainedError::bad_file(options.path, reason)
    })?;
    let known = Architecture::ALL.into_iter().find(|known| known.model_type() == named);
    known.ok_or_else(|| PretrainedError::UnknownArchitecture {
        path: options.path.to_owned(),
        name: named.to_owned(),
        known: Architecture::ALL.map(Architecture::model_type).join(", "),
    })
}

/// Whether the classes of `transformers` tie the head where the config does not say it.
fn ties_by_default(architecture: Architecture) -> bool {
    use Architecture::{Bert, DistilBert, Gemma2, Gemma3, Gpt2, Roberta};
    matches!(architecture, Bert | DistilBert | Gemma2 | Gemma3 | Gpt2 | Roberta)
}

fn refuse_what_changes_the_model(
    architecture: Architecture,
    options: &Options<'_>,
) -> Result<(), PretrainedError> {
    if let Some(quantization) = options.value("quantization_config") {
        let method = quantization.get("quant_method").and_then(Value::as_str).unwrap_or("unnamed");
        let remedy = "take the weights before they were quantized, or a GGUF file";
        return Err(options.refuse("quantization_config", method, remedy));
    }
    let activations: &[&str] = match architecture {
        Architecture::Gemma2 | Architecture::Gemma3 => &["gelu_pytorch_tanh"],
        Architecture::Gpt2 => &["gelu_new", "gelu"],
        Architecture::GptNeox | Architecture::Bert => &["gelu", "gelu_new"],
        Architecture::Roberta | Architecture::DistilBert => &["gelu"],
        _ => &["silu"],
    };
    for key in ["hidden_activation", "hidden_act", "activation_function", "activation"] {
        let Some(word) = options.word(key) else { continue };
        // Gemma's config has the one key for what it computes, and the other by mistake.
        if key == "hidden_act" && options.word("hidden_activation").is_some() {
            continue;
        }
        if !activations.contains(&word) {
            let remedy =
                format!("{} models have {}", architecture.name(), activations.join(" or "));
            return Err(options.refuse(key, word, remedy));
        }
    }
    // What they must be for the model to be the one that is known.
    let flags = [
        ("is_decoder", false),
        ("is_encoder_decoder", false),
        ("add_cross_attention", false),
        ("scale_attn_weights", true),
        ("scale_attn_by_inverse_layer_idx", false),
        ("use_parallel_residual", true),
    ];
    for (key, must) in flags {
        // An encoder can be asked to be something else; a decoder says that it is one.
        let means_nothing = key == "is_decoder" && !architecture.is_encoder();
        if !means_nothing && options.flag(key, must)? != must {
            return Err(options.refuse(key, !must, format!("only {key} = {must} is")));
        }
    }
    match options.word("position_embedding_type") {
        None | Some("absolute") => Ok(()),
        Some(other) => {
            Err(options.refuse("position_embedding_type", other, "only absolute positions are"))
        }
    }
}

fn rope(
    architecture: Architecture,
    options: &Options<'_>,
) -> Result<Option<Rope>, PretrainedError> {
    if architecture == Architecture::Gpt2 || architecture.is_encoder() {
        return Ok(None);
    }
    // Newer configs have all of it in one object.
    let all = options.value("rope_parameters").and_then(Value::as_object);
    let of_all = all.map(|all| Options::new(options.path, all));
    let theta = match &of_all {
        Some(all) => all.number("rope_theta", 1e4)?,
        None if architecture == Architecture::GptNeox => options.number("rotary_emb_base", 1e4)?,
        None => options.number("rope_theta", 1e4)?,
    };
    let share = match architecture {
        Architecture::GptNeox => options.number("rotary_pct", 0.25)?,
        _ => options.number("partial_rotary_factor", 1.0)?,
    };
    let scaling = options.value("rope_scaling").and_then(Value::as_object).or(all);
    let named = scaling.and_then(|it| it.get("rope_type").or_else(|| it.get("type")));
    let scaling = match named.and_then(Value::as_str) {
        None | Some("default") => None,
        Some(known @ ("linear" | "llama3")) => Some(known.to_owned()),
        Some(other) => {
            let remedy =
                "linear and llama3 are; without it the model is itself up to its first context";
            return Err(options.refuse("rope_scaling", other, remedy));
        }
    };
    Ok(Some(Rope { theta, share, scaling }))
}

fn window(
    architecture: Architecture,
    options: &Options<'_>,
) -> Result<Option<u64>, PretrainedError> {
    let is_used = match architecture {
        Architecture::Qwen2 | Architecture::Qwen3 => options.flag("use_sliding_window", false)?,
        _ => true,
    };
    if is_used { options.size(&["sliding_window"]) } else { Ok(None) }
}

fn element(options: &Options<'_>) -> Result<Element, PretrainedError> {
    let key = if options.value("dtype").is_some() { "dtype" } else { "torch_dtype" };
    match options.word(key) {
        None => Ok(Element::F32),
        Some(name) => Element::of_torch(name)
            .ok_or_else(|| options.refuse(key, name, "float32, float16 and bfloat16 are")),
    }
}
