//! Step 3, local search: small changes to a candidate while the simulated cost falls.

use super::candidate::Candidate;
use super::evaluate::Evaluator;
use super::fixed_order_dp::{best_cuts, starts_near};
use super::partition::{Partition, PlacedStage};
use super::score::Score;
use super::space::Space;
use super::validated::ValidatedRequest;
use crate::Recompute;

/// Layers by which a cut moves: single ones find the nearest best cut, larger ones pass a layer that is
/// worse alone.
const STEPS: [isize; 6] = [1, -1, 2, -2, 4, -4];

/// The changes that a search tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moves {
    /// Whether stages recompute: the cuts are given.
    Recompute,
    /// Those that most often help.
    Near,
    /// Another device for a rank and two cuts at once as well: many, and worth it for the best only.
    All,
}

/// A change to a candidate.
#[derive(Clone, Copy, Debug)]
enum Move {
    /// The cut before a stage moves by some layers.
    Cut(usize, isize),
    /// A stage recomputes, or no longer does.
    Recompute(usize),
    /// Two ranks exchange their devices, and the cuts move to suit them.
    Swap(usize, usize),
    /// A rank has another device, and the cuts stay.
    Device(usize, usize),
    /// Two neighbouring cuts move by some layers.
    Shift(usize, isize),
}

/// The best candidate that single changes lead to before the evaluator's budget sinks to `reserve`.
pub(super) fn local_search(
    evaluator: &mut Evaluator,
    space: &Space,
    (mut candidate, mut score): (Candidate, Score),
    allowed: Moves,
    reserve: u64,
) -> (Candidate, Score) {
    let moves = moves(evaluator.request, space.device_count(), &candidate, allowed);
    let (mut at, mut in_vain) = (0, 0);
    while in_vain < moves.len() && evaluator.budget > reserve {
        let changed = apply(evaluator, space, &candidate, moves[at]);
        let better = changed.and_then(|changed| {
            let found = evaluator.evaluate(&changed).ok()?;
            found.beats(&score).then_some((changed, found))
        });
        if let Some(better) = better {
            (candidate, score) = better;
            // The same change may help again.
            in_vain = 0;
        } else {
            in_vain += 1;
            at = (at + 1) % moves.len();
        }
    }
    (candidate, score)
}

fn moves(
    request: &ValidatedRequest,
    devices: usize,
    candidate: &Candidate,
    allowed: Moves,
) -> Vec<Move> {
    let (stages, ranks) = (candidate.firsts.len(), candidate.ranks.len());
    let cut = |stage| STEPS.map(|by| Move::Cut(stage, by));
    let recompute = (0..stages).filter(|_| request.recompute.modes().len() > 1);
    let recompute = recompute.map(Move::Recompute);
    if allowed == Moves::Recompute {
        return recompute.collect();
    }
    let mut moves: Vec<Move> = (1..stages).flat_map(cut).collect();
    moves.extend(recompute);
    if ranks == stages {
        moves.extend((1..ranks).map(|rank| Move::Swap(rank - 1, rank)));
        moves.extend((2..ranks).map(|rank| Move::Swap(rank - 2, rank)));
    }
    if allowed == Moves::All {
        moves.extend((2..stages).flat_map(|stage| [1, -1].map(|by| Move::Shift(stage, by))));
        moves.extend(
            (0..ranks).flat_map(|rank| (0..devices).map(move |device| Move::Device(rank, device))),
        );
    }
    moves
}

/// The changed candidate; `None` where the change is not possible or not allowed.
fn apply(
    evaluator: &mut Evaluator,
    space: &Space,
    candidate: &Candidate,
    change: Move,
) -> Option<Candidate> {
    let mut changed = candidate.clone();
    let layers = space.layer_count();
    match change {
        Move::Cut(stage, by) => {
            // A cut beyond its neighbours leaves a stage without layers, which evaluation refuses.
            changed.firsts[stage] = changed.firsts[stage].checked_add_signed(by)?;
        }
        Move::Recompute(stage) => {
            changed.recompute[stage] = match changed.recompute[stage] {
                Recompute::None => Recompute::Full,
                Recompute::Full => Recompute::None,
            };
        }
        Move::Swap(a, b) => {
            changed.ranks.swap(a, b);
            let numbers = changed.ranks.iter().map(|index| space.number(*index));
            let stage_devices = numbers.collect::<Option<Vec<usize>>>()?;
            let stage = |((first, end), device): ((usize, usize), &usize)| PlacedStage {
                device: *device,
                first,
                end,
                recompute: Recompute::None,
            };
            let placed = candidate.layers(layers).zip(&stage_devices).map(stage);
            let placed: Vec<PlacedStage> = placed.collect();
            // Cuts move by a sixth of the model at most, as far as the programme stays quick.
            let reach = (layers / 6).clamp(2, 24);
            let starts = starts_near(&placed, layers, reach);
            let Partition { cost, stages } = best_cuts(space, &stage_devices, &starts)?;
            changed = Candidate::of(space, &Partition { cost, stages }, changed.schedule);
        }
        Move::Device(rank, number) => {
            let device = space.index(number);
            match changed.ranks.iter().position(|other| *other == device) {
                Some(other) if other <= rank => return None,
                Some(other) => changed.ranks.swap(rank, other),
                None => changed.ranks[rank] = device,
            }
        }
        Move::Shift(stage, by) => {
            changed.firsts[stage - 1] = changed.firsts[stage - 1].checked_add_signed(by)?;
            changed.firsts[stage] = changed.firsts[stage].checked_add_signed(by)?;
        }
    }
    evaluator.is_allowed(&changed).then_some(changed)
}
