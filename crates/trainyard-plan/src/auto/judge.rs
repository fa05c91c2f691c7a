//! Keeps the best orders seen so far, by the simulator's word, and counts the tries.

use super::rows::{self, Rows};
use super::timing::Timing;
use super::{Options, lower_bound_us};
use crate::Schedule;
use crate::costs::PipelineCosts;
use crate::simulate::{Score, score};

/// How many orders the local search starts from. Its walks end in different places.
const STARTS: usize = 3;

/// So many actions a schedule may have before [`Options::effort`] counts for less.
const FULL_EFFORT: usize = 8 * 64 * 3;

/// How many moves take as long as one list schedule.
const LIST_TRIES: usize = 10;

/// What all parts of the search report to.
pub(super) struct Judge<'a> {
    pub(super) costs: &'a PipelineCosts,
    pub(super) micro_batches: usize,
    pub(super) split: bool,
    pub(super) timing: Timing<'a>,
    pub(super) tries_left: usize,
    /// What list schedules leave of the tries.
    for_moves: usize,
    /// What cannot be beaten, µs.
    bound_us: f64,
    /// Those that fit, no two of them equally fast, the fastest first.
    starts: Vec<(f64, Rows)>,
    best: Option<(Schedule, Score)>,
}

impl<'a> Judge<'a> {
    pub(super) fn new(costs: &'a PipelineCosts, micro_batches: usize, options: &Options) -> Self {
        let actions = costs.stages.len() * micro_batches * 3;
        let share = FULL_EFFORT as f64 / actions.max(FULL_EFFORT) as f64;
        let tries = (options.effort as f64 * share) as usize;
        Self {
            costs,
            micro_batches,
            split: options.split_backward,
            timing: Timing::new(costs, micro_batches),
            tries_left: tries,
            for_moves: tries / 2,
            bound_us: lower_bound_us(costs, micro_batches, options.split_backward),
            starts: Vec::new(),
            best: None,
        }
    }

    /// Takes a try for a move.
    pub(super) fn may_move(&mut self) -> bool {
        self.take(1, 0)
    }

    /// Takes tries for a list schedule.
    pub(super) fn may_list(&mut self) -> bool {
        self.take(LIST_TRIES, self.for_moves)
    }

    /// There are none left once nothing can be better.
    fn take(&mut self, tries: usize, leave: usize) -> bool {
        let may = self.tries_left >= tries + leave && self.best_us() > self.bound_us;
        self.tries_left -= if may { tries } else { 0 };
        may
    }

    /// The time of the best that fits, µs.
    pub(super) fn best_us(&self) -> f64 {
        self.best.as_ref().map_or(f64::INFINITY, |(_, score)| score.step_us)
    }

    /// Whether an order of that time would be a start.
    pub(super) fn is_start(&self, step_us: f64) -> bool {
        self.starts.len() < STARTS || self.starts.iter().any(|(other_us, _)| step_us < *other_us)
    }

    /// Simulates an order and keeps it if it is among the best. Says whether it fits.
    pub(super) fn consider(&mut self, rows: &Rows) -> bool {
        let schedule = rows::schedule(rows, self.costs.stages.len());
        // One that cannot run to its end is an error, and does not fit.
        let score = score(self.costs, &schedule, self.micro_batches);
        let Some(score) = score.ok().filter(|score| score.fits) else { return false };
        debug_assert!(
            self.timing.step_us(rows).is_some_and(|us| (us - score.step_us).abs() <= 1e-6 * us),
            "an order's time and the simulator's differ"
        );
        let at = self.starts.partition_point(|(step_us, _)| *step_us < score.step_us);
        if self.starts.get(at).is_none_or(|(step_us, _)| *step_us > score.step_us) && at < STARTS {
            self.starts.insert(at, (score.step_us, rows.clone()));
            self.starts.truncate(STARTS);
        }
        if score.step_us < self.best_us() {
            self.best = Some((schedule, score));
        }
        true
    }

    /// Hands over what is to be improved.
    pub(super) fn take_starts(&mut self) -> Vec<Rows> {
        std::mem::take(&mut self.starts).into_iter().map(|(_, rows)| rows).collect()
    }

    pub(super) fn best(self) -> Option<(Schedule, Score)> {
        self.best
    }
}
