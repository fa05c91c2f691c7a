//! What a config.json says of positions: how they turn queries and keys, and how far back one sees.

use serde_json::Value;

use super::options::Options;
use super::{Rope, RopeScaling, Windowed};
use crate::architecture::Architecture;
use crate::error::PretrainedError;

const SHARE: &str = "partial_rotary_factor";
const ALL_SEEN: &str = "full_attention";
const WINDOWED: &str = "sliding_attention";

pub(super) fn rope(
    architecture: Architecture,
    options: &Options<'_>,
) -> Result<Option<Rope>, PretrainedError> {
    match architecture {
        Architecture::Gpt2 => Ok(None),
        Architecture::Gemma3 => rope_by_kind(options).map(Some),
        _ if architecture.is_encoder() => Ok(None),
        _ => one_rope(architecture, options).map(Some),
    }
}

/// The same rotation in every block.
fn one_rope(architecture: Architecture, options: &Options<'_>) -> Result<Rope, PretrainedError> {
    // `transformers` takes all of the older key where both are there.
    let said = match options.inside("rope_scaling")? {
        None => options.inside("rope_parameters")?,
        old => old,
    };
    let is_said = |kind: &&str| said.as_ref().is_some_and(|it| it.value(kind).is_some());
    if let Some(kind) = [ALL_SEEN, WINDOWED].into_iter().find(is_said) {
        let remedy = format!("{} models have one rotation in all blocks", architecture.name());
        return Err(options.refuse("rope_parameters", kind, remedy));
    }
    // What newer configs have in one object may stand beside it.
    let (theta, share, usual) = match architecture {
        Architecture::GptNeox => ("rotary_emb_base", "rotary_pct", 0.25),
        _ => ("rope_theta", SHARE, 1.0),
    };
    let inner = |key: &str, default: f64| match &said {
        Some(said) => said.number(key, default),
        None => Ok(default),
    };
    let theta = inner("rope_theta", options.number(theta, 1e4)?)?;
    let share = inner(SHARE, options.number(share, usual)?)?;
    if !matches!(architecture, Architecture::Phi3 | Architecture::GptNeox) {
        check_is_whole(options, architecture, share)?;
    }
    let scaling = said.map(|said| scaling(options, &said)).transpose()?.flatten();
    Ok(Rope { theta, local_theta: None, share, scaling })
}

/// Gemma 3's rotations: one in blocks that see all, another in those with a window.
fn rope_by_kind(options: &Options<'_>) -> Result<Rope, PretrainedError> {
    let (old, new) = (options.inside("rope_scaling")?, options.inside("rope_parameters")?);
    let of_kind = |kind: &str| match &new {
        Some(new) => new.inside(kind),
        None => Ok(None),
    };
    let (global, local) = (of_kind(ALL_SEEN)?, of_kind(WINDOWED)?);
    if new.is_some() && global.is_none() && local.is_none() {
        let remedy = format!("{ALL_SEEN} and {WINDOWED} inside of it are");
        return Err(options.refuse("rope_parameters", "that of all blocks", remedy));
    }
    let share = |of: &Option<Options<'_>>| match of {
        Some(of) => check_is_whole(of, Architecture::Gemma3, of.number(SHARE, 1.0)?),
        None => Ok(()),
    };
    [&old, &global, &local].into_iter().try_for_each(share)?;
    check_is_whole(options, Architecture::Gemma3, options.number(SHARE, 1.0)?)?;
    let theta = |of: &Option<Options<'_>>, default: f64| match of {
        Some(of) => of.number("rope_theta", default),
        None => Ok(default),
    };
    let global_theta = theta(&global, options.number("rope_theta", 1e6)?)?;
    let local_theta = theta(&local, options.number("rope_local_base_freq", 1e4)?)?;
    if let Some(local) = &local
        && scaling(options, local)?.is_some()
    {
        let kind = local.word("rope_type").or_else(|| local.word("type")).unwrap_or_default();
        let remedy = "blocks with a window have frequencies that are not changed";
        return Err(options.refuse("rope_parameters.sliding_attention.rope_type", kind, remedy));
    }
    let scaled = old.as_ref().or(global.as_ref());
    Ok(Rope {
        theta: theta(&old, global_theta)?,
        local_theta: Some(local_theta),
        share: 1.0,
        scaling: scaled.map(|scaled| scaling(options, scaled)).transpose()?.flatten(),
    })
}

