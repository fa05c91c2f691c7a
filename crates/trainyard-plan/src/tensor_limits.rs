//! Which layers devices cannot have, as a tensor of theirs is larger than any buffer there.
//!
//! A graphics device has a largest buffer, and a largest piece of one that a kernel can be given. What is
//! larger cannot be allocated, however much memory is free. Planner, simulator and engine ask here.

use std::ops::Range;

use thiserror::Error;

use crate::memory::{human_bytes_at_least, human_bytes_at_most};
use crate::model::LargestTensor;
use crate::{DeviceProfile, Plan, PlanError, Profile};

/// A layer that a device cannot have.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "layer '{layer}' does not fit on '{device}': {tensor} takes {} ({needed_bytes} bytes), and no tensor \
     there can be larger than {}; {hint}",
    human_bytes_at_least(*.needed_bytes),
    human_bytes_at_most(*.limit_bytes)
)]
pub struct TensorTooLarge {
    /// The layer's name.
    pub layer: String,
    /// The id of the device.
    pub device: String,
    /// Which tensor, in words.
    pub tensor: &'static str,
    /// Its size, in bytes.
    pub needed_bytes: u64,
    /// The largest that the device can have, in bytes.
    pub limit_bytes: u64,
    /// A remedy, in words.
    pub hint: String,
}

/// The layers of a profile that its devices cannot have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TensorLimits {
    /// By device and layer: the first layer from there on that the device cannot have. Empty for a device
    /// that can have all.
    next: Vec<Vec<usize>>,
}

impl TensorLimits {
    /// Those of a profile.
    #[must_use]
    pub fn of(profile: &Profile) -> Self {
        if profile.devices.iter().all(|device| device.max_tensor_bytes.is_none()) {
            return Self::default();
        }
        let largest = profile.model.largest_tensors();
        let next = |device: &DeviceProfile| {
            let Some(limit) = device.max_tensor_bytes else { return Vec::new() };
            let mut next = vec![usize::MAX; largest.len()];
            let mut first = usize::MAX;
            for (layer, LargestTensor { bytes, .. }) in largest.iter().enumerate().rev() {
                if *bytes > limit {
                    first = layer;
                }
                next[layer] = first;
            }
            if first == usize::MAX { Vec::new() } else { next }
        };
        Self { next: profile.devices.iter().map(next).collect() }
    }

    /// Whether every device can have every layer.
    #[must_use]
    pub fn allow_all(&self) -> bool {
        self.next.iter().all(Vec::is_empty)
    }

    /// Whether a device, by index, can have these layers.
    #[must_use]
    pub fn allow(&self, device: usize, layers: Range<usize>) -> bool {
        self.first_too_large(device, layers).is_none()
    }

    /// The first of these layers that a device cannot have.
    #[must_use]
    pub fn first_too_large(&self, device: usize, layers: Range<usize>) -> Option<usize> {
        let next = *self.next.get(device)?.get(layers.start)?;
        layers.contains(&next).then_some(next)
    }

    /// Checks that every device of a plan can have its layers.
    ///
    /// # Errors
    /// [`PlanError::TensorTooLarge`] for the first that cannot.
    pub fn check(profile: &Profile, plan: &Plan) -> Result<(), PlanError> {
        let limits = Self::of(profile);
        for stage in &plan.stages {
            let Some(device) = profile.device_index(&stage.device) else { continue };
            if let Some(layer) = limits.first_too_large(device, stage.layers.0..stage.layers.1) {
                return Err(limits.error(profile, device, layer, None));
            }
        }
        Ok(())
    }

    /// The error for a layer that a device cannot have. Without a `hint`, what helps is worked out.
    pub(crate) fn error(
        &self,
        profile: &Profile,
        device: usize,
        layer: usize,
        hint: Option<String>,
    ) -> PlanError {
        let largest = profile.model.largest_tensors().get(layer).copied().unwrap_or_default();
        let limit_bytes = profile.devices.get(device).and_then(|device| device.max_tensor_bytes);
        let limit_bytes = limit_bytes.unwrap_or(u64::MAX);
        let name = profile.model.layers.get(layer).map(|layer| layer.name.clone());
        let id = profile.devices.get(device).map(|device| device.id.clone());
        let hint = hint.unwrap_or_else(|| self.hint(profile, layer, largest, limit_bytes));
        PlanError::TensorTooLarge(Box::new(TensorTooLarge {
            layer: name.unwrap_or_default(),
            device: id.unwrap_or_default(),
            tensor: largest.text(),
            needed_bytes: largest.bytes,
            limit_bytes,
            hint,
        }))
    }

    /// What helps: fewer rows, or a device that can have the layer.
    fn hint(
        &self,
        profile: &Profile,
        layer: usize,
        largest: LargestTensor,
        limit_bytes: u64,
    ) -> String {
        let can = (0..profile.devices.len()).filter(|device| self.allow(*device, layer..layer + 1));
        let can: Vec<String> =
            can.map(|device| format!("'{}'", profile.devices[device].id)).collect();
        let elsewhere = if can.is_empty() {
            "add a device with larger buffers, such as the CPU".to_owned()
        } else {
            format!("put it on {}, which can have it", can.join(" or "))
        };
        if !largest.is_of_micro_batch {
            return elsewhere;
        }
        let rows = profile.rows.and_then(|rows| {
            let most = u128::from(limit_bytes) * rows as u128 / u128::from(largest.bytes.max(1));
            (most > 0).then(|| format!(" (of {most} rows at most, where there are {rows} now)"))
        });
        format!("take smaller micro-batches{}, or {elsewhere}", rows.unwrap_or_default())
    }
}
