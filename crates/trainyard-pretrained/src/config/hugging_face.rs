//! The config of a folder in Hugging Face layout.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value};

use super::options::Options;
use super::positions::{rope, window, windowed};
use super::{Activation, Biases, ModelConfig, leaves_out_filling, usual_filling};
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
    let head_width = match options.size(&["head_dim"])? {
        Some(head_width) => head_width,
        None if is_gemma(architecture) => 256,
        None if architecture == Architecture::Qwen3 => 128,
        None if width.is_multiple_of(heads) => width / heads,
        None => {
            let reason = format!("a width of {width} is not divided by {heads} heads");
            return Err(PretrainedError::bad_file(path, reason));
        }
    };
    let feed_forward = options.size(&["intermediate_size", "n_inner", "hidden_dim"])?;
    let positions = ["max_position_embeddings", "n_positions", "n_ctx"];
    let is_gpt2 = architecture == Architecture::Gpt2;
    let segments = match architecture {
        Architecture::Bert | Architecture::Roberta => {
            options.size(&["type_vocab_size"])?.unwrap_or(2)
        }
        _ => 0,
    };
    let blocks = options.needed_size(&["num_hidden_layers", "n_layer", "n_layers"])?;
    let [attention_cap, logit_cap] = caps(architecture, &options)?;
    let config = ModelConfig {
        architecture,
        width,
        blocks,
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
        context: match options.size(&positions)? {
            Some(context) => context,
            // The first Llamas' configs leave it out.
            None if architecture == Architecture::Llama => 2048,
            None => options.needed_size(&positions)?,
        },
        filling: filling(architecture, &options)?,
        first_position: first_position(architecture, &options)?,
        segments,
        labels: labels(&options),
        tied: options.flag("tie_word_embeddings", ties_by_default(architecture))?,
        biases: biases(architecture, &options)?,
        activation: activation(architecture, &options)?,
        epsilon: epsilon(architecture, &options)?,
        rope: rope(architecture, &options)?,
        window: window(architecture, &options)?,
        windowed: windowed(architecture, &options, blocks)?,
        attention_scale: attention_scale(architecture, &options, head_width)?,
        attention_cap,
        logit_cap,
        parallel_residual: architecture == Architecture::GptNeox
            && options.flag("use_parallel_residual", true)?,
        dropout: if architecture.is_encoder() { BTreeMap::new() } else { dropout(&options)? },
        element: element(&options)?,
    };
    config.checked(path)
}

