//! By what the blocks of layers are sized.

use trainyard_plan::memory::{StageMemory, human_bytes};
use trainyard_plan::{Profile, Recompute, Tensors};

use crate::document::{Assessment, Placed};
use crate::human_time::human_us;

/// By what the blocks of layers are sized.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Measure {
    /// What they hold on their device.
    #[default]
    Memory,
    /// How long a micro-batch takes through them and back.
    Time,
}

/// What a run of layers of one stage costs where it lies.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Cost {
    /// Weights, gradients, optimizer state, and the activations of the micro-batches in flight.
    pub(super) bytes: u64,
    /// Forward and backward of one micro-batch, µs.
    pub(super) us: f64,
}

impl Measure {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Memory, Self::Time];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Time => "time",
        }
    }

    /// The part of a cost that counts.
    #[must_use]
    pub(super) fn of(self, cost: Cost) -> f64 {
        match self {
            Self::Memory => cost.bytes as f64,
            Self::Time => cost.us,
        }
    }

    /// The part of a cost that counts, in words.
    #[must_use]
    pub(super) fn words(self, cost: Cost) -> String {
        match self {
            Self::Memory => human_bytes(cost.bytes),
            Self::Time => human_us(cost.us),
        }
    }
}

impl std::ops::Add for Cost {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { bytes: self.bytes.saturating_add(other.bytes), us: self.us + other.us }
    }
}

impl std::iter::Sum for Cost {
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        iter.fold(Self::default(), |sum, cost| sum + cost)
    }
}

/// What a run of layers costs, half-open, of what every layer does.
pub(super) fn of_run(costs: &[Cost], (first, end): (usize, usize)) -> Cost {
    costs.get(first..end).unwrap_or_default().iter().copied().sum()
}

/// What every layer costs where it lies.
#[must_use]
pub(super) fn costs(assessment: &Assessment, stages: &[Placed]) -> Vec<Cost> {
    let profile = &assessment.profile;
    let rank = |device: usize| assessment.costs.ranks.iter().position(|rank| rank.device == device);
    let tensors = Tensors::of(&profile.model);
    let mut costs = vec![Cost::default(); profile.model.layers.len()];
    for stage in stages {
        let in_flight = rank(stage.device)
            .map_or(1, |rank| assessment.plan.schedule.max_in_flight(rank))
            .max(1) as u64;
        let layers = costs.iter_mut().enumerate().take(stage.end).skip(stage.first);
        for (layer, cost) in layers {
            *cost = cost_of(profile, &tensors, stage, (layer, in_flight));
        }
    }
    costs
}

fn cost_of(
    profile: &Profile,
    tensors: &Tensors,
    stage: &Placed,
    (layer, in_flight): (usize, u64),
) -> Cost {
    let memory = StageMemory::with_tensors(profile, tensors, stage.device, layer..layer + 1);
    // A stage that recomputes keeps the input of its first layer alone.
    let kept = match stage.recompute {
        Recompute::None => memory.saved,
        Recompute::Full if layer == stage.first => memory.input,
        Recompute::Full => 0,
    };
    let bytes = memory.fixed.total().saturating_add(kept.saturating_mul(in_flight));
    let Some(device) = profile.devices.get(stage.device) else { return Cost { bytes, us: 0.0 } };
    let time = |times: &[f64]| times.get(layer).copied().unwrap_or(0.0);
    let forward = time(&device.forward_us);
    let again = if stage.recompute == Recompute::Full { forward } else { 0.0 };
    let us = forward + time(&device.input_grad_us) + time(&device.weight_grad_us) + again;
    Cost { bytes, us }
}
