//! Losses that go back larger than they are, so that sixteen bits are enough for gradients.

use super::{LossScale, Measured, Pipeline};
use crate::EngineError;
use crate::optimizer::Update;
use crate::worker::Command;

impl Pipeline {
    /// Has losses multiplied by a factor before they go back, for devices that compute in f16: gradients, of
    /// which small ones would vanish, are as many times larger until the update. A step with a gradient that is
    /// not finite changes nothing but the factor.
    pub fn scale_loss(&mut self, scale: LossScale) {
        self.loss_scale = Some(scale);
    }

    /// The factor of the next step's loss, where there is one.
    pub fn loss_scale(&self) -> Option<LossScale> {
        self.loss_scale
    }

    /// By what losses are multiplied.
    pub(super) fn loss_factor(&self) -> f64 {
        self.loss_scale.map_or(1.0, |scale| scale.factor())
    }

    /// Whether a step with a gradient that is not finite is to be skipped; the factor is then a smaller one.
    pub(super) fn skips(&mut self) -> bool {
        self.loss_scale.as_mut().is_some_and(LossScale::overflowed)
    }

    /// Forgets the step's gradients and what it did to buffers.
    pub(super) fn skip(&mut self) -> Result<Measured, EngineError> {
        self.workers.ask_all(|| Command::Discard)?;
        self.workers.collect()?;
        self.settle()
    }

    /// The update by gradients as they are, numbered without steps that were skipped. The factor has stood its
    /// test once more.
    pub(super) fn unscaled(&mut self, update: Update) -> Update {
        let Some(scale) = &mut self.loss_scale else { return update };
        let (factor, skipped) = (scale.factor(), scale.skipped());
        scale.good();
        Update {
            step: update.step.saturating_sub(skipped).max(1),
            gradient_scale: update.gradient_scale / factor,
            ..update
        }
    }
}
