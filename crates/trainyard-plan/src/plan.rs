//! The plan: which layers run where, under which schedule.

use serde::{Deserialize, Serialize};

use crate::{MemoryUse, PlanError, Schedule};

/// Whether a stage keeps its activations or computes them again in the backward.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Recompute {
    /// Keep what the backward needs.
    #[default]
    None,
    /// Keep the stage's input alone and run its forward again in the backward.
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

/// What runs where and when: `plan.json`.
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
    /// Micro-batches a step.
    pub micro_batches: usize,
    /// What it is predicted to cost, where somebody worked that out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predicted: Option<Predicted>,
}

/// What a plan is predicted to cost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Predicted {
    /// Time of one step in µs; absent until times have been measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_us: Option<f64>,
    /// Idle ÷ (ranks × step time); absent until times have been measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bubble_fraction: Option<f64>,
    /// A row a device, in the plan's order.
    pub devices: Vec<PredictedDevice>,
}

/// What a plan is predicted to cost one device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PredictedDevice {
    /// The device's id.
    pub id: String,
    /// Its budget in bytes.
    pub budget_bytes: u64,
    /// The most it will hold at once, by category.
    pub peak_bytes: MemoryUse,
    /// Its share of the step's work, 0 to 1: the arithmetic of its stages ÷ its speed, over the
    /// sum of that over all devices. Equal shares are a balanced plan.
    pub share_of_step: f64,
}

impl Plan {
    /// The value of `format`.
    pub const FORMAT: &'static str = "trainyard-plan";
    /// The value of `version`.
    pub const VERSION: u64 = 1;

    /// Reads a plan and checks format, version and shape.
    ///
    /// # Errors
    /// [`PlanError::UnknownVersion`] for another version, [`PlanError::BadPlan`] for anything else
    /// that is not a sound plan.
    pub fn from_json(text: &str) -> Result<Self, PlanError> {
        #[derive(Deserialize)]
        struct Head {
            format: Option<String>,
            version: Option<u64>,
        }
        let bad = |reason: String| PlanError::BadPlan { reason };
        let head: Head =
            serde_json::from_str(text).map_err(|e| bad(format!("not JSON of a plan: {e}")))?;
        if head.format.as_deref() != Some(Self::FORMAT) {
            return Err(bad(format!(
                "its format is {:?}, expected \"{}\"",
                head.format.unwrap_or_default(),
                Self::FORMAT
            )));
        }
        let version = head.version.unwrap_or(0);
        if version != Self::VERSION {
            return Err(PlanError::UnknownVersion {
                format: Self::FORMAT.into(),
                found: version,
                expected: Self::VERSION,
            });
        }
        let plan: Self = serde_json::from_str(text).map_err(|e| bad(e.to_string()))?;
        let layers = plan.stages.last().map_or(0, |stage| stage.layers.1);
        plan.check(layers)?;
        Ok(plan)
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
