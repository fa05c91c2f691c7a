//! Having kernels compiled before the first step.

use std::sync::Arc;

use super::worker_pool::Rank;
use super::{MicroBatch, Pipeline};
use crate::EngineError;
use crate::worker::Command;

impl Pipeline {
    /// Does what a step does and forgets it, so that no step waits for a kernel to be compiled, or for the
    /// fastest to be found. Weights, buffers and optimizer state stay what they are. CPU devices compile
    /// nothing; where there are no others nothing is done.
    ///
    /// `progress` is told every so often, while it goes on, which device is furthest behind, and how many
    /// of its actions are done, of how many.
    ///
    /// # Errors
    /// As [`Self::step`], but that it does not matter what comes out.
    pub fn warm_up(
        &mut self,
        micro_batches: Vec<MicroBatch>,
        progress: &dyn Fn(&str, usize, usize),
    ) -> Result<(), EngineError> {
        if !self.workers.ranks.iter().any(|rank| rank.compiles) {
            return Ok(());
        }
        self.check_micro_batches(&micro_batches)?;
        let traces = self.traces;
        self.trace(false)?;
        let counts = self.counts(&micro_batches);
        self.begin_step(0, &counts, micro_batches)?;
        let plan = Arc::clone(&self.plan);
        let look = |ranks: &[Rank]| {
            let far =
                ranks.iter().zip(&plan.schedule.ranks).filter(|(rank, _)| rank.compiles).map(
                    |(rank, actions)| (&rank.device, rank.activity.seen().done, actions.len()),
                );
            // The smallest share, done ÷ of, without dividing.
            let behind = far
                .min_by(|(_, done, of), (_, other, of_other)| (done * of_other).cmp(&(other * of)));
            if let Some((device, done, of)) = behind {
                progress(device, done, of);
            }
        };
        self.workers.collect_watching(&look)?;
        self.workers.ask_all(|| Command::TryUpdate)?;
        self.workers.collect_watching(&look)?;
        self.workers.ask_all(|| Command::Discard)?;
        self.workers.collect()?;
        self.trace(traces)
    }
}
