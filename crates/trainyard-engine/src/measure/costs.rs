//! What a layer costs on a device, and how thoroughly that is measured.

use std::time::Duration;

use crate::kernels::KernelSet;
use crate::{AdamW, GroupedOptimizer};

/// How layers are measured.
#[derive(Clone, Debug)]
pub struct MeasureSettings {
    /// The fewest timed runs of a layer; at least 1 is made.
    pub samples: usize,
    /// The shortest time for which a layer is run.
    pub at_least: Duration,
    /// The longest time for which a layer is run where other programs disturb it.
    pub at_most: Duration,
    /// From which weights and gradients follow.
    pub seed: u64,
    /// The optimizer whose update is timed.
    pub optimizer: GroupedOptimizer,
}

impl Default for MeasureSettings {
    fn default() -> Self {
        Self {
            samples: 9,
            at_least: Duration::from_millis(200),
            at_most: Duration::from_millis(1500),
            seed: 0,
            optimizer: AdamW::default().into(),
        }
    }
}

/// One layer on one device, for one micro-batch; times are what [`trainyard_plan::noise::typical`]
/// makes of those of several warm runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LayerCost {
    /// A forward, in µs. The last layer's includes the loss.
    pub forward_us: f64,
    /// The part of a backward that gives the input's gradient, and those of weights that cannot wait,
    /// in µs.
    pub input_grad_us: f64,
    /// The rest of the backward, in µs: the gradients of weights that can wait, added up; 0 for a layer
    /// that cannot split its backward. The whole backward is the sum of the two.
    pub weight_grad_us: f64,
    /// Taking the gradient's norm and updating the weights, once a step, in µs.
    pub optimizer_us: f64,
    /// The norm's part of `optimizer_us`. All devices take their norms before any updates: the
    /// clipping needs the norm of the whole model. The trace's `OPT` is the update alone.
    pub norm_us: f64,
    /// Kept from forward to backward for one micro-batch: the input, and whatever the layer needs
    /// again, but not the output, which is the next layer's input. A stage keeps the sum over its
    /// layers. None where the device does not say.
    pub saved_bytes: Option<u64>,
    /// The part of the output that the layer's backward needs too. None where the device does not
    /// say.
    pub output_saved_bytes: Option<u64>,
    /// The part of `saved_bytes` that is the input. None where the device does not say.
    pub input_saved_bytes: Option<u64>,
    /// What a split backward keeps until the gradients of weights are computed; 0 for a layer that
    /// cannot split it. None where the device does not say.
    pub weight_saved_bytes: Option<u64>,
    /// The most held for a moment during the layer's forward or backward, beside weights, sums of
    /// gradients, optimizer state, `saved_bytes` and the layer's fresh gradients; the output and
    /// the gradients of output and input are among it. Of a forward, what exceeds the room that fresh
    /// gradients take afterwards. None where the device does not say.
    pub workspace_bytes: Option<u64>,
}

/// What a model's layers cost on one device.
#[derive(Clone, Debug, PartialEq)]
pub struct DeviceCosts {
    /// The device's id.
    pub device: String,
    /// In the order of the model.
    pub layers: Vec<LayerCost>,
    /// What the device's kernels keep for themselves, and room for what is too small to be measured,
    /// whatever the layers.
    pub overhead_bytes: u64,
    /// The times of the control kernel, µs, which ran on the device's thread between the layers'
    /// runs: what [`trainyard_plan::Noise::of`] takes.
    pub control_us: Vec<f64>,
    /// The kernels of ours that the device computed with.
    pub kernels: KernelSet,
}
