//! The profile: costs of every layer on every device, and of the links. `profile.json`.
//!
//! `assets/profile.schema.json` is its JSON Schema. Sizes are bytes, times µs; both are those of
//! one micro-batch. A profile is all that the planner and the simulator know.

mod check;
mod inference;
mod optimizer_time;

use serde::{Deserialize, Serialize};

use crate::json::{is_one, is_zero, many_micros, micros, one, rate};
use crate::{Api, DeviceKind, LayerProfile, ModelProfile, Noise, Precision};
pub use inference::SequencesKept;
pub use optimizer_time::OptimizerTime;

/// Costs of a model on some devices: `profile.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// `trainyard-profile`.
    pub format: String,
    /// 1.
    pub version: u64,
    /// Set where the times are computed from FLOPs and rates instead of measured layer by layer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub estimated: bool,
    /// Set where sizes are computed from shapes instead of measured on layers that ran.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sizes_estimated: bool,
    /// Costs that do not depend on the device.
    pub model: ModelProfile,
    /// The devices.
    pub devices: Vec<DeviceProfile>,
    /// The links that are not like the default one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<LinkProfile>,
    /// The link of any pair that is not listed; free where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_link: Option<LinkCost>,
    /// Micro-batches a step; of rows that are cut into slices each slice counts as one.
    pub micro_batches: usize,
    /// Rows of one micro-batch, where the devices' `fixed_us` say how costs depend on them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<usize>,
    /// Slices along the context into which the rows of micro-batches are cut; each counts as a micro-batch,
    /// and costs are those of one. 1 where they are not cut.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub slices: usize,
    /// What other programs took from the measuring, where that was much.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noise: Option<Noise>,
}

/// Costs of the model's layers on one device.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DeviceProfile {
    /// The id of the run file's `[[device]]`.
    pub id: String,
    /// Its hardware in words, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Its kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<DeviceKind>,
    /// The interface it is reached through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api: Option<Api>,
    /// The numbers in which it computes products; costs are those in it.
    #[serde(default, skip_serializing_if = "Precision::is_f32")]
    pub precision: Precision,
    /// Its memory, in bytes.
    pub memory_bytes: u64,
    /// The part of it that must stay free, in bytes.
    #[serde(default)]
    pub reserve_bytes: u64,
    /// The largest tensor that it can have, in bytes, where something other than its memory limits that:
    /// [`DeviceInfo::max_tensor_bytes`](crate::DeviceInfo::max_tensor_bytes).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tensor_bytes: Option<u64>,
    /// Forward of each layer, one micro-batch, µs.
    #[serde(deserialize_with = "many_micros")]
    pub forward_us: Vec<f64>,
    /// Backward of each layer to its input, one micro-batch, µs.
    #[serde(deserialize_with = "many_micros")]
    pub input_grad_us: Vec<f64>,
    /// Backward of each layer to its weights, one micro-batch, µs.
    #[serde(deserialize_with = "many_micros")]
    pub weight_grad_us: Vec<f64>,
    /// The optimizer step.
    #[serde(default)]
    pub optimizer_us: OptimizerTime,
    /// [`saved_bytes`](crate::LayerProfile::saved_bytes) of each layer as measured on this device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub saved_bytes: Option<Vec<u64>>,
    /// [`workspace_bytes`](crate::LayerProfile::workspace_bytes) of each layer as measured on this
    /// device.
    #[serde(default, alias = "work_bytes", skip_serializing_if = "Option::is_none")]
    pub workspace_bytes: Option<Vec<u64>>,
    /// Memory that the device's kernels keep for themselves, and room for what is too small to be
    /// measured, whatever its stages, in bytes.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub overhead_bytes: u64,
    /// The part of the times that does not depend on the size of a micro-batch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fixed_us: Option<FixedTimes>,
    /// The engine's own kernels that the device computes with, by name. None lets the engine find out
    /// which of them the device is faster with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernels: Option<Vec<String>>,
}

/// Layer by layer, the part of a time that a micro-batch of no rows would still take, µs. It is
/// fitted through the times of two sizes or more.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FixedTimes {
    /// Of `forward_us`.
    #[serde(deserialize_with = "many_micros")]
    pub forward: Vec<f64>,
    /// Of `input_grad_us`.
    #[serde(deserialize_with = "many_micros")]
    pub input_grad: Vec<f64>,
    /// Of `weight_grad_us`.
    #[serde(deserialize_with = "many_micros")]
    pub weight_grad: Vec<f64>,
}

/// Cost of a transfer: latency + bytes ÷ rate.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LinkCost {
    /// Time of a transfer of nothing, µs.
    #[serde(deserialize_with = "micros")]
    pub latency_us: f64,
    /// Bytes a µs.
    #[serde(deserialize_with = "rate")]
    pub bytes_per_us: f64,
}

