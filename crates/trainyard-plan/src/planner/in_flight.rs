//! Micro-batches that a stage holds at least, by the stages that come after it.

use crate::schedule::in_flight;
use crate::{Profile, ScheduleKind};

/// Micro-batches that a stage holds at least, by the stages that come after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct InFlight(Vec<usize>);

impl InFlight {
    /// One: what every schedule holds.
    pub(super) fn one() -> Self {
        Self(vec![1])
    }

    /// All of them: what no schedule exceeds.
    pub(super) fn all(micro_batches: usize) -> Self {
        Self(vec![micro_batches])
    }

    /// The least under any of these kinds; one where there are none.
    pub(super) fn least_of(kinds: &[&'static dyn ScheduleKind], profile: &Profile) -> Self {
        let Profile { micro_batches, slices, .. } = *profile;
        let held = |kind: &&'static dyn ScheduleKind, after| {
            in_flight(*kind, after, micro_batches, slices)
        };
        let least = |after| kinds.iter().map(|kind| held(kind, after)).min();
        Self((0..Profile::MAX_DEVICES).map(|after| least(after).unwrap_or(1)).collect())
    }

    /// With this number of stages after it.
    pub(super) fn with_after(&self, after: usize) -> usize {
        self.0.get(after).or(self.0.last()).copied().unwrap_or(1)
    }
}
