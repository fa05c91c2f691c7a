//! The optimizer of a run with its groups: what the engine is given.

use std::sync::Arc;

use super::{GroupFactors, Optimizer, OptimizerGroups, StateSpec, WeightSpec};
use crate::EngineError;

/// An optimizer and the groups of weights that it treats differently.
///
/// ```
/// use trainyard_engine::optimizer::{
///     Adafactor, AdamW, GroupedOptimizer, OptimizerGroup, OptimizerGroups, WeightSpec,
/// };
///
/// let weight = WeightSpec::trained("attention.output.weight", [512, 2048]);
/// let adamw = GroupedOptimizer::from(AdamW { weight_decay: 0.1, ..AdamW::default() });
/// assert_eq!(adamw.state_bytes("block0", &weight), 2 * weight.bytes());
/// assert_eq!(adamw.factors("block0", &weight).weight_decay, 0.1);
///
/// let slow = OptimizerGroup { learning_rate_factor: 0.1, ..OptimizerGroup::new("block0/*") };
/// let groups = OptimizerGroups(vec![slow]);
/// let adafactor = GroupedOptimizer { groups, ..Adafactor::default().into() };
/// assert_eq!(adafactor.state_bytes("block0", &weight), 4 * (512 + 2048));
/// assert_eq!(adafactor.factors("block0", &weight).learning_rate, 0.1);
/// ```
#[derive(Clone, Debug)]
pub struct GroupedOptimizer {
    /// The optimizer.
    pub optimizer: Arc<dyn Optimizer>,
    /// The groups; none treats all weights alike.
    pub groups: OptimizerGroups,
}

impl<O: Optimizer + 'static> From<O> for GroupedOptimizer {
    /// Without groups.
    fn from(optimizer: O) -> Self {
        Self { optimizer: Arc::new(optimizer), groups: OptimizerGroups::default() }
    }
}

impl GroupedOptimizer {
    /// Refuses options and factors that make no sense.
    ///
    /// # Errors
    /// [`EngineError::Plan`] with the first of them, its value and what it must be.
    pub fn check(&self) -> Result<(), EngineError> {
        self.optimizer.check()?;
        self.groups.check()
    }

    /// How a weight of a layer is updated.
    pub fn factors(&self, layer: &str, weight: &WeightSpec) -> GroupFactors {
        self.groups.factors(self.optimizer.as_ref(), layer, weight)
    }

    /// What is kept of a weight of a layer from its first update on.
    pub fn state(&self, layer: &str, weight: &WeightSpec) -> Vec<StateSpec> {
        self.optimizer.state(weight, &self.factors(layer, weight))
    }

    /// Bytes of state that a weight of a layer needs: none unless it is trained.
    pub fn state_bytes(&self, layer: &str, weight: &WeightSpec) -> u64 {
        self.optimizer.state_bytes(weight, &self.factors(layer, weight))
    }
}
