//! The explanation of a plan, as data.

use serde::Serialize;

use crate::{MemoryUse, Precision, Recompute};

/// The explanation of the best plan.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    /// Name of the schedule.
    pub schedule: String,
    /// Micro-batches a step; each slice counts as one.
    pub micro_batches: usize,
    /// Slices along the context into which their rows are cut.
    pub slices: usize,
    /// Time of a step, µs.
    pub step_us: f64,
    /// Idle ÷ (ranks × step time).
    pub bubble_fraction: f64,
    /// Whether the times are estimates, not measured layer by layer.
    pub estimated: bool,
    /// Whether the search for the closed form left nothing out.
    pub exact: bool,
    /// A row a stage.
    pub stages: Vec<ExplainedStage>,
    /// A row a rank.
    pub devices: Vec<ExplainedDevice>,
    /// Ids of the devices that are left idle.
    pub unused: Vec<String>,
    /// The fastest plan on one device alone, if one fits.
    pub single: Option<SingleDevice>,
    /// The fastest device alone, memory aside, where that is another one.
    pub too_small: Option<SingleDevice>,
    /// Speed of the plan relative to `single`.
    pub speed_up: Option<f64>,
    /// The bound p·m ÷ (m + p − 1) for these devices: most speed of a pipeline that fills and drains,
    /// relative to the fastest of them alone, whether or not that fits.
    pub ideal_speed_up: f64,
    /// The same without any bubble: Σs ÷ max s.
    pub full_speed_up: f64,
    /// Bottlenecks, in words.
    pub limits: Vec<String>,
    /// Gains from more memory, the largest first.
    pub if_larger: Vec<IfLarger>,
    /// The plan's notes.
    pub notes: Vec<String>,
}

/// A stage of the plan.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ExplainedStage {
    /// Id of its device.
    pub device: String,
    /// Half-open pair of layer indices.
    pub layers: (usize, usize),
    /// Names of the first and the last of them.
    pub names: (String, String),
    /// Whether it recomputes.
    pub recompute: Recompute,
    /// Forward and backward of a micro-batch, µs.
    pub time_us: f64,
    /// Share of the step that it computes, all micro-batches together.
    pub share_of_step: f64,
}

/// A device of the plan.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ExplainedDevice {
    /// Its id.
    pub device: String,
    /// The numbers in which it computes products.
    #[serde(skip_serializing_if = "Precision::is_f32")]
    pub precision: Precision,
    /// Budget, bytes.
    pub budget_bytes: u64,
    /// Peak memory by category.
    pub peak_bytes: MemoryUse,
    /// Share of the step that it computes, the optimizer step included.
    pub busy_share: f64,
}

/// A plan on one device.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SingleDevice {
    /// Id of the device.
    pub device: String,
    /// Time of a step, µs.
    pub step_us: f64,
    /// Whether it has to recompute.
    pub recompute: Recompute,
    /// Bytes over its budget; 0 where it fits.
    pub short_bytes: u64,
}

/// The best plan with more memory on one device.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct IfLarger {
    /// Id of the device.
    pub device: String,
    /// Bytes more; `None` for as many as it could use.
    pub more_bytes: Option<u64>,
    /// Time of a step, µs.
    pub step_us: f64,
    /// Relative change of the step time: −0.08 is 8 % less.
    pub change: f64,
}

impl Explanation {
    /// Of no plan at all.
    pub(super) fn nothing() -> Self {
        Self {
            schedule: String::new(),
            micro_batches: 0,
            slices: 1,
            step_us: 0.0,
            bubble_fraction: 0.0,
            estimated: false,
            exact: false,
            stages: Vec::new(),
            devices: Vec::new(),
            unused: Vec::new(),
            single: None,
            too_small: None,
            speed_up: None,
            ideal_speed_up: 1.0,
            full_speed_up: 1.0,
            limits: Vec::new(),
            if_larger: Vec::new(),
            notes: Vec::new(),
        }
    }
}
