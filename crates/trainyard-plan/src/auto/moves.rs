//! Moves of one turn along its row.

use super::random::Random;
use super::rows::{Done, Rows, Turn};
use super::timing::Block;
use crate::ActionKind;
use crate::costs::PipelineCosts;

/// How far from a block's ends a move looks.
const REACH: usize = 12;

/// A turn of a rank goes from one position to another.
#[derive(Clone, Copy)]
pub(super) struct Move {
    pub(super) rank: usize,
    from: usize,
    to: usize,
}

/// Draws a move that may shorten the critical path, and now and then any move at all; `None` if
/// it would change nothing.
pub(super) fn pick(blocks: &[Block], rows: &Rows, random: &mut Random) -> Option<Move> {
    let mut block = *blocks.get(random.below(blocks.len()))?;
    if random.below(6) == 0 {
        let rank = random.below(rows.len());
        block = Block { rank, first: 0, last: rows[rank].len().checked_sub(1)? };
    }
    let Block { rank, first, last } = block;
    let length = last - first + 1;
    let (from, to) = match random.below(4) {
        // Something goes behind the turn that others wait for.
        0 => (last - random.below(length.min(REACH)), last),
        // That turn goes forward.
        1 => (last, last - random.below(length.min(REACH))),
        // Something fills the gap before the block.
        2 => (first + random.below(length.min(2 * REACH)), first + random.below(length.min(4))),
        // Something goes a few places up or down.
        _ => {
            let from = first + random.below(length);
            let to = (from + random.below(REACH + 1)).saturating_sub(REACH / 2);
            (from, to.max(first.saturating_sub(1)).min((last + 1).min(rows[rank].len() - 1)))
        }
    };
    let between = &rows[rank][from.min(to)..=from.max(to)];
    between.iter().any(|turn| *turn != rows[rank][from]).then_some(Move { rank, from, to })
}

/// Moves a turn. Says whether nothing comes before what it needs on its own stage.
pub(super) fn apply(row: &mut [Turn], step: Move, done: &mut [Done]) -> bool {
    if step.from < step.to {
        row[step.from..=step.to].rotate_left(1);
    } else {
        row[step.to..=step.from].rotate_right(1);
    }
    done.iter_mut().for_each(Done::reset);
    row.iter().all(|turn| done[turn.stage].advance(turn.kind).is_some())
}

/// Makes a row's activations fit by pulling weight gradients forward, which give memory free, with
/// so much left for buffers. Says whether they do: what is sure not to fit is not worth timing.
pub(super) fn make_room(
    costs: &PipelineCosts,
    row: &mut [Turn],
    rank: usize,
    buffers: u64,
) -> bool {
    let budget = costs.ranks[rank].budget_bytes.saturating_sub(buffers);
    let mut held = costs.ranks[rank].fixed.total();
    let mut pending = vec![0_usize; costs.stages.len()];
    let mut at = 0;
    while let Some(&Turn { stage, kind }) = row.get(at) {
        let costs = &costs.stages[stage];
        let (memory, recompute) = (&costs.memory, costs.recompute);
        let kept = memory.kept(recompute);
        let (during, after) = match kind {
            ActionKind::Forward => {
                let after = held.saturating_add(kept);
                (after.saturating_add(memory.forward_workspace(recompute)), after)
            }
            ActionKind::WeightGrad => (held, held.saturating_sub(memory.weight_saved)),
            _ => {
                let more = if kind == ActionKind::InputGrad { memory.weight_saved } else { 0 };
                let after = held.saturating_sub(kept).saturating_add(more);
                (held.saturating_add(memory.backward_workspace(recompute)), after)
            }
        };
        if during.max(after) > budget {
            let could_come =
                |turn: &Turn| turn.kind == ActionKind::WeightGrad && pending[turn.stage] > 0;
            match row[at..].iter().position(could_come) {
                None | Some(0) => return false,
                Some(next) => row[at..=at + next].rotate_right(1),
            }
            continue;
        }
        match kind {
            ActionKind::InputGrad => pending[stage] += 1,
            ActionKind::WeightGrad => pending[stage] = pending[stage].saturating_sub(1),
            _ => {}
        }
        held = after;
        at += 1;
    }
    true
}

/// By rank: the largest buffer it has, in bytes.
pub(super) fn largest_buffers(costs: &PipelineCosts) -> Vec<u64> {
    let mut largest = vec![0; costs.ranks.len()];
    for stage in &costs.stages {
        for route in stage.outputs.iter().chain(&stage.input_grads) {
            for rank in [stage.rank, costs.stages[route.stage].rank] {
                largest[rank] = largest[rank].max(route.bytes);
            }
        }
    }
    largest
}