/// A link in one direction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LinkProfile {
    /// Id of the sending device.
    pub from: String,
    /// Id of the receiving device.
    pub to: String,
    /// Time of a transfer of nothing, µs.
    #[serde(deserialize_with = "micros")]
    pub latency_us: f64,
    /// Bytes a µs.
    #[serde(deserialize_with = "rate")]
    pub bytes_per_us: f64,
}

impl LinkProfile {
    /// Its cost.
    #[must_use]
    pub fn cost(&self) -> LinkCost {
        LinkCost { latency_us: self.latency_us, bytes_per_us: self.bytes_per_us }
    }
}

impl LinkCost {
    /// A link that takes no time.
    pub const FREE: Self = Self { latency_us: 0.0, bytes_per_us: f64::INFINITY };

    /// Time of a transfer of `bytes`, µs.
    #[must_use]
    pub fn transfer_us(&self, bytes: u64) -> f64 {
        self.latency_us + bytes as f64 / self.bytes_per_us
    }
}

impl DeviceProfile {
    /// The most its stages may take together, in bytes.
    #[must_use]
    pub fn budget_bytes(&self) -> u64 {
        self.memory_bytes.saturating_sub(self.reserve_bytes)
    }
}

impl Profile {
    /// The value of `format`.
    pub const FORMAT: &'static str = "trainyard-profile";
    /// The value of `version`.
    pub const VERSION: u64 = 1;
    /// The most layers that are planned for: tables grow with their square.
    pub const MAX_LAYERS: usize = 10_000;
    /// The most devices that are planned for: the search goes over their subsets.
    pub const MAX_DEVICES: usize = 16;

    /// A profile of this version with nothing but a model, free links and no devices.
    #[must_use]
    pub fn new(model: ModelProfile, micro_batches: usize) -> Self {
        Self {
            format: Self::FORMAT.to_owned(),
            version: Self::VERSION,
            estimated: false,
            sizes_estimated: false,
            model,
            devices: Vec::new(),
            links: Vec::new(),
            default_link: None,
            micro_batches,
            rows: None,
            slices: 1,
            noise: None,
        }
    }

    /// A profile in which every layer takes 1 µs each way on every device: enough to know what
    /// memory a plan needs. Devices are given by id and budget. The sums of gradients are made anew
    /// while the old ones are still there, as engines that do not add in place do.
    pub fn of_budgets<'a>(
        model: ModelProfile,
        devices: impl IntoIterator<Item = (&'a str, u64)>,
        micro_batches: usize,
    ) -> Self {
        let ones = vec![1.0; model.layers.len()];
        let back = |layer: &LayerProfile| if layer.forward_only { 0.0 } else { 1.0 };
        let back: Vec<f64> = model.layers.iter().map(back).collect();
        let device = |(id, memory_bytes): (&str, u64)| DeviceProfile {
            id: id.to_owned(),
            memory_bytes,
            forward_us: ones.clone(),
            input_grad_us: back.clone(),
            weight_grad_us: back.clone(),
            workspace_bytes: Some(model.workspace_with_new_sums()),
            ..DeviceProfile::default()
        };
        let devices = devices.into_iter().map(device).collect();
        Self { devices, estimated: true, ..Self::new(model, micro_batches) }
    }

    /// The index of a device.
    #[must_use]
    pub fn device_index(&self, id: &str) -> Option<usize> {
        self.devices.iter().position(|device| device.id == id)
    }

    /// Cost of the link between two devices, by index; a device's link to itself is free.
    #[must_use]
    pub fn link(&self, from: usize, to: usize) -> LinkCost {
        if from == to {
            return LinkCost::FREE;
        }
        let id = |index: usize| self.devices.get(index).map_or("", |device| device.id.as_str());
        let listed = self.links.iter().find(|link| link.from == id(from) && link.to == id(to));
        listed.map(LinkProfile::cost).or(self.default_link).unwrap_or(LinkCost::FREE)
    }

    /// Kept from the forward of a layer to its backward on a device, in bytes.
    #[must_use]
    pub fn saved_bytes(&self, device: usize, layer: usize) -> u64 {
        let measured = self.devices.get(device).and_then(|device| device.saved_bytes.as_ref());
        measured
            .and_then(|bytes| bytes.get(layer))
            .copied()
            .unwrap_or_else(|| self.model.layers.get(layer).map_or(0, |layer| layer.saved_bytes))
    }

    /// Peak temporary bytes of a layer on a device.
    #[must_use]
    pub fn workspace_bytes(&self, device: usize, layer: usize) -> u64 {
        let measured = self.devices.get(device).and_then(|device| device.workspace_bytes.as_ref());
        measured.and_then(|bytes| bytes.get(layer)).copied().unwrap_or_else(|| {
            self.model.layers.get(layer).map_or(0, |layer| layer.workspace_bytes)
        })
    }
}
