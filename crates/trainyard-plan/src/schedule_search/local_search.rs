//! Local search: moves one operation at a time along its rank, most where the critical path goes.
//!
//! A step is as long as its critical path, so only what breaks the path can shorten it: an operation
//! is taken out of a block that runs without gaps, or the one that others wait for is pulled forward
//! in it. Late acceptance lets a walk pass over plateaus and small hills: a move is taken if it is no
//! worse than where the walk was some moves ago (Burke & Bykov, The late acceptance hill-climbing
//! heuristic, 2017).

use super::evaluator::Evaluator;
use super::moves::{apply, largest_buffers, make_room, pick};
use super::order::{self, Done, Order};
use super::random::Random;

/// Moves back to the cost that a walk compares with. Walks are short, a few dozen to some thousand
/// moves: a longer memory spends them on going uphill.
const MEMORY: usize = 15;

/// Weight of the sum of the ranks' ends beside the step time: of two orders that take equally long,
/// the one where it is less leaves more room for further moves.
const TIE_BREAK: f64 = 1e-3;

/// Walks from each of the evaluator's starts; the evaluator keeps what is better.
pub(super) fn improve(evaluator: &mut Evaluator) {
    let starts = evaluator.take_starts();
    let mut walks_left = starts.len();
    for order in starts {
        let tries = evaluator.tries_left / walks_left;
        walk(evaluator, order, tries);
        walks_left -= 1;
    }
}

fn walk(evaluator: &mut Evaluator, mut order: Order, tries: usize) {
    if evaluator.split_backward {
        let halves = order::split(&order);
        if evaluator.evaluate(&halves) {
            order = halves;
        }
    }
    let Some(mut cost) = cost(evaluator, &order) else { return };
    let mut blocks = evaluator.timing.critical();
    let mut history = [cost; MEMORY];
    let mut random = Random(1);
    let mut done = vec![Done::default(); evaluator.costs.stages.len()];
    let buffers = largest_buffers(evaluator.costs);
    let mut before = Vec::new();
    for number in 0..tries {
        if !evaluator.may_move() {
            return;
        }
        let Some(step) = pick(&blocks, &order, &mut random) else { continue };
        let row = &mut order[step.rank];
        before.clone_from(row);
        // The bytes that buffers take depend on times, so their number is drawn.
        let buffers = buffers[step.rank] * random.below(3) as u64;
        let may_fit =
            apply(row, step, &mut done) && make_room(evaluator.costs, row, step.rank, buffers);
        let new = if may_fit && *row != before { self::cost(evaluator, &order) } else { None };
        let past = &mut history[number % MEMORY];
        let new = new.filter(|new| *new <= cost.max(*past));
        let is_kept = new.filter(|_| {
            evaluator.timing.last_us() >= evaluator.best_us() || evaluator.evaluate(&order)
        });
        match is_kept {
            Some(new) => {
                cost = new;
                blocks = evaluator.timing.critical();
            }
            None => order[step.rank].clone_from(&before),
        }
        *past = past.min(cost);
    }
}

/// The cost that the walk makes small; `None` for an order that cannot run.
fn cost(evaluator: &mut Evaluator, order: &Order) -> Option<f64> {
    let step_us = evaluator.timing.step_us(order)?;
    Some(step_us + TIE_BREAK * evaluator.timing.ends_sum_us())
}
