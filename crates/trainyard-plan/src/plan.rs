//! The plan: layers by device, and the schedule.

use serde::{Deserialize, Serialize};

use crate::idle::IdleTime;
use crate::json::{self, sum_of_micros};
use crate::{MemoryUse, PlanError, Schedule};

/// A stage keeps its activations, or computes them again in the backward.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Recompute {
    /// Keep the activations that the backward needs.
    #[default]
    None,
    /// Keep the stage's inputs alone and run its forward again in the backward.
    Full,
}

/// A run of consecutive layers on one device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stage {
    /// The device's id.
    pub device: String,
    /// Half-open pair `[first, end)` of layer indices.
    pub layers: (usize, usize),
    /// Keep or recompute activations.
    #[serde(default)]
    pub recompute: Recompute,
}

/// A plan: `plan.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// `trainyard-plan`.
    pub format: String,
    /// 1.
    pub version: u64,
    /// Name of the model the plan was made for.
    pub model: String,
    /// The stages in the order of the layers.
    pub stages: Vec<Stage>,
    /// The ordered actions of every rank.
    pub schedule: Schedule,
    /// Micro-batches a step; of rows that are cut into slices each slice counts as one.
    pub micro_batches: usize,
    /// Notes for a person.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Its predicted costs, where they were computed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predicted: Option<Predicted>,
}

/// Predicted costs of a plan: [`simulate`](crate::simulate) in short.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Predicted {
    /// Time of one step, µs.
    #[serde(deserialize_with = "sum_of_micros")]
    pub step_us: f64,
    /// Idle ÷ (ranks × step time).
    pub bubble_fraction: f64,
    /// Set where the times behind it are estimates, not measured layer by layer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub estimated: bool,
    /// A row a rank.
    pub devices: Vec<PredictedDevice>,
}

/// Predicted costs of a plan on one device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PredictedDevice {
    /// The device's id.
    pub id: String,
    /// Its budget in bytes.
    pub budget_bytes: u64,
    /// Busy time, the optimizer step included, µs.
    #[serde(deserialize_with = "sum_of_micros")]
    pub busy_us: f64,
    /// Idle time, by cause.
    pub idle_us: IdleTime,
    /// Memory at its fullest moment, by category.
    pub peak_bytes: MemoryUse,
}

impl Plan {
    /// The value of `format`.
    pub const FORMAT: &'static str = "trainyard-plan";
    /// The value of `version`.
    pub const VERSION: u64 = 1;

    /// Reads a plan and checks format, version and shape.
    ///
    /// # Errors
    /// [`PlanError::UnknownVersion`] for another version, [`PlanError::BadFile`] with line and
    /// field for what cannot be read, [`PlanError::BadPlan`] or [`PlanError::BadSchedule`] for a
    /// plan that is not sound.
    pub fn from_json(text: &str) -> Result<Self, PlanError> {
        let plan: Self = json::read(Self::FORMAT, Self::VERSION, text)?;
        let layers = plan.stages.last().map_or(0, |stage| stage.layers.1);
        plan.check(layers)?;
        Ok(plan)
    }

    /// A plan without a prediction.
    #[must_use]
    pub fn new(model: &str, stages: Vec<Stage>, schedule: Schedule, micro_batches: usize) -> Self {
        Self {
            format: Self::FORMAT.to_owned(),
            version: Self::VERSION,
            model: model.to_owned(),
            stages,
            schedule,
            micro_batches,
            notes: Vec::new(),
            predicted: None,
        }
    }

    /// The rank that runs a stage, by the schedule.
    #[must_use]
    pub fn rank_of_stage(&self, stage: usize) -> Option<usize> {
        self.schedule.ranks.iter().position(|actions| actions.iter().any(|a| a.stage == stage))
    }

    /// The stage that holds a layer.
    #[must_use]
    pub fn stage_of_layer(&self, layer: usize) -> Option<usize> {
        self.stages.iter().position(|stage| stage.layers.0 <= layer && layer < stage.layers.1)
    }

    /// Checks that the stages cover `layers` layers in order without gaps, that each stage's rank
    /// has one device, and that the schedule is a sound one.
    ///
    /// # Errors
    /// [`PlanError::BadPlan`] or [`PlanError::BadSchedule`] naming the first thing that is wrong.
    pub fn check(&self, layers: usize) -> Result<(), PlanError> {
        let bad = |reason: String| Err(PlanError::BadPlan { reason });
        if self.stages.is_empty() {
            return bad("it has no stages".into());
        }
        let mut next = 0;
        for (index, stage) in self.stages.iter().enumerate() {
            let (first, end) = stage.layers;
            if first != next || end <= first {
                return bad(format!(
                    "stage {index} holds layers [{first}, {end}), expected a run that starts at {next}"
                ));
            }
            next = end;
        }
        if next != layers {
            return bad(format!("its stages hold {next} layers, the model has {layers}"));
        }
        crate::validate::validate(&self.schedule, self.stages.len(), self.micro_batches)?;
        for rank in &self.schedule.ranks {
            let mut devices = rank.iter().map(|action| &self.stages[action.stage].device);
            let first = devices.next();
            if devices.any(|device| Some(device) != first) {
                return bad(
                    "a rank's stages lie on different devices; give each rank one device".into()
                );
            }
        }
        Ok(())
    }
}
