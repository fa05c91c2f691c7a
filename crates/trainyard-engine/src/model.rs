//! The model: an ordered list of layers, what each costs, and a loss.

use burn::tensor::{Device, Tensor};
use trainyard_plan::ModelProfile;

use crate::{Activation, EngineError, PlacedLayer};

/// Weights of one layer that follow another layer's, such as output weights tied to the embedding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tie {
    /// Layer that owns the weights: it has the optimizer state and makes the updates.
    pub owner_layer: usize,
    /// Which of its weights.
    pub owner_weight: usize,
    /// Layer that follows: its gradient is added to the owner's, and it gets a copy of every update.
    pub follower_layer: usize,
    /// Which of its weights.
    pub follower_weight: usize,
    /// How many numbers the two share.
    pub elements: usize,
}

/// An ordered list of layers that can be placed one by one.
pub trait Model: Send + Sync {
    /// Costs of every layer for a micro-batch of so many rows; also names and counts the layers.
    fn profile(&self, rows: usize) -> ModelProfile;

    /// Makes one layer on a device. The weights depend on the seed and the layer's index alone,
    /// never on the device or on the other layers.
    ///
    /// # Errors
    /// When there is no such layer.
    fn build(&self, layer: usize, seed: u64, device: &Device) -> Result<PlacedLayer, EngineError>;

    /// Mean loss of one micro-batch, from the last layer's output and the targets: one number.
    ///
    /// # Errors
    /// [`EngineError::WrongTensor`] when either is not what the model makes.
    fn loss(&self, output: Activation, targets: Activation) -> Result<Tensor<1>, EngineError>;

    /// Which weights follow which.
    fn ties(&self) -> Vec<Tie> {
        Vec::new()
    }
}
