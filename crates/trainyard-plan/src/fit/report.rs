//! What is found: `trainyard fit --json`.

use serde::{Deserialize, Serialize};

use crate::memory::{DeviceNeed, MemoryUse};
use crate::planner::RankedPlan;
use crate::{Precision, Profile, Recompute};

/// The most of a budget that is not tight: nine tenths.
pub(super) fn at_ease(budget_bytes: u64) -> u64 {
    budget_bytes - budget_bytes / 10
}

/// Whether something fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// With a tenth of the budget to spare.
    Fits,
    /// With less.
    Tight,
    /// Not at all.
    TooBig,
}

impl Verdict {
    /// In words.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Fits => "fits",
            Self::Tight => "tight",
            Self::TooBig => "too big",
        }
    }
}

/// What training a model needs, beside what devices have. Sizes and times are estimated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fit {
    /// `trainyard-fit`.
    pub format: String,
    /// 1.
    pub version: u64,
    /// The model's name.
    pub model: String,
    /// Whether it is an encoder: it reads texts as a whole and writes none.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub encoder: bool,
    /// What it is taken to learn, where that changes what it needs, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assumes: Option<String>,
    /// Which weights train: `full`, `lora` or `qlora`.
    pub method: String,
    /// Of adapters, the numbers between their two products.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rank: Option<u64>,
    /// Rows of a step.
    pub batch: u64,
    /// Positions of a row.
    pub context: u64,
    /// Into how many micro-batches the batch is cut.
    pub micro_batches: u64,
    /// Rows of a micro-batch.
    pub rows: u64,
    /// The worst of the devices.
    pub verdict: Verdict,
    /// Why it is too big, and what would help.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Device by device; of what is too big, as it lacks least.
    pub devices: Vec<DeviceFit>,
    /// Tokens a second, estimated from operations and speeds; None where a speed is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_per_s: Option<f64>,
    /// What would fit at most.
    pub largest: Largest,
    /// What one more card would bring; None where there is no card.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub one_more: Option<OneMore>,
}

impl Fit {
    /// The value of `format`.
    pub const FORMAT: &'static str = "trainyard-fit";
    /// The value of `version`.
    pub const VERSION: u64 = 1;
}

/// A device of a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeviceFit {
    /// Its id.
    pub id: String,
    /// The numbers in which it computes products.
    #[serde(default, skip_serializing_if = "Precision::is_f32")]
    pub precision: Precision,
    /// Whether its part fits.
    pub verdict: Verdict,
    /// Names of the first and the last layer of each of its stages; empty where it has none, or nothing fits.
    pub stages: Vec<(String, String)>,
    /// Whether it runs forwards again instead of keeping activations.
    pub recompute: bool,
    /// What its part needs at the fullest moment, by category, in bytes.
    pub needs: MemoryUse,
    /// The sum of these, in bytes.
    pub needed_bytes: u64,
    /// What it has, in bytes.
    pub budget_bytes: u64,
}

/// What would fit at most; None where nothing would.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Largest {
    /// Positions of a row, with the batch that was asked for.
    pub context: Option<u64>,
    /// Rows of one micro-batch, with the context that was asked for: a batch has any number of micro-batches.
    pub rows: Option<u64>,
}

/// What one more card would bring.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OneMore {
    /// The device that it is like.
    pub like: String,
    /// Its budget, in bytes.
    pub budget_bytes: u64,
    /// Whether it would fit then.
    pub verdict: Verdict,
    /// Tokens a second then, estimated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_per_s: Option<f64>,
    /// What would fit at most then.
    pub largest: Largest,
}

impl DeviceFit {
    fn new(need: DeviceNeed, stages: Vec<(String, String)>, recompute: bool) -> Self {
        let DeviceNeed { device, needed_bytes, budget_bytes, peak } = need;
        let verdict = match needed_bytes {
            needed if needed > budget_bytes => Verdict::TooBig,
            needed if needed > at_ease(budget_bytes) => Verdict::Tight,
            _ => Verdict::Fits,
        };
        let precision = Precision::default();
        let (id, needs) = (device, peak);
        Self { id, precision, verdict, stages, recompute, needs, needed_bytes, budget_bytes }
    }

    /// Of a plan that does not fit.
    pub(super) fn short(need: DeviceNeed) -> Self {
        Self::new(need, Vec::new(), false)
    }
}

/// The devices of a plan that fits, in the order of the profile.
pub(super) fn devices(profile: &Profile, best: &RankedPlan) -> Vec<DeviceFit> {
    let name = |layer: usize| profile.model.layers.get(layer).map(|layer| layer.name.clone());
    let device = |device: &crate::DeviceProfile| {
        let simulated = best.simulation.devices.iter().find(|it| it.id == device.id);
        let needs = simulated.map(|it| it.peak_bytes).unwrap_or_default();
        let stages = best.plan.stages.iter().filter(|stage| stage.device == device.id);
        let ends = |(first, end): (usize, usize)| Some((name(first)?, name(end.checked_sub(1)?)?));
        let named = stages.clone().filter_map(|stage| ends(stage.layers)).collect();
        let recompute = stages.clone().any(|stage| stage.recompute == Recompute::Full);
        DeviceFit::new(DeviceNeed::new(&device.id, device.budget_bytes(), needs), named, recompute)
    };
    profile.devices.iter().map(device).collect()
}
