//! What a model costs, layer by layer: the part of a profile that no device changes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::json::one_or_many;

/// What a model costs, layer by layer, at one micro-batch size.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelProfile {
    /// The model's name in the registry.
    pub name: String,
    /// Optimizer state per byte of weights (2 for Adam: two moments).
    pub optimizer_bytes_per_param_byte: u64,
    /// Gradients of the micro-batch whose backward runs, per byte of weights, where they stand
    /// beside the sums until the backward ends; 0 for an engine that adds in place.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub fresh_bytes_per_param_byte: u64,
    /// The layers in order.
    pub layers: Vec<LayerProfile>,
}

/// What one layer costs at one micro-batch size.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LayerProfile {
    /// Unique name, such as `block2`.
    pub name: String,
    /// What sort of layer, such as `block`; colours in the studio.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// Weights, in bytes.
    pub param_bytes: u64,
    /// What comes in from the layer before, for one micro-batch.
    pub input_bytes: u64,
    /// What would cross a cut after this layer, for one micro-batch.
    pub output_bytes: u64,
    /// Kept from forward to backward, for one micro-batch.
    pub saved_bytes: u64,
    /// What of `saved_bytes` the weight gradient still needs once the input gradient is done; all
    /// of it where nobody says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight_saved_bytes: Option<u64>,
    /// Peak temporary bytes while the layer computes, beyond what is kept. Files of earlier
    /// versions call it `work_bytes`.
    #[serde(default, alias = "work_bytes", skip_serializing_if = "is_zero")]
    pub workspace_bytes: u64,
    /// Floating-point operations of one forward, for one micro-batch; 0 where nobody says.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub forward_flops: u64,
    /// The layer whose weights this one shares.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tied_to: Option<String>,
    /// Later layers that also take this one's output, by name; a single name may stand alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "one_or_many")]
    pub skips_to: Vec<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
pub(crate) fn is_zero(bytes: &u64) -> bool {
    *bytes == 0
}

impl ModelProfile {
    /// Layer by layer, `workspace_bytes` with room for sums of gradients that are made anew while the old
    /// ones are still there, and for a copy whose norm is taken.
    #[must_use]
    pub fn workspace_with_new_sums(&self) -> Vec<u64> {
        let work = |layer: &LayerProfile| {
            layer.workspace_bytes.saturating_add(layer.param_bytes.saturating_mul(3))
        };
        self.layers.iter().map(work).collect()
    }

    /// Which layers share weights: pairs of (follower, owner), by index. Names that do not exist
    /// are left out; [`crate::Profile::check`] refuses them.
    #[must_use]
    pub fn ties(&self) -> Vec<(usize, usize)> {
        self.named_pairs(|layer| layer.tied_to.iter())
    }

    /// Which outputs skip layers: pairs of (source, target), by index.
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
        // Of several with one name, the first.
        let named = self.layers.iter().enumerate().rev();
        let index_of: BTreeMap<&str, usize> =
            named.map(|(index, layer)| (layer.name.as_str(), index)).collect();
        let index_of = |name: &String| index_of.get(name.as_str()).copied();
        let pairs = self.layers.iter().enumerate().flat_map(|(index, layer)| {
            names(layer).filter_map(&index_of).map(move |other| (index, other)).collect::<Vec<_>>()
        });
        pairs.collect()
    }
}
