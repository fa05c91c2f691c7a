//! Whether what an update leaves is finite: weights and optimizer state.
//!
//! On CPU devices optimizers look while they have the numbers in hand. Where one does not, the device adds
//! them up behind the update: a sum is not finite where a number in it is not. Such sums, some hundred
//! kernels, cost several percent of a small step, so they are made behind every [`LOOK_EVERY`]th update.
//! They are read with the record of the next step. Before a save, and where a loss or a norm is not
//! finite, they are made in any case. Large finite numbers may have such a sum too, so it is a suspicion,
//! upon which all numbers are read.

use burn::tensor::Tensor;

use super::{Stage, StageLayer};
use crate::optimizer::{State, Update, Updated};
use crate::{EngineError, WeightRole, WeightSpec};

/// Behind how many updates a device is asked once for the sums of what no optimizer has looked at.
const LOOK_EVERY: u64 = 16;

/// What is known of the numbers that an update left.
#[derive(Default)]
pub(super) struct FiniteCheck {
    /// Whether some are not finite, or may not be.
    suspect: bool,
    /// Whether some were not looked at.
    partial: bool,
    /// The sum of those that the device has added up, `[1]`, until it is read.
    sum: Option<Tensor<1>>,
}

impl FiniteCheck {
    /// Adds what the optimizer has found of a weight and its state.
    pub(super) fn updated(&mut self, new: &Updated) {
        match new.finite {
            Some(finite) => self.suspect |= !finite,
            None => self.partial = true,
        }
    }

    /// Has the device add up the numbers of a tensor.
    fn add(&mut self, tensor: Tensor<1>) {
        let sum = tensor.sum();
        self.sum = Some(match self.sum.take() {
            Some(others) => others + sum,
            None => sum,
        });
    }

    fn add_state(&mut self, state: &State) {
        let mut finite = true;
        state.visit(
            |values| finite &= values.iter().all(|value| value.is_finite()),
            |tensor| self.add(tensor.clone()),
        );
        self.suspect |= !finite;
    }
}

impl Stage {
    /// Keeps what an update has found out, and has the device find out the rest where it is time to.
    pub(super) fn note_check(&mut self, check: FiniteCheck, update: &Update) {
        self.check = check;
        if update.step.is_multiple_of(LOOK_EVERY) {
            self.look();
        }
    }

    /// Has the device add up what the last update has left, where some of it was not looked at.
    pub(crate) fn look(&mut self) {
        if !std::mem::take(&mut self.check.partial) {
            return;
        }
        for layer in self.layers.iter().filter(|layer| layer.trains()) {
            for (weight, values) in layer.weights.iter().zip(layer.layer.weight_values()) {
                if StageLayer::is_updated(weight) {
                    self.check.add(values);
                    weight.state.iter().for_each(|state| self.check.add_state(state));
                }
            }
        }
    }

    /// What is still to be read of the check of the last update, `[1]`.
    pub(crate) fn unread_check(&self) -> Option<Tensor<1>> {
        self.check.sum.clone()
    }

    /// Puts in what was read.
    pub(crate) fn put_check(&mut self, sum: f32) {
        self.check.sum = None;
        self.check.suspect |= !sum.is_finite();
    }

    /// Upon a suspicion looks at every number.
    ///
    /// # Errors
    /// [`EngineError::NotFiniteWeights`] with the number of the last update, its layer and tensor;
    /// [`EngineError::Driver`].
    pub(crate) fn check_finite(&mut self, step: u64) -> Result<(), EngineError> {
        if self.check.suspect {
            // No update touches a frozen weight.
            let wanted = |weight: &WeightSpec| weight.role != WeightRole::Frozen;
            let mut layers = self.layers.iter();
            layers.try_for_each(|layer| layer.finite_tensors(step, wanted, |_, _, _| ()))?;
            self.check.suspect = false;
        }
        Ok(())
    }

    /// The numbers are others now, and sound.
    pub(crate) fn forget_check(&mut self) {
        self.check = FiniteCheck::default();
    }
}
