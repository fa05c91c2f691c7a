//! The local search: small changes to a draft, for as long as the simulator likes them better.

use super::Ask;
use super::chain::{along, near};
use super::draft::{Draft, Judge, Kind, Verdict};
use super::search::{Partition, Placed};
use super::space::Space;
use crate::Recompute;

/// A change to a draft.
#[derive(Clone, Copy, Debug)]
enum Move {
    /// The cut before a stage goes so many layers back or forth.
    Cut(usize, isize),
    /// A stage recomputes, or no longer does.
    Recompute(usize),
    /// Two ranks exchange their devices, and the cuts move to suit them.
    Swap(usize, usize),
}

/// The best draft that is reached by single changes before the judge's work sinks to `reserve`.
pub(super) fn refine(
    judge: &mut Judge,
    space: &Space,
    (mut draft, mut verdict): (Draft, Verdict),
    reserve: u64,
) -> (Draft, Verdict) {
    let moves = moves(judge.ask, &draft);
    let (mut at, mut in_vain) = (0, 0);
    while in_vain < moves.len() && judge.work > reserve {
        let changed = apply(judge, space, &draft, moves[at]);
        let better = changed.and_then(|changed| {
            let found = judge.verdict(&changed).ok()?;
            found.beats(&verdict).then_some((changed, found))
        });
        if let Some(better) = better {
            (draft, verdict) = better;
            // The same change may help again.
            in_vain = 0;
        } else {
            in_vain += 1;
            at = (at + 1) % moves.len();
        }
    }
    (draft, verdict)
}

fn moves(ask: &Ask, draft: &Draft) -> Vec<Move> {
    let stages = draft.firsts.len();
    let cut = |stage| [1, -1, 2, -2, 4, -4].map(|by| Move::Cut(stage, by));
    let mut moves: Vec<Move> = (1..stages).flat_map(cut).collect();
    if ask.recompute.modes().len() > 1 {
        moves.extend((0..stages).map(Move::Recompute));
    }
    if draft.ranks.len() == stages {
        let ranks = draft.ranks.len();
        moves.extend((1..ranks).map(|rank| Move::Swap(rank - 1, rank)));
        moves.extend((2..ranks).map(|rank| Move::Swap(rank - 2, rank)));
    }
    moves
}

/// The changed draft, if there is one that keeps to what was asked.
fn apply(judge: &mut Judge, space: &Space, draft: &Draft, change: Move) -> Option<Draft> {
    let mut changed = draft.clone();
    let layers = space.layer_count();
    match change {
        Move::Cut(stage, by) => {
            let first = changed.firsts[stage].checked_add_signed(by)?;
            let end = changed.firsts.get(stage + 1).copied().unwrap_or(layers);
            if first <= changed.firsts[stage - 1] || first >= end {
                return None;
            }
            changed.firsts[stage] = first;
        }
        Move::Recompute(stage) => {
            changed.recompute[stage] = match changed.recompute[stage] {
                Recompute::None => Recompute::Full,
                Recompute::Full => Recompute::None,
            };
        }
        Move::Swap(a, b) => {
            changed.ranks.swap(a, b);
            let seats: Option<Vec<usize>> =
                changed.ranks.iter().map(|index| space.number(*index)).collect();
            let seats = seats?;
            let stage = |((first, end), device): ((usize, usize), &usize)| Placed {
                device: *device,
                first,
                end,
                recompute: Recompute::None,
            };
            let stages: Vec<Placed> = draft.layers(layers).zip(&seats).map(stage).collect();
            let reach = (layers / 6).clamp(2, 24);
            let Partition { stages, .. } = along(space, &seats, &near(&stages, layers, reach))?;
            changed = Draft::of(space, &Partition { cost: 0.0, stages }, changed.kind);
        }
    }
    keeps_locks(judge, &changed).then_some(changed)
}

/// Whether every locked layer is on its device.
pub(super) fn keeps_locks(judge: &mut Judge, draft: &Draft) -> bool {
    if judge.ask.locks.is_empty() {
        return true;
    }
    let Ok((_, owners)) = judge.schedule(draft) else { return false };
    judge.ask.locks.iter().all(|(layer, device)| {
        let stage = draft.firsts.partition_point(|first| first <= layer) - 1;
        owners.get(stage).is_some_and(|rank| draft.ranks[*rank] == *device)
    })
}

/// Whether a draft's schedule was made for it.
pub(super) fn is_made(draft: &Draft) -> bool {
    matches!(draft.kind, Kind::Made(_))
}
