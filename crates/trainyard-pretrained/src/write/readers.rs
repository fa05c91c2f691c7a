//! What readers of a GGUF file will compute: much follows from its architecture alone, and a model that has it
//! otherwise must not be written as if it had not.

use std::path::Path;

use crate::architecture::Architecture;
use crate::config::{ModelConfig, RopeScaling, from_gguf};
use crate::error::PretrainedError;
use crate::gguf::Gguf;

/// An option by its name in a config.json, its value, and that which readers take.
type Difference = (&'static str, String, String);

/// Compares a model with what is read from the beginning of a file, before its numbers and without the factors of
/// [`rope_factors`](super::metadata::rope_factors).
///
/// # Errors
/// [`PretrainedError::BadFile`] with the first option that readers would take otherwise.
pub(super) fn check(path: &Path, config: &ModelConfig, head: &[u8]) -> Result<(), PretrainedError> {
    let wrong = |reason: String| PretrainedError::bad_file(path, reason);
    let read = from_gguf(path, &Gguf::of_head(head, &[]).map_err(wrong)?)?;
    match difference(config, &read) {
        None => Ok(()),
        Some((name, value, taken)) => Err(wrong(format!(
            "a GGUF file cannot say that {name} is {value}: its readers take {taken}; write a folder instead"
        ))),
    }
}

fn difference(config: &ModelConfig, read: &ModelConfig) -> Option<Difference> {
    size(config, read)
        .or_else(|| blocks(config, read))
        .or_else(|| scale(config, read))
        .or_else(|| numbers(config, read))
        .or_else(|| functions(config, read))
}

fn size(config: &ModelConfig, read: &ModelConfig) -> Option<Difference> {
    let of = |it: &ModelConfig| {
        [
            ("hidden_size", it.width),
            ("num_hidden_layers", it.blocks),
            ("num_attention_heads", it.heads),
            ("num_key_value_heads", it.key_value_heads),
            ("head_dim", it.head_width),
            ("intermediate_size", it.feed_forward),
            ("vocab_size", it.vocabulary),
            ("max_position_embeddings", it.context),
            ("type_vocab_size", it.segments),
            ("partial_rotary_factor", it.turned()),
        ]
    };
    let mut both = of(config).into_iter().zip(of(read));
    both.find(|(one, other)| one != other)
        .map(|((name, one), (_, other))| (name, one.to_string(), other.to_string()))
}

/// What may differ from block to block: how far back one sees, and how positions turn.
fn blocks(config: &ModelConfig, read: &ModelConfig) -> Option<Difference> {
    (0..config.blocks).find_map(|block| {
        // A window as wide as the context limits nothing.
        let sees = |it: &ModelConfig| it.window_of(block).filter(|window| *window < it.context);
        let (one, other) = (sees(config), sees(read));
        if one != other {
            let is_elsewhere = config.window == read.window;
            let name = if is_elsewhere { "layer_types" } else { "sliding_window" };
            let told = |window: Option<u64>| match window {
                Some(_) if is_elsewhere => "sliding_attention".to_owned(),
                None if is_elsewhere => "full_attention".to_owned(),
                Some(window) => window.to_string(),
                None => "none".to_owned(),
            };
            return Some((name, format!("{} in block {block}", told(one)), told(other)));
        }
        let theta =
            |it: &ModelConfig| it.rotation(it.window_of(block).is_some()).map(|(theta, _)| theta);
        let has_window = config.window_of(block).is_some();
        let name = if has_window { "rope_local_base_freq" } else { "rope_theta" };
        let (one, other) = (theta(config), theta(read));
        is_apart(one, other).then(|| (name, format!("{} in block {block}", told(one)), told(other)))
    })
}

/// What products of queries and keys are multiplied by.
fn scale(config: &ModelConfig, read: &ModelConfig) -> Option<Difference> {
    let of = |it: &ModelConfig| Some(it.attention_scale.powi(-2));
    let (one, other) = (of(config), of(read));
    let rounded = |it: Option<f64>| told(it.map(|it| (it * 1e3).round() / 1e3));
    is_apart(one, other).then(|| ("query_pre_attn_scalar", rounded(one), rounded(other)))
}

fn numbers(config: &ModelConfig, read: &ModelConfig) -> Option<Difference> {
    let epsilon = match config.architecture {
        Architecture::Gpt2 => "layer_norm_epsilon",
        Architecture::GptNeox | Architecture::Bert => "layer_norm_eps",
        _ => "rms_norm_eps",
    };
    let linear = |it: &ModelConfig| match it.rope.as_ref()?.scaling {
        Some(RopeScaling::Linear { factor }) => Some(factor),
        _ => Some(1.0),
    };
    let of = |it: &ModelConfig| {
        [
            (epsilon, Some(it.epsilon)),
            ("rope_scaling", linear(it)),
            ("attn_logit_softcapping", it.attention_cap),
            ("final_logit_softcapping", it.logit_cap),
        ]
    };
    let mut both = of(config).into_iter().zip(of(read));
    let ((name, one), (_, other)) = both.find(|((_, one), (_, other))| is_apart(*one, *other))?;
    Some((name, told(one), told(other)))
}

fn functions(config: &ModelConfig, read: &ModelConfig) -> Option<Difference> {
    let of = |it: &ModelConfig| {
        [
            ("hidden_act", format!("{:?}", it.activation)),
            ("use_parallel_residual", it.parallel_residual.to_string()),
        ]
    };
    let mut both = of(config).into_iter().zip(of(read));
    both.find(|(one, other)| one != other).map(|((name, one), (_, other))| (name, one, other))
}

fn told(number: Option<f64>) -> String {
    number.map_or_else(|| "none".to_owned(), |number| number.to_string())
}

/// Whether two numbers differ by more than 32 bits leave of them.
fn is_apart(one: Option<f64>, other: Option<f64>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => (one - other).abs() > 1e-6 * one.abs().max(other.abs()),
        (one, other) => one.is_some() != other.is_some(),
    }
}
