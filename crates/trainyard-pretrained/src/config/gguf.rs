//! The config of a GGUF file, from its metadata.

use std::path::Path;

use super::{Biases, ModelConfig, Rope};
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
    let scaling = match file.text(&key("rope.scaling.type")) {
        None | Some("none") => None,
        Some("linear") => Some("linear".to_owned()),
        Some(other) => {
            return Err(PretrainedError::Unsupported {
                path: path.to_owned(),
                key: key("rope.scaling.type"),
                value: other.to_owned(),
                remedy: "linear is".to_owned(),
            });
        }
    };
    // Llama 3's scaling is in the file as factors.
    let scaling = scaling.or_else(|| file.has("rope_freqs.weight").then(|| "llama3".to_owned()));
    let head_width = size("attention.key_length").unwrap_or(width / heads);
    let turned = file.number(&key("rope.dimension_count")).unwrap_or(head_width);
    let rope = Rope {
        theta: file.float(&key("rope.freq_base")).unwrap_or(1e4),
        share: turned as f64 / head_width.max(1) as f64,
        scaling,
    };
    let vocabulary = file.tokens().filter(|tokens| *tokens > 0);
    let has = |end: &str| file.has(&format!("blk.0.{end}.bias"));
    Ok(ModelConfig {
        architecture,
        width,
        blocks: needed("block_count")?,
        heads,
        key_value_heads: size("attention.head_count_kv").unwrap_or(heads),
        head_width,
        feed_forward: needed("feed_forward_length")?,
        vocabulary: vocabulary.or_else(|| size("vocab_size")).ok_or_else(|| {
            missing(&format!("tokenizer.ggml.tokens, and no {}", key("vocab_size")))
        })?,
        context: needed("context_length")?,
        segments: file.number("tokenizer.ggml.token_type_count").unwrap_or(0),
        tied: !file.has("output.weight"),
        biases: Biases {
            attention: has("attn_q") || has("attn_qkv"),
            output: has("attn_output"),
            mlp: has("ffn_down"),
        },
        rope: (!has_positions).then_some(rope),
        window: size("attention.sliding_window"),
        element: file.most_common_element().unwrap_or(Element::F32),
    })
}
