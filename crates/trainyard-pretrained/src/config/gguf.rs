//! The config of a GGUF file, from its metadata.

use std::path::Path;

use super::{Activation, Biases, ModelConfig, Rope, RopeScaling, Windowed};
use crate::architecture::Architecture;
use crate::error::PretrainedError;
use crate::gguf::Gguf;
use crate::weight::Element;

/// Reads the metadata of a GGUF file. Keys are those of llama.cpp's `gguf.md`.
///
/// # Errors
/// [`PretrainedError`] for an architecture that is not known, an option that is not supported, and a value
/// that is missing.
pub(crate) fn from_gguf(path: &Path, file: &Gguf) -> Result<ModelConfig, PretrainedError> {
    let missing =
        |key: &str| PretrainedError::bad_file(path, format!("its metadata have no {key}"));
    let name = file.text("general.architecture").ok_or_else(|| missing("general.architecture"))?;
    let mut known = Architecture::ALL.into_iter().filter(|known| known.gguf_name().is_some());
    let architecture = known.find(|known| known.gguf_name() == Some(name)).ok_or_else(|| {
        let known = Architecture::ALL.into_iter().filter_map(Architecture::gguf_name);
        PretrainedError::UnknownArchitecture {
            path: path.to_owned(),
            name: name.to_owned(),
            known: known.collect::<Vec<_>>().join(", "),
        }
    })?;
    let key = |key: &str| format!("{name}.{key}");
    let size = |of: &str| file.number(&key(of)).filter(|size| *size > 0);
    let needed = |of: &str| size(of).ok_or_else(|| missing(&key(of)));
    let (width, heads) = (needed("embedding_length")?, needed("attention.head_count")?);
    let has_positions = architecture == Architecture::Gpt2 || architecture.is_encoder();
    let head_width = size("attention.key_length").unwrap_or(width / heads);
    let turned = file.number(&key("rope.dimension_count")).unwrap_or(head_width);
    let (is_gemma2, is_gemma3) =
        (architecture == Architecture::Gemma2, architecture == Architecture::Gemma3);
    let rope = Rope {
        theta: file.float(&key("rope.freq_base")).unwrap_or(1e4),
        local_theta: is_gemma3.then_some(1e4),
        share: turned as f64 / head_width.max(1) as f64,
        scaling: scaling(path, file, key)?,
    };
    let blocks = needed("block_count")?;
    // The largest Gemma of each kind scales by the width of a head that its width has room for.
    let is_largest = is_gemma2 && blocks == 46 || is_gemma3 && blocks == 62;
    let scaled_by = if is_largest { width / heads } else { head_width };
    let epsilon = ["attention.layer_norm_rms_epsilon", "attention.layer_norm_epsilon"];
    let epsilon = epsilon.iter().find_map(|of| file.float(&key(of)));
    let cap = |of: &str| file.float(&key(of)).filter(|cap| *cap > 0.0);
    let vocabulary = file.tokens().filter(|tokens| *tokens > 0);
    let has = |end: &str| file.has(&format!("blk.0.{end}.bias"));
    let config = ModelConfig {
        architecture,
        width,
        blocks,
        heads,
        key_value_heads: size("attention.head_count_kv").unwrap_or(heads),
        head_width,
        feed_forward: needed("feed_forward_length")?,
        vocabulary: vocabulary.or_else(|| size("vocab_size")).ok_or_else(|| {
            missing(&format!("tokenizer.ggml.tokens, and no {}", key("vocab_size")))
        })?,
        context: needed("context_length")?,
        // A file of RoBERTa's kind has its vectors of positions without those that are not used.
        first_position: 0,
        segments: file.number("tokenizer.ggml.token_type_count").unwrap_or(0),
        labels: Vec::new(),
        tied: !file.has("output.weight"),
        biases: Biases {
            attention: has("attn_q") || has("attn_qkv"),
            output: has("attn_output"),
            mlp: has("ffn_down"),
        },
        activation: match architecture {
            Architecture::Gpt2 | Architecture::Gemma2 | Architecture::Gemma3 => {
                Activation::GeluTanh
            }
            Architecture::GptNeox => Activation::Gelu,
            _ if architecture.is_encoder() => Activation::Gelu,
            _ => Activation::Silu,
        },
        epsilon: epsilon.unwrap_or(1e-5),
        rope: (!has_positions).then_some(rope),
        window: size("attention.sliding_window"),
        windowed: match architecture {
            Architecture::Gemma2 => Windowed::AllButEvery(2),
            Architecture::Gemma3 => Windowed::AllButEvery(6),
            _ => Windowed::All,
        },
        attention_scale: 1.0 / (scaled_by.max(1) as f64).sqrt(),
        attention_cap: cap("attn_logit_softcapping").filter(|_| is_gemma2),
        logit_cap: cap("final_logit_softcapping"),
        parallel_residual: architecture == Architecture::GptNeox
            && file.flag(&key("use_parallel_residual")).unwrap_or(true),
        element: file.most_common_element().unwrap_or(Element::F32),
    };
    config.checked(path)
}

/// How the frequencies of positions are changed: by one number, or by one for each, as Llama 3's are.
fn scaling(
    path: &Path,
    file: &Gguf,
    key: impl Fn(&str) -> String,
) -> Result<Option<RopeScaling>, PretrainedError> {
    let kind = key("rope.scaling.type");
    match file.text(&kind) {
        None | Some("none") => {}
        Some("linear") => {
            let factor = file.float(&key("rope.scaling.factor")).filter(|factor| *factor > 0.0);
            return Ok(factor.map(|factor| RopeScaling::Linear { factor }));
        }
        Some(other) => {
            return Err(PretrainedError::Unsupported {
                path: path.to_owned(),
                key: kind,
                value: other.to_owned(),
                remedy: "linear is".to_owned(),
            });
        }
    }
    let factors = file.floats(path, "rope_freqs.weight")?;
    Ok(factors.map(|factors| RopeScaling::Factors { factors }))
}
