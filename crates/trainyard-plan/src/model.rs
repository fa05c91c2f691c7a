//! Costs of a model, layer by layer: the part of a profile that does not depend on the device.

mod largest;
mod tensors;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::json::{is_zero, one_or_many};
pub(crate) use largest::LargestTensor;
pub(crate) use tensors::Crossing;
pub use tensors::Tensors;

/// Costs of a model, layer by layer, at one micro-batch size.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ModelProfile {
    /// The model's name in the registry.
    pub name: String,
    /// Optimizer state per byte of trained weights (2 for Adam: two moments), for layers that do
    /// not say their [`optimizer_bytes`](LayerProfile::optimizer_bytes).
    pub optimizer_bytes_per_param_byte: u64,
    /// Gradients of the micro-batch whose backward runs, per byte of trained weights, where they
    /// stand beside the sums until the backward ends, for layers that do not say their
    /// [`fresh_bytes`](LayerProfile::fresh_bytes); 0 for an engine that adds in place.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub fresh_bytes_per_param_byte: u64,
    /// The engine's own kernels that the layers can use, by name; None where that is not known, and a device
    /// tries all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernels: Option<Vec<String>>,
    /// The layers in order.
    pub layers: Vec<LayerProfile>,
}

/// Costs of one layer at one micro-batch size.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LayerProfile {
    /// Unique name, such as `block2`.
    pub name: String,
    /// Its kind, such as `block`; colours in the studio.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// Trained weights, in bytes: those with a gradient and optimizer state.
    pub param_bytes: u64,
    /// Frozen weights, in bytes: no gradient, no optimizer state.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub frozen_bytes: u64,
    /// How frozen weights are held where not all are 32-bit floats, such as `q4_1`, each once: for people, nothing follows
    /// from it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub frozen_as: Vec<String>,
    /// Buffers, in bytes: state that is saved and not optimised, such as running statistics.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub buffer_bytes: u64,
    /// Set where nothing trains in it nor in any layer that it takes something from: no backward comes to it,
    /// nothing is kept for one, and what it gives has no gradient.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub forward_only: bool,
    /// Optimizer state, in bytes, as the optimizer says; of a tied layer, that of the weights it
    /// does not share. Where absent, it follows from
    /// [`optimizer_bytes_per_param_byte`](ModelProfile::optimizer_bytes_per_param_byte), and a tied
    /// layer has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub optimizer_bytes: Option<u64>,
    /// All that it takes, for one micro-batch, in bytes: from earlier layers and from the batch.
    pub input_bytes: u64,
    /// All that it gives, for one micro-batch, in bytes: the sum over `gives` where that is there.
    pub output_bytes: u64,
    /// Kept from forward to backward, for one micro-batch, beside the output.
    pub saved_bytes: u64,
    /// Kept from the end of a split backward's first half to that of its second, for one micro-batch:
    /// what the gradients of weights are computed from. 0 for a layer that cannot split its backward;
    /// as much as `saved_bytes` where not reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight_saved_bytes: Option<u64>,
    /// Peak temporary bytes of a split backward's first half beyond `workspace_bytes`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub split_workspace_bytes: u64,
    /// Peak temporary bytes of a split backward's second half beyond what is kept for it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub weight_workspace_bytes: u64,
    /// Gradients of one micro-batch's weights that stand beside the sums until the backward ends, in
    /// bytes; of the others each is added as soon as it is computed. Where absent, it follows from
    /// [`fresh_bytes_per_param_byte`](ModelProfile::fresh_bytes_per_param_byte).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fresh_bytes: Option<u64>,
    /// The part of the output that the layer's own backward needs too, for one micro-batch, in
    /// bytes. Beside it, `saved_bytes` leave the output to the layers that take it; so it counts
    /// where these are in another stage.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub output_saved_bytes: u64,
    /// The part of `saved_bytes` that is the layer's input, for one micro-batch, in bytes. A stage that
    /// recomputes keeps its input anyhow.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub input_saved_bytes: u64,
    /// Peak temporary bytes while the layer computes, beyond what is kept. Files of earlier
    /// versions call it `work_bytes`.
    #[serde(default, alias = "work_bytes", skip_serializing_if = "is_zero")]
    pub workspace_bytes: u64,
    /// The largest of its weights and buffers, in bytes; its gradient and each part of its optimizer state
    /// are as large. 0 where not reported.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub largest_weight_bytes: u64,
    /// The largest tensor of a forward, for one micro-batch, in bytes; gradients are as large. 0 where not
    /// reported: then it is the largest of those that it takes and gives.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub largest_tensor_bytes: u64,
    /// Floating-point operations of one forward, for one micro-batch; 0 where not reported.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub forward_flops: u64,
    /// Length of the context along which its micro-batches may be cut into slices; absent where it cannot
    /// compute a slice from that slice and what the earlier ones hand on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<usize>,
    /// What all slices of a micro-batch together hand on to the next, such as the keys and values of all
    /// positions, in bytes.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub carried_bytes: u64,
    /// The layer whose weights this one shares.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tied_to: Option<String>,
    /// Later layers that also take this one's output, by name; a single name may stand alone. Each
    /// is a transfer of its own. Not beside `gives`.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "one_or_many")]
    pub skips_to: Vec<String>,
    /// The named tensors it gives to later layers. Where empty, it gives the next layer one tensor
    /// of `output_bytes`, whose gradient has what the next layer's `input_bytes` say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gives: Vec<TensorProfile>,
    /// The tensors of the batch that it takes. The host hands them to the stage, so they cross no
    /// link; a stage holds one of a name once. Where empty, what of `input_bytes` no layer gives
    /// counts as the batch's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub batch: Vec<BatchTensor>,
}

