//! The config of a GGUF file, from its metadata.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::Path;

use super::gguf_positions::{rope, window, windowed};
use super::{Activation, Biases, ModelConfig, leaves_out_filling, usual_filling};
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
    let (name, architecture) = architecture(path, file)?;
    let keys = Keys { path, file, architecture: name };
    let (width, heads) = (keys.needed("embedding_length")?, keys.needed("attention.head_count")?);
    let causal = "attention.causal";
    if keys.flag(causal).is_some_and(|is_causal| is_causal == architecture.is_encoder()) {
        let (value, name) = (!architecture.is_encoder(), architecture.name());
        let remedy = format!("{name} models have {causal} = {value}");
        return Err(keys.refuse(causal, !value, remedy));
    }
    let head_width = keys.size("attention.key_length").unwrap_or(width / heads);
    let (is_gemma2, is_gemma3) =
        (architecture == Architecture::Gemma2, architecture == Architecture::Gemma3);
    let (blocks, context) = (keys.needed("block_count")?, keys.needed("context_length")?);
    // The largest Gemma of each kind scales by the width of a head that its width has room for.
    let is_largest = is_gemma2 && blocks == 46 || is_gemma3 && blocks == 62;
    let scaled_by = if is_largest { width / heads } else { head_width };
    let epsilon = ["attention.layer_norm_rms_epsilon", "attention.layer_norm_epsilon"];
    let epsilon = epsilon.iter().find_map(|of| keys.float(of));
    // Gemma 2 has its caps where nothing is said.
    let cap = |of: &str, usual: f64| match keys.float(of) {
        None => is_gemma2.then_some(usual),
        said => said.filter(|cap| *cap > 0.0),
    };
    let vocabulary = file.tokens().filter(|tokens| *tokens > 0);
    let has = |end: &str| file.has(&format!("blk.0.{end}.bias"));
    let config = ModelConfig {
        architecture,
        width,
        blocks,
        heads,
        key_value_heads: keys.size("attention.head_count_kv").unwrap_or(heads),
        head_width,
        feed_forward: keys.needed("feed_forward_length")?,
        vocabulary: vocabulary.or_else(|| keys.size("vocab_size")).ok_or_else(|| {
            let both = format!("tokenizer.ggml.tokens, and no {}", keys.key("vocab_size"));
            missing(path, &both)
        })?,
        context,
        filling: file
            .number("tokenizer.ggml.padding_token_id")
            .or_else(|| usual_filling(architecture))
            .filter(|token| {
                leaves_out_filling(architecture) && vocabulary.is_some_and(|all| *token < all)
            }),
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
        rope: rope(architecture, &keys, head_width)?,
        window: window(architecture, &keys, context)?,
        windowed: windowed(architecture, &keys)?,
        attention_scale: 1.0 / (scaled_by.max(1) as f64).sqrt(),
        attention_cap: cap("attn_logit_softcapping", 50.0).filter(|_| is_gemma2),
        logit_cap: cap("final_logit_softcapping", 30.0),
        dropout: BTreeMap::new(),
        parallel_residual: architecture == Architecture::GptNeox
            && keys.flag("use_parallel_residual").unwrap_or(true),
        element: file.most_common_element().unwrap_or(Element::F32),
    };
    config.checked(path)
}

fn missing(path: &Path, key: &str) -> PretrainedError {
    PretrainedError::bad_file(path, format!("its metadata have no {key}"))
}

/// What a file says that it is, and the architecture of that name.
fn architecture<'a>(
    path: &Path,
    file: &'a Gguf,
) -> Result<(&'a str, Architecture), PretrainedError> {
    let key = "general.architecture";
    let name = file.text(key).ok_or_else(|| missing(path, key))?;
    let known = || Architecture::ALL.into_iter().filter(|known| known.gguf_name().is_some());
    match known().find(|known| known.gguf_name() == Some(name)) {
        Some(architecture) => Ok((name, architecture)),
        None => Err(PretrainedError::UnknownArchitecture {
            path: path.to_owned(),
            name: name.to_owned(),
            known: known().filter_map(Architecture::gguf_name).collect::<Vec<_>>().join(", "),
        }),
    }
}

/// The metadata of a file whose keys begin with the name of its architecture.
pub(super) struct Keys<'a> {
    pub(super) path: &'a Path,
    pub(super) file: &'a Gguf,
    architecture: &'a str,
}

impl Keys<'_> {
    fn key(&self, of: &str) -> String {
        format!("{}.{of}", self.architecture)
    }

    pub(super) fn number(&self, of: &str) -> Option<u64> {
        self.file.number(&self.key(of))
    }

    /// A number above 0.
    pub(super) fn size(&self, of: &str) -> Option<u64> {
        self.number(of).filter(|size| *size > 0)
    }

    fn needed(&self, of: &str) -> Result<u64, PretrainedError> {
        self.size(of).ok_or_else(|| missing(self.path, &self.key(of)))
    }

    pub(super) fn float(&self, of: &str) -> Option<f64> {
        self.file.float(&self.key(of))
    }

    pub(super) fn text(&self, of: &str) -> Option<&str> {
        self.file.text(&self.key(of))
    }

    fn flag(&self, of: &str) -> Option<bool> {
        self.file.flag(&self.key(of))
    }

    /// Whether there is a value of any kind.
    pub(super) fn says(&self, of: &str) -> bool {
        self.file.says(&self.key(of))
    }

    /// Refuses an option that would change what is computed.
    pub(super) fn refuse(
        &self,
        of: &str,
        value: impl Display,
        remedy: impl Into<String>,
    ) -> PretrainedError {
        self.refuse_key(&self.key(of), value, remedy)
    }

    /// The same for what is not named after the architecture.
    pub(super) fn refuse_key(
        &self,
        key: &str,
        value: impl Display,
        remedy: impl Into<String>,
    ) -> PretrainedError {
        let (path, key, value) = (self.path.to_owned(), key.to_owned(), value.to_string());
        PretrainedError::Unsupported { path, key, value, remedy: remedy.into() }
    }
}
