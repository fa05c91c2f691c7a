//! The named schedules that go with a placement.

use crate::costs::PipelineCosts;
use crate::{PlanError, Schedule};

/// Every named schedule whose stages lie where these do; without I and W unless `split`.
///
/// # Errors
/// [`PlanError::BadNumber`] for more micro-batches than a schedule may have.
pub(super) fn schedules(
    costs: &PipelineCosts,
    micro_batches: usize,
    split: bool,
) -> Result<Vec<Schedule>, PlanError> {
    let (ranks, stages) = (costs.ranks.len(), costs.stages.len());
    let owners: Vec<usize> = costs.stages.iter().map(|stage| stage.rank).collect();
    let mut schedules: Vec<Schedule> = Vec::new();
    if ranks == 0 || !stages.is_multiple_of(ranks) {
        return Ok(schedules);
    }
    let chunks = stages / ranks;
    for name in Schedule::names() {
        // A schedule that cannot have so many stages a rank is no match.
        if !Schedule::placement(name, ranks, chunks).is_ok_and(|placement| placement == owners) {
            continue;
        }
        let schedule = Schedule::with_chunks(name, ranks, chunks, micro_batches)?;
        schedules.push(if split { schedule } else { schedule.merged() });
    }
    Ok(schedules)
}