/// Refuses a share of heads for architectures that turn all of each head, whatever their config says.
fn check_is_whole(
    options: &Options<'_>,
    architecture: Architecture,
    share: f64,
) -> Result<(), PretrainedError> {
    if (share - 1.0).abs() < 1e-9 {
        return Ok(());
    }
    let remedy = format!("{} models turn all of each head; leave it out", architecture.name());
    Err(options.refuse(SHARE, share, remedy))
}

/// A change of frequencies, as `said` in one of the objects of `options`.
fn scaling(
    options: &Options<'_>,
    said: &Options<'_>,
) -> Result<Option<RopeScaling>, PretrainedError> {
    match said.word("rope_type").or_else(|| said.word("type")) {
        None | Some("default") => Ok(None),
        Some("linear") => Ok(Some(RopeScaling::Linear { factor: said.needed_number("factor")? })),
        Some("llama3") => {
            let original_context = match said.size(&["original_max_position_embeddings"])? {
                Some(context) => context,
                None => options.needed_size(&["max_position_embeddings"])?,
            };
            Ok(Some(RopeScaling::Llama3 {
                factor: said.needed_number("factor")?,
                low_freq_factor: said.needed_number("low_freq_factor")?,
                high_freq_factor: said.needed_number("high_freq_factor")?,
                original_context,
            }))
        }
        Some(other) => Err(options.refuse("rope_scaling", other, "linear and llama3 are")),
    }
}

/// How many positions one sees, where that is limited. A null is no limit; where nothing is said, some
/// classes of `transformers` have one, and those of other architectures see all, whatever is said.
pub(super) fn window(
    architecture: Architecture,
    options: &Options<'_>,
) -> Result<Option<u64>, PretrainedError> {
    use Architecture::{Gemma2, Gemma3, Mistral, Phi3, Qwen2, Qwen3};
    let key = "sliding_window";
    match architecture {
        Qwen2 | Qwen3 if !options.flag("use_sliding_window", false)? => Ok(None),
        Mistral | Gemma2 | Gemma3 | Qwen2 | Qwen3 if !options.is_null(key) => {
            Ok(Some(options.size(&[key])?.unwrap_or(4096)))
        }
        Phi3 => options.size(&[key]),
        _ => Ok(None),
    }
}

/// Which blocks have it.
pub(super) fn windowed(
    architecture: Architecture,
    options: &Options<'_>,
    blocks: u64,
) -> Result<Windowed, PretrainedError> {
    use Architecture::{Gemma2, Gemma3, Mistral, Phi3, Qwen2, Qwen3};
    match (architecture, options.value("layer_types").and_then(Value::as_array)) {
        (Gemma2 | Gemma3 | Qwen2 | Qwen3, Some(kinds)) => listed(options, kinds, blocks),
        (Mistral | Phi3, Some(kinds)) if window(architecture, options)?.is_some() => {
            if listed(options, kinds, blocks)? != Windowed::Listed(vec![true; kinds.len()]) {
                let name = architecture.name();
                let remedy = format!("{name} models have their window in every block");
                return Err(options.refuse("layer_types", ALL_SEEN, remedy));
            }
            Ok(Windowed::All)
        }
        (Gemma2, None) => Ok(Windowed::AllButEvery(2)),
        (Gemma3, None) => {
            let keys = ["sliding_window_pattern", "_sliding_window_pattern"];
            Ok(Windowed::AllButEvery(options.size(&keys)?.unwrap_or(6)))
        }
        (Qwen2 | Qwen3, None) => {
            let first = options.value("max_window_layers").and_then(Value::as_u64);
            Ok(Windowed::From(first.unwrap_or(28)))
        }
        _ => Ok(Windowed::All),
    }
}

/// Which blocks have the window, block by block.
fn listed(
    options: &Options<'_>,
    kinds: &[Value],
    blocks: u64,
) -> Result<Windowed, PretrainedError> {
    if kinds.len() as u64 != blocks {
        let reason = format!("layer_types has {} entries for {blocks} blocks", kinds.len());
        return Err(PretrainedError::bad_file(options.path, reason));
    }
    let is_windowed = |kind: &Value| match kind.as_str() {
        Some(WINDOWED) => Ok(true),
        Some(ALL_SEEN) => Ok(false),
        _ => {
            let remedy = format!("{WINDOWED} and {ALL_SEEN} are");
            Err(options.refuse("layer_types", kind, remedy))
        }
    };
    let all: Result<Vec<bool>, _> = kinds.iter().map(is_windowed).collect();
    all.map(Windowed::Listed)
}
