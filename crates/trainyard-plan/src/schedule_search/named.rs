//! The named schedules that suit a placement.

use crate::costs::PipelineCosts;
use crate::schedule::registered;
use crate::simulate::{Score, score};
use crate::{PlanError, Schedule};

/// Schedules of all kinds that place stages as these are placed; with whole backwards unless
/// `split_backward`.
///
/// # Errors
/// [`PlanError::BadNumber`] for more micro-batches than a schedule may have.
pub(super) fn schedules(
    costs: &PipelineCosts,
    micro_batches: usize,
    split_backward: bool,
) -> Result<Vec<Schedule>, PlanError> {
    let (ranks, stages) = (costs.ranks.len(), costs.stages.len());
    let mut schedules: Vec<Schedule> = Vec::new();
    if ranks == 0 || !stages.is_multiple_of(ranks) {
        return Ok(schedules);
    }
    let chunks = stages / ranks;
    for kind in registered() {
        // A kind that cannot have this number of stages a rank does not suit.
        let Ok(placement) = Schedule::placement(kind.name(), ranks, chunks) else { continue };
        if placement.iter().eq(costs.stages.iter().map(|stage| &stage.rank)) {
            let schedule = Schedule::of_kind(kind, ranks, chunks, micro_batches)?;
            schedules.push(if split_backward { schedule } else { schedule.merged() });
        }
    }
    Ok(schedules)
}

/// Name and score of the fastest named schedule that suits the placement and fits, if one does.
///
/// # Errors
/// [`PlanError::BadNumber`] for more micro-batches than a schedule may have.
pub fn best_named(
    costs: &PipelineCosts,
    micro_batches: usize,
    split_backward: bool,
) -> Result<Option<(String, Score)>, PlanError> {
    let mut best: Option<(String, Score)> = None;
    for schedule in schedules(costs, micro_batches, split_backward)? {
        let score = score(costs, &schedule, micro_batches)?;
        if score.fits && best.as_ref().is_none_or(|(_, best)| score.step_us < best.step_us) {
            best = Some((schedule.name, score));
        }
    }
    Ok(best)
}
