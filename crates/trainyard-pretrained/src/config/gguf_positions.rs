//! What a GGUF file says of positions: how they turn queries and keys, and how far back one sees. What is not said
//! is as llama.cpp has it (`src/models`).

use super::gguf::Keys;
use super::{Rope, RopeScaling, Windowed};
use crate::architecture::Architecture;
use crate::error::PretrainedError;
use crate::gguf::ROPE_FACTORS;

/// The beginning of the tensors' names that long-context Phi-3 models have.
const LONG_AND_SHORT: &str = "rope_factors_";

pub(super) fn rope(
    architecture: Architecture,
    keys: &Keys<'_>,
    head_width: u64,
) -> Result<Option<Rope>, PretrainedError> {
    if architecture == Architecture::Gpt2 || architecture.is_encoder() {
        return Ok(None);
    }
    let turned = keys.number("rope.dimension_count").unwrap_or(head_width);
    let turns_all = !matches!(architecture, Architecture::Phi3 | Architecture::GptNeox);
    if turns_all && turned != head_width {
        let remedy = format!("{head_width} is, all of a head's numbers");
        return Err(keys.refuse("rope.dimension_count", turned, remedy));
    }
    let theta = keys.float("rope.freq_base").unwrap_or(1e4);
    let of_windows = "rope.freq_base_swa";
    let local_theta = match keys.float(of_windows) {
        local if architecture == Architecture::Gemma3 => Some(local.unwrap_or(1e4)),
        Some(local) if !is_close(local, theta) => {
            return Err(keys.refuse(of_windows, local, "one base for all blocks is"));
        }
        _ => None,
    };
    let share = turned as f64 / head_width.max(1) as f64;
    Ok(Some(Rope { theta, local_theta, share, scaling: scaling(keys)? }))
}

/// How the frequencies of positions are changed: by one number, or by one for each, as Llama 3's are.
fn scaling(keys: &Keys<'_>) -> Result<Option<RopeScaling>, PretrainedError> {
    let mut tensors = keys.file.weights.iter();
    if let Some(long) = tensors.find(|weight| weight.name.starts_with(LONG_AND_SHORT)) {
        let value = format!("{} factors for long contexts", long.numbers());
        return Err(keys.refuse_key(&long.name, value, "take the model for short contexts"));
    }
    let of_attention = "rope.scaling.attn_factor";
    if let Some(factor) = keys.float(of_attention).filter(|factor| !is_close(*factor, 1.0)) {
        return Err(keys.refuse(of_attention, factor, "take the model for short contexts"));
    }
    let (kind, factor) = ("rope.scaling.type", "rope.scaling.factor");
    let linear = match keys.text(kind) {
        Some("none") => None,
        // A factor is that of linear scaling where no type is said; its key was another once.
        None | Some("linear") => keys.float(factor).or_else(|| keys.float("rope.scale_linear")),
        Some(other) => return Err(keys.refuse(kind, other, "linear is")),
    };
    let linear = linear.filter(|factor| *factor > 0.0 && !is_close(*factor, 1.0));
    let factors = keys.file.floats(keys.path, ROPE_FACTORS)?;
    match (linear, factors) {
        (Some(linear), Some(_)) => {
            Err(keys.refuse(factor, linear, format!("it is without {ROPE_FACTORS} beside it")))
        }
        (Some(factor), None) => Ok(Some(RopeScaling::Linear { factor })),
        (None, factors) => Ok(factors.map(|factors| RopeScaling::Factors { factors })),
    }
}

/// How many positions one sees, where that is limited.
pub(super) fn window(
    architecture: Architecture,
    keys: &Keys<'_>,
    context: u64,
) -> Result<Option<u64>, PretrainedError> {
    let key = "attention.sliding_window";
    let window = keys.size(key);
    match (architecture, window) {
        (Architecture::Gemma2, window) => Ok(Some(window.unwrap_or(4096))),
        (Architecture::Gemma3 | Architecture::Phi3, window) => Ok(window),
        (_, Some(window)) if window < context => {
            let remedy = format!("{} models see all before them", architecture.name());
            Err(keys.refuse(key, window, remedy))
        }
        _ => Ok(None),
    }
}

/// Which blocks have it.
pub(super) fn windowed(
    architecture: Architecture,
    keys: &Keys<'_>,
) -> Result<Windowed, PretrainedError> {
    let usual = match architecture {
        Architecture::Gemma2 => 2,
        Architecture::Gemma3 => 6,
        _ => return Ok(Windowed::All),
    };
    let key = "attention.sliding_window_pattern";
    match keys.number(key) {
        Some(0) => Ok(Windowed::All),
        Some(every) => Ok(Windowed::AllButEvery(every)),
        None if keys.says(key) => {
            Err(keys.refuse(key, "a list", "a number is: all blocks but every one of so many"))
        }
        None => Ok(Windowed::AllButEvery(usual)),
    }
}

/// Whether two numbers are the same in 32 bits.
fn is_close(one: f64, other: f64) -> bool {
    (one - other).abs() <= 1e-6 * one.abs().max(other.abs())
}
