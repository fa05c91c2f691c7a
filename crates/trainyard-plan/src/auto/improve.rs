//! Local search: moves one turn at a time along its row, most where the critical path goes.
//!
//! A step is as long as its critical path, so only what breaks the path can shorten it: something
//! is taken out of a block of turns that run one right after the other, or the turn that others
//! wait for is pulled forward in it. Late acceptance lets a walk pass over plateaus and small
//! hills: a move is taken if it is no worse than where the walk was some moves ago (Burke & Bykov,
//! The late acceptance hill-climbing heuristic, 2017).

use super::judge::Judge;
use super::moves::{apply, largest_buffers, make_room, pick};
use super::random::Random;
use super::rows::{self, Done, Rows};

/// How many moves back a walk compares with.
const MEMORY: usize = 15;

/// What the sum of the ranks' ends weighs beside the time of the step: of two orders that take
/// equally long, the one where it is less leaves more room.
const TIE_BREAK: f64 = 1e-3;

/// Walks from each of the judge's starts; the judge keeps what is better.
pub(super) fn improve(judge: &mut Judge) {
    let starts = judge.take_starts();
    let mut walks_left = starts.len();
    for rows in starts {
        let tries = judge.tries_left / walks_left;
        walk(judge, rows, tries);
        walks_left -= 1;
    }
}

fn walk(judge: &mut Judge, mut rows: Rows, tries: usize) {
    if judge.split {
        let halves = rows::split(&rows);
        if judge.consider(&halves) {
            rows = halves;
        }
    }
    let Some(mut cost) = cost(judge, &rows) else { return };
    let mut blocks = judge.timing.critical();
    let mut history = [cost; MEMORY];
    let mut random = Random(1);
    let mut done = vec![Done::default(); judge.costs.stages.len()];
    let buffers = largest_buffers(judge.costs);
    let mut before = Vec::new();
    for turn in 0..tries {
        if !judge.may_move() {
            return;
        }
        let Some(step) = pick(&blocks, &rows, &mut random) else { continue };
        let row = &mut rows[step.rank];
        before.clone_from(row);
        // How much the buffers will take depends on times, so that is left to chance too.
        let buffers = buffers[step.rank] * random.below(3) as u64;
        let may_fit =
            apply(row, step, &mut done) && make_room(judge.costs, row, step.rank, buffers);
        let new = if may_fit && *row != before { self::cost(judge, &rows) } else { None };
        let past = &mut history[turn % MEMORY];
        let new = new.filter(|new| *new <= cost.max(*past));
        match new.filter(|_| judge.timing.last_us() >= judge.best_us() || judge.consider(&rows)) {
            Some(new) => {
                cost = new;
                blocks = judge.timing.critical();
            }
            None => rows[step.rank].clone_from(&before),
        }
        *past = past.min(cost);
    }
}

/// What the walk wants less of; `None` if the order cannot run.
fn cost(judge: &mut Judge, rows: &Rows) -> Option<f64> {
    let step_us = judge.timing.step_us(rows)?;
    Some(step_us + TIE_BREAK * judge.timing.rows_end_us())
}
