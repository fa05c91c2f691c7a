//! How much memory a stage needs, and whether a plan fits its devices.
//!
//! For one stage, in bytes:
//!
//! - **weights** = the sum of its layers' `param_bytes`.
//! - **gradients** = twice (the same again + the largest single layer's `param_bytes`): the sums
//!   over the micro-batches so far, and beside them the fresh gradients of the micro-batch whose
//!   backward runs, all of which are there at its end; and of each, one layer more while it is
//!   worked on.
//! - **optimizer** = the model's `optimizer_bytes_per_param_byte` × the `param_bytes` of layers
//!   that are not tied to another layer (a tied follower has no optimizer state of its own).
//! - **activations** = micro-batches in flight × the sum of `saved_bytes`, or with recompute
//!   `full`: micro-batches in flight × the stage's input + once the sum of `saved_bytes`; and in
//!   both cases + the largest `work_bytes` of a layer. How many are in flight is the schedule's
//!   doing: [`Schedule::max_in_flight`].
//! - **buffers** = unless it is the first stage: its input received + the gradient of it to send;
//!   unless it is the last: its output to send + the gradient of it received; each once.
//!
//! A device's need is the sum over its stages. All sums saturate, so that absurd numbers in a file
//! read as "does not fit".

mod bytes;
mod shortage;

use std::iter::Sum;
use std::ops::{Add, Range};

use serde::{Deserialize, Serialize};

pub use bytes::{human_bytes, parse_bytes};
pub use shortage::describe_shortage;
pub(crate) use shortage::hint;

use crate::{DeviceProfile, LayerProfile, ModelProfile, PlanError, Recompute, Schedule, Stage};

/// Memory by what it is for, in bytes. The module's page has the formulas.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryUse {
    /// The layers' weights.
    pub weights: u64,
    /// The gradient accumulator, and one layer's fresh gradient.
    pub gradients: u64,
    /// The optimizer's state.
    pub optimizer: u64,
    /// What forwards keep for their backwards, and working memory.
    pub activations: u64,
    /// What waits to be sent or was just received.
    pub buffers: u64,
}

impl MemoryUse {
    /// All of it.
    #[must_use]
    pub fn total(&self) -> u64 {
        [self.weights, self.gradients, self.optimizer, self.activations, self.buffers]
            .into_iter()
            .fold(0, u64::saturating_add)
    }
}

impl Add for MemoryUse {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            weights: self.weights.saturating_add(other.weights),
            gradients: self.gradients.saturating_add(other.gradients),
            optimizer: self.optimizer.saturating_add(other.optimizer),
            activations: self.activations.saturating_add(other.activations),
            buffers: self.buffers.saturating_add(other.buffers),
        }
    }
}

impl Sum for MemoryUse {
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        iter.fold(Self::default(), Self::add)
    }
}

/// What a device would have to hold, beside what it may hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceNeed {
    /// The device's id.
    pub device: String,
    /// The most it would hold at once, in bytes.
    pub needed_bytes: u64,
    /// Its budget, in bytes.
    pub budget_bytes: u64,
    /// The need by category.
    pub peak: MemoryUse,
}

impl DeviceNeed {
    pub(crate) fn new(device: &DeviceProfile, peak: MemoryUse) -> Self {
        Self {
            device: device.id.clone(),
            needed_bytes: peak.total(),
            budget_bytes: device.memory_bytes,
            peak,
        }
    }

    /// By how many bytes the need exceeds the budget; 0 where it fits.
    #[must_use]
    pub fn deficit_bytes(&self) -> u64 {
        self.needed_bytes.saturating_sub(self.budget_bytes)
    }
}

/// The sums and maxima over a stage's layers that the formulas need. They grow by one layer at a
/// time, so that the planner can try every stage without adding the same layers up again.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct StageSums {
    param_bytes: u64,
    largest_param_bytes: u64,
    optimizer_bytes: u64,
    saved_bytes: u64,
    largest_work_bytes: u64,
    input_bytes: Option<u64>,
    output_bytes: u64,
    pub(crate) flops: u64,
}

impl StageSums {
    pub(crate) fn push(&mut self, layer: &LayerProfile, optimizer_bytes_per_param_byte: u64) {
        self.param_bytes = self.param_bytes.saturating_add(layer.param_bytes);
        self.largest_param_bytes = self.largest_param_bytes.max(layer.param_bytes);
        if layer.tied_to.is_none() {
            let state = optimizer_bytes_per_param_byte.saturating_mul(layer.param_bytes);
            self.optimizer_bytes = self.optimizer_bytes.saturating_add(state);
        }
        self.saved_bytes = self.saved_bytes.saturating_add(layer.saved_bytes);
        self.largest_work_bytes = self.largest_work_bytes.max(layer.work_bytes);
        self.input_bytes.get_or_insert(layer.input_bytes);
        self.output_bytes = layer.output_bytes;
        self.flops = self.flops.saturating_add(layer.forward_flops);
    }

