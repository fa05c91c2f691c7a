//! A request to the planner.

use serde::{Deserialize, Serialize};

use super::generator::Generator;
use crate::{Profile, Recompute, Schedule, ScheduleRequest};

/// The quantity that a plan makes small.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Objective {
    /// Time of a step.
    #[default]
    Time,
    /// The largest share of a device's budget.
    Memory,
    /// Time of one micro-batch through the pipeline and back.
    Latency,
}

/// Micro-batches a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MicroBatches {
    /// The profile's number.
    #[default]
    AsProfiled,
    /// This number: see [`Profile::with_micro_batches`].
    Count(usize),
    /// The best of [`Profile::micro_batch_choices`].
    Auto,
}

/// Slices along the context into which the rows of micro-batches are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slices {
    /// This number; 1 where they are not cut.
    Count(usize),
    /// The best of 1 and small powers of two, where the model can be cut and the profile says how times
    /// depend on the size of a micro-batch.
    Auto,
}

impl Default for Slices {
    fn default() -> Self {
        Self::Count(1)
    }
}

/// Whether stages may, must or must not recompute their activations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RecomputeChoice {
    /// No stage recomputes.
    None,
    /// Every stage recomputes.
    Full,
    /// Each stage as is best.
    #[default]
    Auto,
}

impl RecomputeChoice {
    /// Modes that a stage may have, the fastest first.
    pub(super) fn modes(self) -> &'static [Recompute] {
        match self {
            Self::None => &[Recompute::None],
            Self::Full => &[Recompute::Full],
            Self::Auto => &[Recompute::None, Recompute::Full],
        }
    }
}

/// A request to the planner.
#[derive(Clone, Debug)]
pub struct PlanRequest<'a> {
    /// The model, the devices and the links.
    pub profile: &'a Profile,
    /// The kind of schedule: `"1f1b".parse()?`, or the best of all.
    pub schedule: ScheduleRequest,
    /// Whether a backward may be split into I and W. If not, schedules that split it run it whole,
    /// and the plan's notes say so.
    pub split_backward: bool,
    /// Micro-batches a step.
    pub micro_batches: MicroBatches,
    /// Slices of the micro-batches' rows. A schedule that is given has its own.
    pub slices: Slices,
    /// Whether stages recompute.
    pub recompute: RecomputeChoice,
    /// The quantity to make small.
    pub objective: Objective,
    /// Layers that must lie on a device: (layer, device), by index.
    pub locks: Vec<(usize, usize)>,
    /// Devices that must stay idle, by index.
    pub excluded: Vec<usize>,
    /// Layers of each stage, in the order of the pipeline, on the devices that may be used in their
    /// order; 0 leaves a device idle.
    pub split: Option<Vec<usize>>,
    /// A schedule to run as it is, in place of those of a kind.
    pub own_schedule: Option<&'a Schedule>,
    /// Plans to return, at least 1.
    pub top: usize,
    /// Generators to leave out, to measure what they are worth.
    pub without: Vec<Generator>,
}

impl<'a> PlanRequest<'a> {
    /// The fastest plan for a profile, without restrictions.
    #[must_use]
    pub fn new(profile: &'a Profile) -> Self {
        Self {
            profile,
            schedule: ScheduleRequest::Search,
            split_backward: true,
            micro_batches: MicroBatches::AsProfiled,
            slices: Slices::default(),
            recompute: RecomputeChoice::Auto,
            objective: Objective::Time,
            locks: Vec::new(),
            excluded: Vec::new(),
            split: None,
            own_schedule: None,
            top: 1,
            without: Vec::new(),
        }
    }
}
