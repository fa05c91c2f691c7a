//! The planner on an arrangement's terms: its budgets, micro-batches, locks and exclusions.

use trainyard_plan::planner::{self, MicroBatches, PlanRequest, Slices};
use trainyard_plan::{Plan, PlanError, Profile};

use super::{Arrangement, ScheduleChoice};

impl Arrangement {
    /// The profile with the arrangement's budgets.
    #[must_use]
    pub fn budgeted(&self, mut profile: Profile) -> Profile {
        for (device, bytes) in profile.devices.iter_mut().zip(&self.memory_bytes) {
            device.memory_bytes = *bytes;
        }
        profile
    }

    /// What the planner is asked on these terms, for a profile that is [`Arrangement::budgeted`].
    #[must_use]
    pub fn request<'a>(&self, budgeted: &'a Profile) -> PlanRequest<'a> {
        let micro_batches = match self.micro_batches {
            same if same == budgeted.micro_batches => MicroBatches::AsProfiled,
            count => MicroBatches::Count(count),
        };
        PlanRequest {
            split_backward: self.split_backward,
            micro_batches,
            slices: Slices::Count(self.slices),
            locks: self.locks.iter().map(|(layer, device)| (*layer, *device)).collect(),
            excluded: self.excluded.iter().copied().collect(),
            ..PlanRequest::new(budgeted)
        }
    }

    /// The arrangement of a plan that was found on these terms, which it keeps.
    ///
    /// # Errors
    /// As [`Arrangement::of_plan`].
    pub fn taking(&self, profile: &Profile, plan: &Plan) -> Result<Self, PlanError> {
        let Self { memory_bytes, locks, excluded, split_backward, .. } = self.clone();
        let found = Self::of_plan(profile, plan)?;
        Ok(Self { split_backward, memory_bytes, locks, excluded, ..found })
    }

    /// The planner's best on these terms: with the wished schedule or, where nothing fits with it,
    /// with any.
    pub(super) fn replanned(&self, profile: &Profile) -> Result<Self, PlanError> {
        let budgeted = self.budgeted(profile.clone());
        let best = |schedule: &str| {
            let schedule = schedule.parse()?;
            let request = PlanRequest { schedule, top: 1, ..self.request(&budgeted) };
            let planned = planner::plan(&request)?;
            let first = planned.candidates.first();
            let nothing = || PlanError::NoSuchPlan { reason: "the planner found none".into() };
            self.taking(profile, &first.ok_or_else(nothing)?.plan)
        };
        let auto = ScheduleChoice::Auto;
        best(self.schedule.name())
            .or_else(|error| if self.schedule == auto { Err(error) } else { best(auto.name()) })
    }
}
