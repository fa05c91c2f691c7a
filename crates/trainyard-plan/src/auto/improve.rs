//! Local search: moves one turn at a time along its row, where the critical path goes.
//!
//! A step is as long as its critical path, so only a move that breaks the path can shorten it:
//! something is taken out of a block of turns that run one right after the other, or the turn that
//! others wait for is pulled forward in it. Late acceptance lets the walk pass over plateaus: a
//! move is taken if it is no worse than where the walk was some moves ago.

use super::judge::Judge;
use super::rows::{Rows, Turn};
use super::timing::Block;
use crate::costs::PipelineCosts;
use crate::{ActionKind, PlanError};

/// How many moves back the walk compares with.
const MEMORY: usize = 50;

/// A turn of a rank goes from one position to another.
#[derive(Clone, Copy)]
struct Move {
    rank: usize,
    from: usize,
    to: usize,
}

/// Walks from the judge's best until no tries are left; the judge keeps what is better.
pub(super) fn improve(judge: &mut Judge) -> Result<(), PlanError> {
    let Some(best) = &judge.best else { return Ok(()) };
    let mut rows = best.rows.clone();
    let mut random = Random(1);
    let Some(step_us) = judge.timing.step_us(&rows) else { return Ok(()) };
    let mut cost = step_us + judge.timing.rows_end_us() * TIE_BREAK;
    let mut blocks = judge.timing.critical();
    let mut history = vec![cost; MEMORY];
    let mut tries = 0;
    while judge.may_try() {
        tries += 1;
        let Some(step) = pick(&blocks, &rows, &mut random) else { continue };
        apply(&mut rows[step.rank], step);
        let new = if row_fits(judge.costs, &rows[step.rank], step.rank) {
            judge.timing.step_us(&rows)
        } else {
            None
        };
        let slot = tries % MEMORY;
        let accepted = match new {
            None => None,
            Some(step_us) => {
                let new_cost = step_us + judge.timing.rows_end_us() * TIE_BREAK;
                let take = new_cost <= cost || new_cost <= history[slot];
                let fits = take && (step_us >= judge.best_us() || judge.consider(&rows)?);
                fits.then_some(new_cost)
            }
        };
        match accepted {
            Some(new_cost) => {
                cost = new_cost;
                blocks = judge.timing.critical();
            }
            None => apply(&mut rows[step.rank], Move { from: step.to, to: step.from, ..step }),
        }
        if cost < history[slot] {
            history[slot] = cost;
        }
    }
    Ok(())
}

/// What the sum of the ranks' ends weighs beside the time of the step.
const TIE_BREAK: f64 = 1e-3;

fn pick(blocks: &[Block], rows: &Rows, random: &mut Random) -> Option<Move> {
    let block = blocks.get(random.below(blocks.len()))?;
    let Block { rank, first, last } = *block;
    let length = last - first + 1;
    let row = &rows[rank];
    let near = |random: &mut Random| random.below(length.min(12));
    let (from, to) = match random.below(4) {
        // Out of the block, behind its end.
        0 => (last - near(random), last),
        // The end, further forward.
        1 => (last, last - near(random)),
        // Something later to the block's start.
        2 => (first + random.below(length.min(24)), first + near(random).min(3)),
        _ => {
            let from = first + random.below(length);
            let to = (from + random.below(13))
                .saturating_sub(6)
                .clamp(first.saturating_sub(1), (last + 1).min(row.len() - 1));
            (from, to)
        }
    };
    let turn = row[from];
    let (low, high) = (from.min(to), from.max(to));
    let changes = row[low..=high].iter().any(|other| *other != turn);
    changes.then_some(Move { rank, from, to })
}

fn apply(row: &mut [Turn], step: Move) {
    if step.from < step.to {
        row[step.from..=step.to].rotate_left(1);
    } else {
        row[step.to..=step.from].rotate_right(1);
    }
}

/// Whether a rank's activations fit, without buffers: what is sure not to fit is not worth timing.
fn row_fits(costs: &PipelineCosts, row: &[Turn], rank: usize) -> bool {
    let budget = costs.ranks[rank].budget_bytes;
    let mut held = costs.ranks[rank].fixed.total();
    for turn in row {
        let stage = &costs.stages[turn.stage];
        let (memory, recompute) = (&stage.memory, stage.recompute);
        let kept = memory.kept(recompute);
        let (more, work, less) = match turn.kind {
            ActionKind::Forward => (kept, memory.forward_work(recompute), 0),
            ActionKind::InputGrad => {
                // What W needs takes the place of what is kept.
                let work = memory.backward_work(recompute);
                if held.saturating_add(work) > budget {
                    return false;
                }
                held = held.saturating_sub(kept);
                (memory.weight_saved, 0, 0)
            }
            ActionKind::WeightGrad => (0, 0, memory.weight_saved),
            _ => (0, memory.backward_work(recompute), kept),
        };
        held = held.saturating_add(more);
        if held.saturating_add(work) > budget {
            return false;
        }
        held = held.saturating_sub(less);
    }
    true
}

/// The same numbers each time: a linear congruential generator (Knuth's MMIX).
struct Random(u64);

impl Random {
    /// Less than `end`, or 0.
    fn below(&mut self, end: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize).checked_rem(end).unwrap_or(0)
    }
}
