//! The model: an ordered list of layers that exchange tensors by name.

use std::sync::Arc;

use burn::tensor::Device;

use crate::{EngineError, ErasedLayer};

/// A weight that follows another layer's, such as output weights tied to the embedding. It is
/// declared by the layer that follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedWeight {
    /// Path of the weight in this layer.
    pub weight: String,
    /// Name of the earlier layer that owns it: it has the optimizer state and makes the updates.
    pub owner: String,
    /// Path of the weight in that layer; its shape is the same.
    pub owner_weight: String,
}

/// What a model says of one of its layers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerSpec {
    /// Unique name, such as `block2`.
    pub name: String,
    /// What sort of layer, such as `block`; colours in the studio.
    pub kind: String,
    /// Names of the tensors it takes: each the one that the nearest earlier layer gives under that
    /// name, or, where none does, the batch's.
    pub takes: Vec<Arc<str>>,
    /// Names of the tensors it gives.
    pub gives: Vec<Arc<str>>,
    /// Weights that follow those of earlier layers.
    pub shares: Vec<SharedWeight>,
    /// Whether it can run on a slice of the context, the second dimension of what it takes and gives: on
    /// that and what it carries alone.
    pub in_slices: bool,
    /// Names of the tensors that it gives to itself in the next slice of the same rows, such as the keys and
    /// values of all positions so far.
    pub carries: Vec<Arc<str>>,
}

impl LayerSpec {
    /// A layer that takes `x` and gives `x`.
    pub fn new(name: impl Into<String>, kind: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            kind: kind.into(),
            takes: vec!["x".into()],
            gives: vec!["x".into()],
            shares: Vec::new(),
            in_slices: false,
            carries: Vec::new(),
        }
    }

    /// The same layer with other tensors to take.
    #[must_use]
    pub fn takes(mut self, names: &[&str]) -> Self {
        self.takes = names.iter().map(|&name| name.into()).collect();
        self
    }

    /// The same layer with other tensors to give.
    #[must_use]
    pub fn gives(mut self, names: &[&str]) -> Self {
        self.gives = names.iter().map(|&name| name.into()).collect();
        self
    }

    /// The same layer, which can run on a slice of the context: it computes each position by itself.
    #[must_use]
    pub fn in_slices(mut self) -> Self {
        self.in_slices = true;
        self
    }

    /// The same layer, which can run on a slice of the context with these tensors that it gave in the slice
    /// before: a position depends on none after it. In the first slice it is not given them.
    #[must_use]
    pub fn carries(mut self, names: &[&str]) -> Self {
        self.carries = names.iter().map(|&name| name.into()).collect();
        self.in_slices()
    }

    /// The same layer with a weight that follows one of an earlier layer.
    #[must_use]
    pub fn shares(mut self, weight: &str, owner: &str, owner_weight: &str) -> Self {
        self.shares.push(SharedWeight {
            weight: weight.to_owned(),
            owner: owner.to_owned(),
            owner_weight: owner_weight.to_owned(),
        });
        self
    }
}

/// An ordered list of layers that can be placed one by one.
pub trait Model: Send + Sync {
    /// The model's name, for plans and messages.
    fn name(&self) -> &str;

    /// The layers in order. Names are unique.
    fn layers(&self) -> Vec<LayerSpec>;

    /// Where [`Self::build`] takes frozen weights from each time, such as a pretrained model's files:
    /// checkpoints leave them out, and loading one keeps what was built, from the same place only. The
    /// text tells other weights apart. None: checkpoints hold them.
    fn frozen_from(&self) -> Option<String> {
        None
    }

    /// Whether [`Self::build`] makes frozen weights that follow another layer's with the values of these. To give
    /// them these once more takes memory for two copies.
    fn builds_tied_frozen(&self) -> bool {
        false
    }

    /// How a frozen weight of a layer is held, by its path there, where it is not held as 32-bit floats, such as
    /// `q4_1`: for people alone.
    fn held_as(&self, _layer: usize, _path: &str) -> Option<String> {
        None
    }

    /// Makes one layer on a device. The weights depend on the seed and the layer's index alone,
    /// never on the device or on the other layers.
    ///
    /// # Errors
    /// When there is no such layer; [`EngineError::LayerTooLarge`] when its weights are larger than
    /// the memory that is free.
    fn build(&self, layer: usize, seed: u64, device: &Device) -> Result<ErasedLayer, EngineError>;
}

/// The error for a layer index beyond the model's last.
pub fn no_such_layer(model: &str, layer: usize, layers: usize) -> EngineError {
    EngineError::Layer {
        layer: layer.to_string(),
        reason: format!("this {model} has {layers} layers"),
    }
}