/// What a decoder's config says of dropout, where it is more than none.
fn dropout(options: &Options<'_>) -> Result<BTreeMap<&'static str, f64>, PretrainedError> {
    const KEYS: [&str; 5] =
        ["attention_dropout", "attn_pdrop", "embd_pdrop", "hidden_dropout", "resid_pdrop"];
    let is_asked = |key: &&str| options.value(key).is_some_and(|it| it.as_f64() != Some(0.0));
    let asked = KEYS.into_iter().filter(is_asked);
    asked.map(|key| Ok((key, options.number(key, 0.0)?))).collect()
}

/// Which products have biases, where that is an option of the architecture.
fn biases(architecture: Architecture, options: &Options<'_>) -> Result<Biases, PretrainedError> {
    use Architecture::{Gemma2, Gemma3, GptNeox, Llama, Mistral, Phi3, Qwen2, Qwen3};
    let attention = match architecture {
        Llama | Qwen3 | Gemma2 | Gemma3 => options.flag("attention_bias", false)?,
        GptNeox => options.flag("attention_bias", true)?,
        Mistral | Phi3 => false,
        _ => true,
    };
    let mlp = match architecture {
        Llama => options.flag("mlp_bias", false)?,
        Mistral | Phi3 | Qwen2 | Qwen3 | Gemma2 | Gemma3 => false,
        _ => true,
    };
    Ok(Biases { attention, output: attention && architecture != Qwen2, mlp })
}

/// [`ModelConfig::filling`]: what the config says, or else the classes of `transformers`.
fn filling(
    architecture: Architecture,
    options: &Options<'_>,
) -> Result<Option<u64>, PretrainedError> {
    let key = "pad_token_id";
    if !leaves_out_filling(architecture) || options.is_null(key) {
        return Ok(None);
    }
    let vocabulary = options.needed_size(&["vocab_size"])?;
    let Some(value) = options.value(key) else {
        return Ok(usual_filling(architecture).filter(|token| *token < vocabulary));
    };
    // PyTorch counts a number below 0 from the end.
    let token = value.as_i64().and_then(|it| match u64::try_from(it) {
        Ok(token) => Some(token),
        Err(_) => vocabulary.checked_sub(it.unsigned_abs()),
    });
    let token = token.filter(|token| *token < vocabulary);
    token.map(Some).ok_or_else(|| options.refuse(key, value, "the number of a token is"))
}

/// `RoBERTa`'s positions begin behind the number of the token for filling.
fn first_position(
    architecture: Architecture,
    options: &Options<'_>,
) -> Result<u64, PretrainedError> {
    match options.value("pad_token_id") {
        _ if architecture != Architecture::Roberta => Ok(0),
        None => Ok(2),
        Some(Value::Number(number)) if number.as_u64().is_some_and(|it| it < 1 << 32) => {
            Ok(number.as_u64().unwrap_or(0) + 1)
        }
        Some(other) => Err(options.refuse("pad_token_id", other, "the number of a token is")),
    }
}

/// Names of classes; those that `transformers` makes up of their numbers are none.
fn labels(options: &Options<'_>) -> Vec<String> {
    let named = options.value("id2label").and_then(Value::as_object);
    let count = named.map_or(0, Map::len);
    let label = |number: usize| {
        let label = named?.get(&number.to_string())?.as_str()?;
        (label != format!("LABEL_{number}")).then(|| label.to_owned())
    };
    (0..count).map(label).collect::<Option<Vec<String>>>().unwrap_or_default()
}

fn is_gemma(architecture: Architecture) -> bool {
    matches!(architecture, Architecture::Gemma2 | Architecture::Gemma3)
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
    // What they must be for the model to be the one that is known.
    let flags = [
        ("use_bidirectional_attention", false),
        ("is_decoder", false),
        ("is_encoder_decoder", false),
        ("add_cross_attention", false),
        ("scale_attn_weights", true),
        ("scale_attn_by_inverse_layer_idx", false),
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

/// The function by its name; one that the architecture does not have is refused.
fn activation(
    architecture: Architecture,
    options: &Options<'_>,
) -> Result<Activation, PretrainedError> {
    use Activation::{Gelu, GeluTanh, Silu};
    let known: &[Activation] = match architecture {
        Architecture::Gemma2 | Architecture::Gemma3 => &[GeluTanh],
        Architecture::Gpt2 => &[GeluTanh, Gelu],
        Architecture::GptNeox | Architecture::Bert | Architecture::DistilBert => &[Gelu, GeluTanh],
        // The head for masked tokens has this one, whatever the config says.
        Architecture::Roberta => &[Gelu],
        _ => &[Silu],
    };
    let keys = ["hidden_activation", "hidden_act", "activation_function", "activation"];
    // Gemma's config has the first key for what it computes, and another by mistake.
    let said = keys.iter().find_map(|key| options.word(key).map(|word| (*key, word)));
    let default = known.first().copied().unwrap_or(Silu);
    let Some((key, word)) = said else { return Ok(default) };
    let found = known.iter().find(|it| names(**it).contains(&word));
    found.copied().ok_or_else(|| {
        let names: Vec<&str> = known.iter().flat_map(|it| names(*it)).copied().collect();
        let remedy = format!("{} models have {}", architecture.name(), names.join(" or "));
        options.refuse(key, word, remedy)
    })
}

/// What `transformers` calls a function.
fn names(activation: Activation) -> &'static [&'static str] {
    match activation {
        Activation::Silu => &["silu", "swish"],
        Activation::Gelu => &["gelu"],
        Activation::GeluTanh => &["gelu_new", "gelu_pytorch_tanh", "gelu_fast"],
    }
}

fn epsilon(architecture: Architecture, options: &Options<'_>) -> Result<f64, PretrainedError> {
    let (key, default) = match architecture {
        Architecture::Gpt2 => ("layer_norm_epsilon", 1e-5),
        Architecture::GptNeox => ("layer_norm_eps", 1e-5),
        Architecture::Bert | Architecture::Roberta => ("layer_norm_eps", 1e-12),
        // No option there.
        Architecture::DistilBert => return Ok(1e-12),
        Architecture::Phi3 => ("rms_norm_eps", 1e-5),
        _ => ("rms_norm_eps", 1e-6),
    };
    options.number(key, default)
}

fn attention_scale(
    architecture: Architecture,
    options: &Options<'_>,
    head_width: u64,
) -> Result<f64, PretrainedError> {
    let of = if is_gemma(architecture) {
        options.number("query_pre_attn_scalar", 256.0)?
    } else {
        head_width as f64
    };
    Ok(1.0 / of.sqrt())
}

/// The bounds of products in attention and of logits, which Gemma has; a null is none.
fn caps(
    architecture: Architecture,
    options: &Options<'_>,
) -> Result<[Option<f64>; 2], PretrainedError> {
    let (attention, logits) = ("attn_logit_softcapping", "final_logit_softcapping");
    let of = |key: &str, default: f64| {
        let cap = (!options.is_null(key)).then(|| options.number(key, default));
        cap.transpose()
    };
    match architecture {
        Architecture::Gemma2 => Ok([of(attention, 50.0)?, of(logits, 30.0)?]),
        Architecture::Gemma3 => {
            if let Some(value) = options.value(attention) {
                let remedy = "Gemma 3 models bound no products in attention; leave it out";
                return Err(options.refuse(attention, value, remedy));
            }
            let logit_cap = options.value(logits).map(|_| of(logits, 30.0)).transpose()?;
            Ok([None, logit_cap.flatten()])
        }
        _ => Ok([None, None]),
    }
}

fn element(options: &Options<'_>) -> Result<Element, PretrainedError> {
    let key = if options.value("dtype").is_some() { "dtype" } else { "torch_dtype" };
    match options.word(key) {
        None => Ok(Element::F32),
        Some(name) => Element::of_torch(name)
            .ok_or_else(|| options.refuse(key, name, "float32, float16 and bfloat16 are")),
    }
}