    pub(crate) fn memory(
        &self,
        recompute: Recompute,
        in_flight: usize,
        first: bool,
        last: bool,
    ) -> MemoryUse {
        let in_flight = in_flight as u64;
        let input = self.input_bytes.unwrap_or(0);
        let kept = match recompute {
            Recompute::None => in_flight.saturating_mul(self.saved_bytes),
            Recompute::Full => in_flight.saturating_mul(input).saturating_add(self.saved_bytes),
        };
        let before = if first { 0 } else { input.saturating_mul(2) };
        let after = if last { 0 } else { self.output_bytes.saturating_mul(2) };
        MemoryUse {
            weights: self.param_bytes,
            gradients: self.param_bytes.saturating_add(self.largest_param_bytes).saturating_mul(2),
            optimizer: self.optimizer_bytes,
            activations: kept.saturating_add(self.largest_work_bytes),
            buffers: before.saturating_add(after),
        }
    }
}

/// What a stage needs at its worst moment. `layers` is half-open; indices beyond the model's
/// layers count nothing. `in_flight` is the most micro-batches between their forward and the end
/// of their backward; `first` and `last` tell which neighbours the stage has.
#[must_use]
pub fn of_stage(
    model: &ModelProfile,
    layers: Range<usize>,
    recompute: Recompute,
    in_flight: usize,
    first: bool,
    last: bool,
) -> MemoryUse {
    let end = layers.end.min(model.layers.len());
    let mut sums = StageSums::default();
    for layer in model.layers.get(layers.start..end).unwrap_or_default() {
        sums.push(layer, model.optimizer_bytes_per_param_byte);
    }
    sums.memory(recompute, in_flight, first, last)
}

/// What each device needs, in order of first appearance; a device with several stages holds their
/// sum.
#[must_use]
pub fn of_plan(
    model: &ModelProfile,
    plan_stages: &[Stage],
    schedule: &Schedule,
) -> Vec<(String, MemoryUse)> {
    let in_flight = schedule.in_flight_by_stage();
    let mut devices: Vec<(String, MemoryUse)> = Vec::new();
    for (index, stage) in plan_stages.iter().enumerate() {
        let in_flight = in_flight.get(&index).copied().unwrap_or(0);
        let layers = stage.layers.0..stage.layers.1;
        let last = index + 1 == plan_stages.len();
        let need = of_stage(model, layers, stage.recompute, in_flight, index == 0, last);
        match devices.iter_mut().find(|(id, _)| *id == stage.device) {
            Some((_, sum)) => *sum = *sum + need,
            None => devices.push((stage.device.clone(), need)),
        }
    }
    devices
}

/// The need of every device of a plan, if all fit.
///
/// # Errors
/// [`PlanError::DoesNotFit`] with every device if any is short; [`PlanError::BadPlan`] for a stage
/// that names a device or layers that do not exist.
pub fn check(
    model: &ModelProfile,
    stages: &[Stage],
    schedule: &Schedule,
    devices: &[DeviceProfile],
) -> Result<Vec<DeviceNeed>, PlanError> {
    let layers = model.layers.len();
    for (index, stage) in stages.iter().enumerate() {
        let (first, end) = stage.layers;
        if first >= end || end > layers {
            let reason =
                format!("stage {index} holds layers [{first}, {end}), the model has {layers}");
            return Err(PlanError::BadPlan { reason });
        }
        if !devices.iter().any(|device| device.id == stage.device) {
            let known: Vec<_> = devices.iter().map(|device| device.id.as_str()).collect();
            let reason = format!(
                "stage {index} is on device '{}', which is not among the devices: {}",
                stage.device,
                known.join(", ")
            );
            return Err(PlanError::BadPlan { reason });
        }
    }
    let needs = needs(model, stages, schedule, devices);
    if needs.iter().all(|need| need.deficit_bytes() == 0) {
        return Ok(needs);
    }
    let hint = hint(model, stages, schedule, devices, &needs);
    Err(PlanError::DoesNotFit { devices: needs, hint })
}

/// [`of_plan`] beside the budgets; devices that are not listed are left out.
pub(crate) fn needs(
    model: &ModelProfile,
    stages: &[Stage],
    schedule: &Schedule,
    devices: &[DeviceProfile],
) -> Vec<DeviceNeed> {
    let with_budget = |(id, peak): (String, MemoryUse)| {
        let device = devices.iter().find(|device| device.id == id)?;
        Some(DeviceNeed::new(device, peak))
    };
    of_plan(model, stages, schedule).into_iter().filter_map(with_budget).collect()
}
