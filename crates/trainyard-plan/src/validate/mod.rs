//! Whether a schedule does the whole step, once, in an order that can run.
//!
//! A schedule may come from a file that anybody edited, so nothing here trusts a number in it:
//! memory grows with the actions that are there, never with the counts somebody claims.

mod cells;
mod dry_run;
mod grid;

use crate::{PlanError, Schedule};

/// Checks a schedule of `stages` stages and `micro_batches` micro-batches:
///
/// - every stage lives on one rank, and no rank is empty;
/// - every (stage, micro-batch) has one F, and after it one B, or one I and after it one W;
/// - if it has transfers, it has all of them and no others: every output that another rank needs
///   is sent after it is computed, and every input from another rank is received before it is
///   used. If it has none, they are implied: received right before, sent right after;
/// - it runs to its end when each rank does its next action as soon as its input exists: F needs
///   the F of the stage before; B and I need the B or I of the stage after. Transfers between two
///   stages arrive in the order in which they were sent.
///
/// The optimizer step is implied and does not belong in it.
///
/// # Errors
/// [`PlanError::BadSchedule`] with the place and the first thing that is wrong there;
/// [`PlanError::BadNumber`] if either count is 0.
pub fn validate(schedule: &Schedule, stages: usize, micro_batches: usize) -> Result<(), PlanError> {
    start_steps(schedule, stages, micro_batches).map(|_| ())
}

/// [`validate`], where no more than `capacity` transfers from a stage to its neighbour may be sent
/// and not yet received: a rank that sends one more waits until there is room.
///
/// # Errors
/// As [`validate`]; [`PlanError::BadNumber`] also for a capacity of 0.
pub fn validate_with_buffers(
    schedule: &Schedule,
    stages: usize,
    micro_batches: usize,
    capacity: usize,
) -> Result<(), PlanError> {
    at_least_one("the capacity of the buffers", capacity)?;
    check(schedule, stages, micro_batches, capacity).map(|_| ())
}

/// [`validate`], and the time at which each action starts if each takes one unit and implied
/// transfers take none.
pub(crate) fn start_steps(
    schedule: &Schedule,
    stages: usize,
    micro_batches: usize,
) -> Result<Vec<Vec<usize>>, PlanError> {
    check(schedule, stages, micro_batches, usize::MAX)
}

fn check(
    schedule: &Schedule,
    stages: usize,
    micro_batches: usize,
    capacity: usize,
) -> Result<Vec<Vec<usize>>, PlanError> {
    at_least_one("the number of stages", stages)?;
    at_least_one("micro_batches", micro_batches)?;
    let owners = cells::check(schedule, stages, micro_batches)?;
    dry_run::run(schedule, &owners, micro_batches, capacity)
}

fn at_least_one(what: &str, value: usize) -> Result<(), PlanError> {
    if value == 0 {
        return Err(PlanError::BadNumber {
            what: what.into(),
            value: "0".into(),
            must: "at least 1".into(),
        });
    }
    Ok(())
}

/// The error for a place in a schedule, with the schedule around it.
pub(crate) fn bad(
    schedule: &Schedule,
    rank: usize,
    position: usize,
    action: &impl ToString,
    reason: &str,
) -> PlanError {
    PlanError::BadSchedule {
        rank,
        position,
        action: action.to_string(),
        reason: reason.to_owned(),
        grid: grid::grid(schedule, rank, position),
    }
}
