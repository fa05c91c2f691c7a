//! Keeps the best schedule seen so far, by the simulator's word.

use super::rows::{self, Rows};
use super::timing::Timing;
use crate::costs::PipelineCosts;
use crate::simulate::{Score, score};
use crate::{PlanError, Schedule};

/// The best so far, and how many tries are left.
pub(super) struct Judge<'a> {
    pub(super) costs: &'a PipelineCosts,
    pub(super) micro_batches: usize,
    pub(super) timing: Timing<'a>,
    pub(super) tries_left: usize,
    pub(super) best: Option<Best>,
}

/// A schedule that fits.
#[derive(Clone)]
pub(super) struct Best {
    pub(super) rows: Rows,
    pub(super) schedule: Schedule,
    pub(super) score: Score,
}

impl<'a> Judge<'a> {
    pub(super) fn new(costs: &'a PipelineCosts, micro_batches: usize, tries: usize) -> Self {
        let timing = Timing::new(costs, micro_batches);
        Self { costs, micro_batches, timing, tries_left: tries, best: None }
    }

    /// Takes one of the tries.
    pub(super) fn may_try(&mut self) -> bool {
        let may = self.tries_left > 0;
        self.tries_left = self.tries_left.saturating_sub(1);
        may
    }

    pub(super) fn best_us(&self) -> f64 {
        self.best.as_ref().map_or(f64::INFINITY, |best| best.score.step_us)
    }

    /// Simulates an order and keeps it if it fits and is the fastest so far. Says whether it fits.
    pub(super) fn consider(&mut self, rows: &Rows) -> Result<bool, PlanError> {
        let schedule = rows::schedule(rows, self.costs.stages.len());
        let score = score(self.costs, &schedule, self.micro_batches)?;
        let fits = score.fits;
        if fits && score.step_us < self.best_us() {
            self.best = Some(Best { rows: rows.clone(), schedule, score });
        }
        Ok(fits)
    }
}
