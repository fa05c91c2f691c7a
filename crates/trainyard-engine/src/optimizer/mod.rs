//! Optimizers: how weights follow from gradients.
//!
//! An [`Optimizer`] updates a group of weights at once, each with its shape, its gradient and what
//! it keeps from step to step ([`State`]), so that a device may do a group in one dispatch.
//! [`OptimizerGroups`] says which weights have learning rates and weight decays of their own.
//! [`LearningRate`] gives the learning rate of every step.
//!
//! A new optimizer is one file here and one line in [`OPTIMIZERS`]: the tests run every registered
//! one, on the host and on devices, and compare its state with what it says it needs.

mod adafactor;
mod adamw;
mod check;
mod entry;
mod grouped;
mod groups;
mod learning_rate;
mod lion;
mod momentum;
mod muon;
mod registry;
mod sgd;
mod spec;
mod state;
mod updated;

use std::fmt::Debug;

use crate::EngineError;

pub use adafactor::Adafactor;
pub use adamw::AdamW;
pub(crate) use adamw::adamw_by_operations;
pub use entry::{Gradient, GroupEntry, GroupFactors, Update};
pub use grouped::GroupedOptimizer;
pub(crate) use groups::weight_name;
pub use groups::{OptimizerGroup, OptimizerGroups};
pub use learning_rate::{LearningRate, LearningRateSchedule};
pub use lion::Lion;
pub use muon::Muon;
pub use registry::{OPTIMIZERS, OptimizerKind, optimizer_kind};
pub use sgd::Sgd;
pub use spec::{WeightRole, WeightSpec};
pub use state::{State, StateEntry, StateSpec};
pub use updated::Updated;

/// Turns gradients into new weights.
///
/// An update follows from the weight, its gradient, its state and the step alone: the result is the
/// same for every way of spreading weights over devices and groups.
pub trait Optimizer: Debug + Send + Sync {
    /// Its name in run files and checkpoints.
    fn name(&self) -> &'static str;

    /// Refuses options that make no sense.
    ///
    /// # Errors
    /// [`EngineError::Plan`] with the first option, its value and what it must be.
    fn check(&self) -> Result<(), EngineError>;

    /// Weight decay of weights that decay and whose group does not say otherwise.
    fn weight_decay(&self) -> f64;

    /// What is kept of a trained weight from its first update on, in a fixed order.
    fn state(&self, weight: &WeightSpec, factors: &GroupFactors) -> Vec<StateSpec>;

    /// The new values of one weight. Its state is updated too, and made at the first update.
    /// A learning rate of 0 leaves the weight as it is.
    ///
    /// # Errors
    /// [`EngineError::Driver`] when the device fails, or the state is another optimizer's.
    fn update_weight(&self, entry: GroupEntry<'_>, update: &Update)
    -> Result<Updated, EngineError>;

    /// The new values of a group of weights on one device, in the group's order: one weight after
    /// the other, unless an optimizer knows better.
    ///
    /// # Errors
    /// As [`Self::update_weight`]; the group's weights are then lost.
    fn update(
        &self,
        group: Vec<GroupEntry<'_>>,
        update: &Update,
    ) -> Result<Vec<Updated>, EngineError> {
        group.into_iter().map(|entry| self.update_weight(entry, update)).collect()
    }

    /// Bytes of state that a weight needs: none unless it is trained.
    fn state_bytes(&self, weight: &WeightSpec, factors: &GroupFactors) -> u64 {
        if weight.role != WeightRole::Trained {
            return 0;
        }
        4 * self.state(weight, factors).iter().map(StateSpec::elements).sum::<usize>() as u64
    }
}
