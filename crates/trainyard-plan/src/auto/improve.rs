//! Local search: moves one turn at a time along its row, where the critical path goes.
//!
//! A step is as long as its critical path, so only a move that breaks the path can shorten it:
//! something is taken out of a block of turns that run one right after the other, or the turn that
//! others wait for is pulled forward in it. Late acceptance lets the walk pass over plateaus: a
//! move is taken if it is no worse than where the walk was some moves ago.

use super::judge::Judge;
use super::rows::{self, Done, Rows, Turn};
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
pub(super) fn improve(judge: &mut Judge, split: bool) -> Result<(), PlanError> {
    let Some(best) = &judge.best else { return Ok(()) };
    let mut rows = best.rows.clone();
    if split {
        let halves = rows::split(&rows);
        if judge.consider(&halves)? {
            rows = halves;
        }
    }
    let mut random = Random(1);
    let Some(step_us) = judge.timing.step_us(&rows) else { return Ok(()) };
    let mut cost = step_us + judge.timing.rows_end_us() * TIE_BREAK;
    let mut blocks = judge.timing.critical();
    let mut history = vec![cost; MEMORY];
    let mut tries = 0;
    let mut done = vec![Done::default(); judge.costs.stages.len()];
    let buffers = largest_buffers(judge.costs);
    let mut before = Vec::new();
    while judge.may_try() {
        tries += 1;
        let Some(step) = pick(&blocks, &rows, &mut random) else { continue };
        let row = &mut rows[step.rank];
        before.clone_from(row);
        apply(row, step);
        let buffers = buffers[step.rank] * random.below(3) as u64;
        let fits = is_sound(row, &mut done) && make_room(judge.costs, row, step.rank, buffers);
        let new = if fits && *row != before { judge.timing.step_us(&rows) } else { None };
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
            None => rows[step.rank].clone_from(&before),
        }
        if cost < history[slot] {
            history[slot] = cost;
        }
    }
    Ok(())
}

/// Whether nothing comes before what it needs on its own stage.
fn is_sound(row: &[Turn], done: &mut [Done]) -> bool {
    done.iter_mut().for_each(Done::reset);
    row.iter().all(|turn| done[turn.stage].advance(turn.kind).is_some())
}

/// By rank: the largest buffer it has, in bytes.
fn largest_buffers(costs: &PipelineCosts) -> Vec<u64> {
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

/// Makes a row's activations fit by pulling weight gradients forward, which give memory free, with
/// so much left for buffers. Says whether they do; what is sure not to fit is not worth timing.
fn make_room(costs: &PipelineCosts, row: &mut [Turn], rank: usize, buffers: u64) -> bool {
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
                (after.saturating_add(memory.forward_work(recompute)), after)
            }
            ActionKind::WeightGrad => (held, held.saturating_sub(memory.weight_saved)),
            _ => {
                let more = if kind == ActionKind::InputGrad { memory.weight_saved } else { 0 };
                let after = held.saturating_sub(kept).saturating_add(more);
                (held.saturating_add(memory.backward_work(recompute)), after)
            }
        };
        if during.max(after) > budget {
            let is_pending =
                |turn: &Turn| turn.kind == ActionKind::WeightGrad && pending[turn.stage] > 0;
            let Some(next) = row[at..].iter().position(is_pending) else { return false };
            if next == 0 {
                return false;
            }
            row[at..=at + next].rotate_right(1);
            continue;
        }
        match kind {
            ActionKind::InputGrad => pending[stage] += 1,
            ActionKind::WeightGrad => pending[stage] -= 1,
            _ => {}
        }
        held = after;
        at += 1;
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
