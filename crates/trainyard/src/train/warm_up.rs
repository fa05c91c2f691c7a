//! What is done before the first step.

use super::training::Training;
use crate::error::RunError;

impl Training<'_> {
    /// Has the devices compile what they will run, and says how far that is where it takes long.
    ///
    /// # Errors
    /// When the data cannot be read, or a device fails.
    pub(super) fn warm_up(&mut self) -> Result<(), RunError> {
        let slices = self.plan.schedule.slices;
        let micro_batches = self.setup.micro_batches(self.cursor, slices)?;
        let Self { pipeline, progress, .. } = self;
        let compiling = |device: &str, done, of| progress.compiling(device, done, of);
        Ok(pipeline.warm_up(micro_batches, &compiling)?)
    }
}
