//! What a simulated step says.

use serde::{Deserialize, Serialize};

use crate::idle::IdleTime;
use crate::{Action, MemoryUse};

/// One device in a simulated step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SimulatedDevice {
    /// Its id.
    pub id: String,
    /// Time it computes micro-batches, µs.
    pub busy_us: f64,
    /// Time of its optimizer step, µs.
    pub optimizer_us: f64,
    /// Idle time, by cause.
    pub idle_us: IdleTime,
    /// Its budget, in bytes.
    pub budget_bytes: u64,
    /// Memory at its fullest moment, by category.
    pub peak_bytes: MemoryUse,
    /// Time of that moment, µs.
    pub peak_at_us: f64,
}

/// One link in a simulated step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SimulatedLink {
    /// Id of the sending device.
    pub from: String,
    /// Id of the receiving device.
    pub to: String,
    /// Time it is in use, µs.
    pub busy_us: f64,
    /// Sum of its transfers, in bytes.
    pub bytes: u64,
    /// Number of its transfers.
    pub transfers: usize,
}

/// A simulated step: what `trainyard simulate --json` prints.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Simulation {
    /// `trainyard-simulation`.
    pub format: String,
    /// 1.
    pub version: u64,
    /// Name of the schedule.
    pub schedule: String,
    /// Time of the step, µs.
    pub step_us: f64,
    /// Idle ÷ (ranks × step time).
    pub bubble_fraction: f64,
    /// A row a rank.
    pub devices: Vec<SimulatedDevice>,
    /// The links in use.
    pub links: Vec<SimulatedLink>,
    /// The chain of actions and transfers, each starting when the one before it ends, that makes
    /// the step as long as it is.
    pub critical_path: Vec<CriticalAction>,
}

impl Simulation {
    /// The value of `format`.
    pub const FORMAT: &'static str = "trainyard-simulation";
    /// The value of `version`.
    pub const VERSION: u64 = 1;
}

/// A link of the chain that makes the step as long as it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CriticalAction {
    /// The action.
    pub action: Action,
    /// The computing or sending device.
    pub device: String,
    /// Of a transfer: the receiving device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Of a transfer between stages: the receiving stage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_stage: Option<usize>,
    /// Start, µs.
    pub start_us: f64,
    /// End, µs.
    pub end_us: f64,
}

/// µs as whole ns.
pub(super) fn nanoseconds(us: f64) -> u64 {
    (us * 1000.0).round() as u64
}
