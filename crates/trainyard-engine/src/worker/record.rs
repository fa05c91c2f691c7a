//! What the host reads of a device: once a step, before the update, one small record.

use burn::tensor::Tensor;

use super::{Reply, Worker};
use crate::EngineError;
use crate::objective::Loss;
use crate::stage::{Norms, Stage};

impl Worker {
    /// All that the host has to know of a step before the update: losses, metrics and norms, and whether
    /// the update before has left finite numbers, as far as that was looked at, in one read, with the times
    /// of what was done until now.
    ///
    /// # Errors
    /// [`EngineError::NotFiniteWeights`] of the update before; [`EngineError::Driver`].
    pub(super) fn read_record(&mut self, mut norms: Vec<Norms>) -> Result<Reply, EngineError> {
        let losses: Vec<Loss> = self.losses.drain(..).flatten().collect();
        let of_losses = losses.iter().flat_map(Loss::numbers);
        let of_norms = norms.iter().flat_map(Norms::unread);
        let of_checks = self.stages.iter().filter_map(Stage::unread_check);
        let record: Vec<Tensor<1>> = of_losses.chain(of_norms).chain(of_checks).collect();
        let reading = self.timeline.begin_read();
        let record = self.context.device.read(record)?;
        self.timeline.finish_read(reading.as_ref())?;
        let values = &mut record.into_iter();
        let losses = losses.iter().map(|loss| loss.values(values)).collect();
        for norms in &mut norms {
            norms.put(values);
        }
        self.put_checks(values);
        self.check_stages()?;
        let norms = norms.into_iter().flat_map(|norms| norms.of_layers).collect();
        Ok(Reply::Gradients { losses, norms })
    }

    /// Whether the last update has left finite numbers, where no step will tell or the step has told that
    /// something is wrong.
    ///
    /// # Errors
    /// As [`Self::read_record`].
    pub(super) fn check_finite(&mut self) -> Result<(), EngineError> {
        self.stages.iter_mut().for_each(Stage::look);
        let unread: Vec<Tensor<1>> = self.stages.iter().filter_map(Stage::unread_check).collect();
        if !unread.is_empty() {
            let read = self.context.device.read(unread)?;
            self.put_checks(&mut read.into_iter());
        }
        self.check_stages()
    }

    fn put_checks(&mut self, values: &mut impl Iterator<Item = f32>) {
        for stage in self.stages.iter_mut().filter(|stage| stage.unread_check().is_some()) {
            if let Some(sum) = values.next() {
                stage.put_check(sum);
            }
        }
    }

    fn check_stages(&mut self) -> Result<(), EngineError> {
        let step = self.updated;
        self.stages.iter_mut().try_for_each(|stage| stage.check_finite(step))
    }
}