/// A named tensor that a layer gives to later layers, for one micro-batch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TensorProfile {
    /// Its name. A layer gives no two of one name.
    pub name: String,
    /// Its size, in bytes.
    pub bytes: u64,
    /// Size of its gradient, in bytes; 0 for a tensor without one, such as integers. Where no
    /// tensor between two stages has a gradient, nothing comes back.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub gradient_bytes: u64,
    /// Names of the later layers that take it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub to: Vec<String>,
}

/// A tensor of the batch that a layer takes, for one micro-batch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchTensor {
    /// Its name in the batch.
    pub name: String,
    /// Its size, in bytes.
    pub bytes: u64,
}

impl LayerProfile {
    /// Length of the context along which its micro-batches may be cut, or else its name.
    fn context(&self) -> Result<usize, &str> {
        self.context.filter(|context| *context > 0).ok_or(self.name.as_str())
    }

    /// The same layer without anything that a backward needs or leaves.
    #[must_use]
    pub fn without_backward(mut self) -> Self {
        self.forward_only = true;
        (self.saved_bytes, self.output_saved_bytes, self.input_saved_bytes) = (0, 0, 0);
        (self.weight_saved_bytes, self.fresh_bytes) = (Some(0), Some(0));
        (self.split_workspace_bytes, self.weight_workspace_bytes) = (0, 0);
        self.gives.iter_mut().for_each(|tensor| tensor.gradient_bytes = 0);
        self
    }

    /// Trained and frozen weights and buffers, in bytes.
    #[must_use]
    pub fn weight_bytes(&self) -> u64 {
        self.param_bytes.saturating_add(self.frozen_bytes).saturating_add(self.buffer_bytes)
    }
}

impl ModelProfile {
    /// Length of the context along which micro-batches may be cut into slices.
    ///
    /// # Errors
    /// The name of the first layer that cannot be cut.
    pub fn context(&self) -> Result<usize, &str> {
        let contexts = self.layers.iter().map(LayerProfile::context);
        contexts.reduce(|one, other| Ok(one?.min(other?))).unwrap_or(Ok(1))
    }

    /// Optimizer state of a layer, in bytes.
    #[must_use]
    pub fn optimizer_bytes(&self, layer: &LayerProfile) -> u64 {
        layer.optimizer_bytes.unwrap_or_else(|| {
            let own = if layer.tied_to.is_some() { 0 } else { layer.param_bytes };
            self.optimizer_bytes_per_param_byte.saturating_mul(own)
        })
    }

    /// Gradients of a layer's weights that stand beside the sums until a backward ends, in bytes.
    #[must_use]
    pub fn fresh_bytes(&self, layer: &LayerProfile) -> u64 {
        let of_model = self.fresh_bytes_per_param_byte.saturating_mul(layer.param_bytes);
        layer.fresh_bytes.unwrap_or(of_model)
    }

    /// Layer by layer, `workspace_bytes` with room for sums of gradients that are made anew while
    /// the old ones are still there, and for a copy whose norm is taken.
    #[must_use]
    pub fn workspace_with_new_sums(&self) -> Vec<u64> {
        let workspace = |layer: &LayerProfile| {
            layer.workspace_bytes.saturating_add(layer.param_bytes.saturating_mul(3))
        };
        self.layers.iter().map(workspace).collect()
    }

    /// By layer, whether its backward gives a gradient to an earlier layer.
    #[must_use]
    pub fn gives_gradients(&self) -> Vec<bool> {
        let index_of = self.index_of();
        let mut gives = vec![false; self.layers.len()];
        for (index, layer) in self.layers.iter().enumerate().filter(|(_, it)| !it.forward_only) {
            let named = layer.gives.iter().filter(|tensor| tensor.gradient_bytes > 0);
            let takers = named.flat_map(|tensor| &tensor.to).chain(&layer.skips_to);
            let takers = takers.filter_map(|name| index_of.get(name.as_str()).copied());
            let next = (layer.gives.is_empty()).then_some(index + 1);
            for taker in takers.chain(next) {
                if let Some(gives) = gives.get_mut(taker) {
                    *gives = true;
                }
            }
        }
        gives
    }

    /// The layers that share weights: pairs of (follower, owner), by index. Names that do not exist
    /// are left out; [`crate::Profile::check`] refuses them.
    #[must_use]
    pub fn ties(&self) -> Vec<(usize, usize)> {
        self.named_pairs(|layer| layer.tied_to.iter())
    }

    /// The skips: pairs of (source, target), by index.
    #[must_use]
    pub fn skips(&self) -> Vec<(usize, usize)> {
        self.named_pairs(|layer| layer.skips_to.iter())
    }

    fn named_pairs<'a, I: Iterator<Item = &'a String>>(
        &'a self,
        names: impl Fn(&'a LayerProfile) -> I,
    ) -> Vec<(usize, usize)> {
        if self.layers.iter().all(|layer| names(layer).next().is_none()) {
            return Vec::new();
        }
        let index_of = self.index_of();
        let index_of = |name: &String| index_of.get(name.as_str()).copied();
        let pairs = self.layers.iter().enumerate().flat_map(|(index, layer)| {
            names(layer).filter_map(&index_of).map(move |other| (index, other)).collect::<Vec<_>>()
        });
        pairs.collect()
    }

    /// The layers' indices by name; of several with one name, the first.
    fn index_of(&self) -> BTreeMap<&str, usize> {
        let named = self.layers.iter().enumerate().rev();
        named.map(|(index, layer)| (layer.name.as_str(), index)).collect()
    }
}
