//! Scores orders with the simulator, keeps the best, and counts the tries.

use super::lower_bound::lower_bound_us;
use super::options::SearchOptions;
use super::order::{self, Order};
use super::timing::Timing;
use crate::Schedule;
use crate::costs::PipelineCosts;
use crate::simulate::{Score, score};

/// Orders from which the local search starts: its walks end in different places, and each further one
/// leaves fewer moves to the others.
const STARTS: usize = 3;

/// Actions of the longest schedule that gets the whole of [`SearchOptions::effort`]: a step of
/// 8 ranks × 64 micro-batches, for which the effort is stated.
const FULL_EFFORT: usize = 8 * 64 * 3;

/// Moves that take as long as one list schedule: a move is timed alone, a list schedule is built with
/// its memory.
const LIST_TRIES: usize = 10;

/// Scores the orders of all parts of a search.
pub(super) struct Evaluator<'a> {
    pub(super) costs: &'a PipelineCosts,
    pub(super) micro_batches: usize,
    pub(super) split_backward: bool,
    pub(super) timing: Timing<'a>,
    pub(super) tries_left: usize,
    /// Tries that list schedules leave to moves.
    for_moves: usize,
    /// Lower bound of the step time, µs.
    bound_us: f64,
    /// Orders that fit, no two equally fast, the fastest first, with their step time, µs.
    starts: Vec<(f64, Order)>,
    best: Option<(Schedule, Score)>,
}

impl<'a> Evaluator<'a> {
    pub(super) fn new(
        costs: &'a PipelineCosts,
        micro_batches: usize,
        options: &SearchOptions,
    ) -> Self {
        let actions = costs.stages.len() * micro_batches * 3;
        let share = FULL_EFFORT as f64 / actions.max(FULL_EFFORT) as f64;
        let tries = (options.effort as f64 * share) as usize;
        Self {
            costs,
            micro_batches,
            split_backward: options.split_backward,
            timing: Timing::new(costs, micro_batches),
            tries_left: tries,
            for_moves: tries / 2,
            bound_us: lower_bound_us(costs, micro_batches, options.split_backward),
            starts: Vec::new(),
            best: None,
        }
    }

    /// Takes a try for a move; false where none is left.
    pub(super) fn may_move(&mut self) -> bool {
        self.take(1, 0)
    }

    /// Takes the tries for a list schedule; false where too few are left.
    pub(super) fn may_list(&mut self) -> bool {
        self.take(LIST_TRIES, self.for_moves)
    }

    /// No tries are left once the best is at the lower bound.
    fn take(&mut self, tries: usize, leave: usize) -> bool {
        let may = self.tries_left >= tries + leave && self.best_us() > self.bound_us;
        self.tries_left -= if may { tries } else { 0 };
        may
    }

    /// Step time of the best order that fits, µs.
    pub(super) fn best_us(&self) -> f64 {
        self.best.as_ref().map_or(f64::INFINITY, |(_, score)| score.step_us)
    }

    /// Whether an order of this step time would be one of the starts.
    pub(super) fn is_start(&self, step_us: f64) -> bool {
        self.starts.len() < STARTS || self.starts.iter().any(|(other_us, _)| step_us < *other_us)
    }

    /// Simulates an order and keeps it if it is among the best. Returns whether it fits.
    pub(super) fn evaluate(&mut self, order: &Order) -> bool {
        let schedule = order::to_schedule(order, self.costs.stages.len());
        // An order that cannot run to its end is an error, and does not fit.
        let score = score(self.costs, &schedule, self.micro_batches);
        let Some(score) = score.ok().filter(|score| score.fits) else { return false };
        debug_assert!(
            self.timing.step_us(order).is_some_and(|us| (us - score.step_us).abs() <= 1e-6 * us),
            "an order's time and the simulator's differ"
        );
        let at = self.starts.partition_point(|(step_us, _)| *step_us < score.step_us);
        if self.starts.get(at).is_none_or(|(step_us, _)| *step_us > score.step_us) && at < STARTS {
            self.starts.insert(at, (score.step_us, order.clone()));
            self.starts.truncate(STARTS);
        }
        if score.step_us < self.best_us() {
            self.best = Some((schedule, score));
        }
        true
    }

    /// The starts of the local search, taken out.
    pub(super) fn take_starts(&mut self) -> Vec<Order> {
        std::mem::take(&mut self.starts).into_iter().map(|(_, order)| order).collect()
    }

    pub(super) fn best(self) -> Option<(Schedule, Score)> {
        self.best
    }
}
