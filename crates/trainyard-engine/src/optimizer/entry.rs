//! What an optimizer is given of each weight, and what changes from step to step.

use burn::tensor::{Device, Tensor, TensorData};

use super::updated::FiniteLook;
use super::{State, Updated, WeightSpec};
use crate::EngineError;

/// What changes from step to step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Update {
    /// Number of this update, from 1.
    pub step: u64,
    /// The learning rate of this step.
    pub learning_rate: f64,
    /// The gradient is multiplied by this (clipping); 1 leaves it as it is.
    pub gradient_scale: f64,
}

/// How the weights of a group differ from the rest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GroupFactors {
    /// The step's learning rate is multiplied by this.
    pub learning_rate: f64,
    /// Weight decay. How it enters the update, each optimizer says.
    pub weight_decay: f64,
    /// Whether optimizers with a rule for matrices (Muon, Adafactor) may use it here; where not,
    /// they update these weights as they update vectors.
    pub matrices: bool,
}

impl Default for GroupFactors {
    /// The step's learning rate, no decay, matrices as matrices.
    fn default() -> Self {
        Self { learning_rate: 1.0, weight_decay: 0.0, matrices: true }
    }
}

impl GroupFactors {
    /// The learning rate of this group in a step.
    pub(super) fn rate(&self, update: &Update) -> f64 {
        update.learning_rate * self.learning_rate
    }

    /// What is left of a weight after decoupled weight decay (Loshchilov and Hutter, arXiv
    /// 1711.05101).
    pub(super) fn keep(&self, update: &Update) -> f64 {
        1.0 - self.rate(update) * self.weight_decay
    }

    /// Rows and columns of a weight that is to be updated as a matrix.
    pub(super) fn matrix(&self, weight: &WeightSpec) -> Option<[usize; 2]> {
        if self.matrices { weight.matrix() } else { None }
    }
}

/// A gradient summed over the step's micro-batches, flat.
#[expect(clippy::large_enum_variant, reason = "there is one for each weight tensor, not more")]
#[derive(Clone, Debug)]
pub enum Gradient {
    /// On the host, of a CPU device; 32-bit floats.
    Host(TensorData),
    /// On the weight's device.
    Device(Tensor<1>),
}

impl Gradient {
    /// As a tensor on the weight's device.
    pub(super) fn into_tensor(self, device: &Device) -> Tensor<1> {
        match self {
            Self::Host(data) => Tensor::from_data(data, device),
            Self::Device(tensor) => tensor,
        }
    }
}

/// One weight of a group, with all that its update needs.
#[derive(Debug)]
pub struct GroupEntry<'a> {
    /// What it is.
    pub weight: &'a WeightSpec,
    /// Its values, flat, without graph. An update changes them in place where nobody else holds
    /// the tensor.
    pub values: Tensor<1>,
    /// Its gradient, as many elements.
    pub gradient: Gradient,
    /// What the optimizer keeps from step to step; None before the first update.
    pub state: &'a mut Option<State>,
    /// How its group differs.
    pub factors: GroupFactors,
}

/// Changes a weight on the host by one pass over its values and its gradient, which looks at what it
/// has changed.
pub(super) fn on_host(
    values: Tensor<1>,
    gradient: &TensorData,
    pass: impl FnOnce(&mut [f32], &[f32], &mut FiniteLook),
) -> Result<Updated, EngineError> {
    let device = values.device();
    let mut data = values.try_into_data().map_err(EngineError::driver)?;
    let weights = data.as_mut_slice::<f32>().map_err(|e| EngineError::driver(format!("{e:?}")))?;
    let gradients =
        gradient.as_slice::<f32>().map_err(|e| EngineError::driver(format!("{e:?}")))?;
    let mut look = FiniteLook::default();
    pass(weights, gradients, &mut look);
    let finite = Some(look.all_finite());
    Ok(Updated { values: Tensor::from_data(data, &device), finite })
}
