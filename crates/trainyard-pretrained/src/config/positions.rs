//! What a config.json says of positions: how they turn queries and keys, and how far back one sees.

use serde_json::Value;

use super::options::Options;
use super::{Rope, RopeScaling, Windowed};
use crate::architecture::Architecture;
use crate::error::PretrainedError;

pub(super) fn rope(
    architecture: Architecture,
    options: &Options<'_>,
) -> Result<Option<Rope>, PretrainedError> {
    if architecture == Architecture::Gpt2 || architecture.is_encoder() {
        return Ok(None);
    }
    // Newer configs have all of it in one object, or in one for each kind of block.
    let all = options.inside("rope_parameters");
    let of_kind = |kind: &str| all.as_ref().and_then(|all| all.inside(kind));
    let (global, local) = (of_kind("full_attention"), of_kind("sliding_attention"));
    let new = global.as_ref().or(all.as_ref());
    let is_gemma3 = architecture == Architecture::Gemma3;
    let is_neox = architecture == Architecture::GptNeox;
    let theta = match new {
        Some(new) => new.number("rope_theta", 1e4)?,
        None if is_neox => options.number("rotary_emb_base", 1e4)?,
        None => options.number("rope_theta", if is_gemma3 { 1e6 } else { 1e4 })?,
    };
    let local_theta = match (&local, is_gemma3) {
        (Some(local), true) => Some(local.number("rope_theta", 1e4)?),
        (None, true) => Some(options.number("rope_local_base_freq", 1e4)?),
        (_, false) => None,
    };
    let partial = new.filter(|new| new.value("partial_rotary_factor").is_some());
    let share = match partial {
        Some(new) => new.number("partial_rotary_factor", 1.0)?,
        None if is_neox => options.number("rotary_pct", 0.25)?,
        None => options.number("partial_rotary_factor", 1.0)?,
    };
    let old = options.inside("rope_scaling");
    let scaling = old.as_ref().or(new).map(scaling).transpose()?.flatten();
    Ok(Some(Rope { theta, local_theta, share, scaling }))
}

fn scaling(options: &Options<'_>) -> Result<Option<RopeScaling>, PretrainedError> {
    match options.word("rope_type").or_else(|| options.word("type")) {
        None | Some("default") => Ok(None),
        Some("linear") => {
            Ok(Some(RopeScaling::Linear { factor: options.needed_number("factor")? }))
        }
        Some("llama3") => Ok(Some(RopeScaling::Llama3 {
            factor: options.needed_number("factor")?,
            low_freq_factor: options.needed_number("low_freq_factor")?,
            high_freq_factor: options.needed_number("high_freq_factor")?,
            original_context: options.needed_size(&["original_max_position_embeddings"])?,
        })),
        Some(other) => {
            let remedy =
                "linear and llama3 are; without it the model is itself up to its first context";
            Err(options.refuse("rope_scaling", other, remedy))
        }
    }
}

/// How many positions one sees, where that is limited. A null is no limit; where nothing is said, some
/// classes of `transformers` have one.
pub(super) fn window(
    architecture: Architecture,
    options: &Options<'_>,
) -> Result<Option<u64>, PretrainedError> {
    use Architecture::{Gemma2, Gemma3, Mistral, Qwen2, Qwen3};
    let key = "sliding_window";
    let default = match architecture {
        Qwen2 | Qwen3 if !options.flag("use_sliding_window", false)? => return Ok(None),
        Mistral | Gemma2 | Gemma3 | Qwen2 | Qwen3 if !options.is_null(key) => Some(4096),
        _ => None,
    };
    Ok(options.size(&[key])?.or(default))
}

/// Which blocks have it.
pub(super) fn windowed(
    architecture: Architecture,
    options: &Options<'_>,
    blocks: u64,
) -> Result<Windowed, PretrainedError> {
    if let Some(kinds) = options.value("layer_types").and_then(Value::as_array) {
        if kinds.len() as u64 != blocks {
            let reason = format!("layer_types has {} entries for {blocks} blocks", kinds.len());
            return Err(PretrainedError::bad_file(options.path, reason));
        }
        let is_windowed = |kind: &Value| match kind.as_str() {
            Some("sliding_attention") => Ok(true),
            Some("full_attention") => Ok(false),
            _ => {
                let remedy = "sliding_attention and full_attention are";
                Err(options.refuse("layer_types", kind, remedy))
            }
        };
        let all: Result<Vec<bool>, _> = kinds.iter().map(is_windowed).collect();
        return all.map(Windowed::Listed);
    }
    Ok(match architecture {
        Architecture::Gemma2 => Windowed::AllButEvery(2),
        Architecture::Gemma3 => {
            let keys = ["sliding_window_pattern", "_sliding_window_pattern"];
            Windowed::AllButEvery(options.size(&keys)?.unwrap_or(6))
        }
        Architecture::Qwen2 | Architecture::Qwen3 => {
            let first = options.value("max_window_layers").and_then(Value::as_u64);
            Windowed::From(first.unwrap_or(28))
        }
        _ => Windowed::All,
    })
}
