//! What layers and devices cost: the planner's input.

use serde::{Deserialize, Serialize};

/// What a model costs, layer by layer, at one micro-batch size.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelProfile {
    /// The model's name in the registry.
    pub name: String,
    /// Optimizer state per byte of weights (2 for Adam: two moments).
    pub optimizer_bytes_per_param_byte: u64,
    /// The layers in order.
    pub layers: Vec<LayerProfile>,
}

/// What one layer costs at one micro-batch size.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LayerProfile {
    /// Unique name, such as `block2`.
    pub name: String,
    /// What sort of layer, such as `block`; colours in the studio.
    pub kind: String,
    /// Weights, in bytes.
    pub param_bytes: u64,
    /// What comes in from the layer before, for one micro-batch.
    pub input_bytes: u64,
    /// What would cross a cut after this layer, for one micro-batch.
    pub output_bytes: u64,
    /// Kept from forward to backward, for one micro-batch.
    pub saved_bytes: u64,
    /// Needed for a moment while the layer computes, beyond what is kept.
    pub work_bytes: u64,
    /// Floating-point operations of one forward, for one micro-batch.
    pub forward_flops: u64,
    /// The layer whose weights this one shares.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tied_to: Option<String>,
}

/// What a device offers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeviceProfile {
    /// The id of the run file's `[[device]]`.
    pub id: String,
    /// Its budget, in bytes.
    pub memory_bytes: u64,
    /// Speed relative to the other devices (any unit; 1 where unknown).
    pub speed: f64,
}
