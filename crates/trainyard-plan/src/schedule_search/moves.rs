//! Moves of one operation along its rank's order.

use super::order::{Done, Op, Order};
use super::random::Random;
use super::timing::Block;
use crate::ActionKind;
use crate::costs::PipelineCosts;

/// Operations from a block's ends that a move reaches. The path is broken at a block's ends, and a
/// longer move passes several micro-batches, which shorter ones do step by step.
const REACH: usize = 12;

/// An operation of a rank goes from one position to another.
#[derive(Clone, Copy)]
pub(super) struct Move {
    pub(super) rank: usize,
    from: usize,
    to: usize,
}

/// Draws a move that may shorten the critical path, and now and then any move at all; `None` for one
/// that changes nothing.
pub(super) fn pick(blocks: &[Block], order: &Order, random: &mut Random) -> Option<Move> {
    let mut block = *blocks.get(random.below(blocks.len()))?;
    if random.below(6) == 0 {
        let rank = random.below(order.len());
        block = Block { rank, first: 0, last: order[rank].len().checked_sub(1)? };
    }
    let Block { rank, first, last } = block;
    let length = last - first + 1;
    let (from, to) = match random.below(4) {
        // An operation goes behind the one that others wait for.
        0 => (last - random.below(length.min(REACH)), last),
        // The one that others wait for goes forward.
        1 => (last, last - random.below(length.min(REACH))),
        // An operation fills the gap before the block.
        2 => (first + random.below(length.min(2 * REACH)), first + random.below(length.min(4))),
        // An operation goes a few places up or down.
        _ => {
            let from = first + random.below(length);
            let to = (from + random.below(REACH + 1)).saturating_sub(REACH / 2);
            (from, to.max(first.saturating_sub(1)).min((last + 1).min(order[rank].len() - 1)))
        }
    };
    let between = &order[rank][from.min(to)..=from.max(to)];
    between.iter().any(|op| *op != order[rank][from]).then_some(Move { rank, from, to })
}

/// Moves an operation. Returns whether each still comes after what it needs on its own stage.
pub(super) fn apply(row: &mut [Op], step: Move, done: &mut [Done]) -> bool {
    if step.from < step.to {
        row[step.from..=step.to].rotate_left(1);
    } else {
        row[step.to..=step.from].rotate_right(1);
    }
    done.iter_mut().for_each(Done::reset);
    row.iter().all(|op| done[op.stage].advance(op.kind).is_some())
}

/// Makes a rank's activations fit by moving weight gradients forward, which free memory, with
/// `buffers` bytes left for buffers. Returns whether they fit: where they do not, timing the order is
/// of no use.
pub(super) fn make_room(costs: &PipelineCosts, row: &mut [Op], rank: usize, buffers: u64) -> bool {
    let budget = costs.ranks[rank].budget_bytes.saturating_sub(buffers);
    let mut held = costs.ranks[rank].fixed.total();
    let mut pending = vec![0_usize; costs.stages.len()];
    let mut at = 0;
    while let Some(&Op { stage, kind }) = row.get(at) {
        let footprint = costs.stages[stage].footprint(kind);
        let after = footprint.after(held);
        if footprint.during(held).max(after) > budget {
            let could_come = |op: &Op| op.kind == ActionKind::WeightGrad && pending[op.stage] > 0;
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

/// Largest buffer of each rank, bytes.
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
