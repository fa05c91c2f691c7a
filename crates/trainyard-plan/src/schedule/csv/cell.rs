//! The content of one cell.

use crate::{Action, ActionKind};

/// Words for an idle slot, as programs print them.
const IDLE: [&str; 4] = ["none", "null", "nan", "-"];

/// Actions of `PyTorch`'s pipelining that belong to sharded weights; the micro-batch may be missing.
const SHARDING: [&str; 3] = ["UNSHARD", "RESHARD", "REDUCE_GRAD"];

/// Full backwards, as earlier versions of `PyTorch` wrote them.
const FULL_BACKWARD: [&str; 2] = ["BW", "B+W"];

/// Characters of a cell that messages show.
const SHOWN: usize = 40;

/// The content of a cell.
pub(super) enum Content {
    Idle,
    Action(Action),
    /// Several actions at once, in the order in which they are written.
    Several(Vec<Action>),
    /// An action of sharded weights.
    Sharding,
}

impl Content {
    /// Reads a cell that has no spaces and quotes around it.
    ///
    /// # Errors
    /// Why it is not an action.
    pub(super) fn of(cell: &str) -> Result<Self, String> {
        if cell.is_empty() || IDLE.iter().any(|word| cell.eq_ignore_ascii_case(word)) {
            return Ok(Self::Idle);
        }
        if let Some(action) = action(cell) {
            return Ok(Self::Action(action));
        }
        if parts(cell).is_some_and(|(_, kind, _)| SHARDING.contains(&kind)) {
            return Ok(Self::Sharding);
        }
        several(cell).map(Self::Several).ok_or_else(|| why_not(cell))
    }
}

/// Whether a cell begins as an action does, with a number and a letter.
pub(super) fn looks_like_an_action(cell: &str) -> bool {
    let rest = cell.trim_start_matches('(').trim_start_matches(|c: char| c.is_ascii_digit());
    let has_number = cell.trim_start_matches('(').len() > rest.len();
    has_number && rest.starts_with(|c: char| c.is_ascii_uppercase())
}

/// The beginning of a cell, if it is long.
pub(super) fn shortened(cell: &str) -> String {
    let more = if cell.chars().nth(SHOWN).is_some() { "…" } else { "" };
    cell.chars().take(SHOWN).chain(more.chars()).collect()
}

fn action(cell: &str) -> Option<Action> {
    if let Ok(action) = cell.parse() {
        return Some(action);
    }
    let (stage, kind, micro_batch) = parts(cell)?;
    let is_full = FULL_BACKWARD.contains(&kind);
    let number = |text: &str| text.parse().ok();
    is_full.then_some(Action::new(number(stage)?, ActionKind::Backward, number(micro_batch)?))
}

/// Stage, kind and micro-batch of a cell such as `0F3`, as text.
fn parts(cell: &str) -> Option<(&str, &str, &str)> {
    let is_digit = |c: char| c.is_ascii_digit();
    let (stage, rest) = cell.split_at(cell.find(|c| !is_digit(c))?);
    let (kind, micro_batch) = rest.split_at(rest.trim_end_matches(is_digit).len());
    (!stage.is_empty()).then_some((stage, kind, micro_batch))
}

/// The actions of `(0F7;7B3)OVERLAP_F_B` and `0B3+0W3`.
fn several(cell: &str) -> Option<Vec<Action>> {
    let overlapped = cell.strip_suffix("OVERLAP_F_B").map(str::trim);
    let inside = overlapped.and_then(|cell| cell.strip_prefix('(')?.strip_suffix(')'));
    match inside {
        Some(inside) => inside.split([';', ',']).map(|part| action(part.trim())).collect(),
        None => cell.split('+').map(|part| action(part.trim())).collect(),
    }
}

/// Why a cell is refused, by what is in it.
fn why_not(cell: &str) -> String {
    let reason = if cell.contains("OVERLAP") {
        "is not several actions at once; they look like (0F7;7B3)OVERLAP_F_B"
    } else {
        "is not an action; actions look like 0F3, 1B0, 2I1, 0W3, 2SEND_F1 (stage, kind, \
         micro-batch)"
    };
    format!("'{}' {reason}", shortened(cell))
}
