//! Checks that a schedule does the whole step, once, in an order that can run.
//!
//! A schedule may come from a file that was edited by hand, so nothing here trusts a number in it:
//! memory grows with the actions that are there, never with the counts that the file states.

mod cells;
mod dry_run;
mod grid;
mod slices;

use crate::{Action, PlanError, Schedule};
pub(crate) use grid::grid;
pub(crate) use slices::whole_rows;

/// A pair of stages between which tensors go: at most one message a micro-batch and direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StageLink {
    /// The stage that gives.
    pub from: usize,
    /// The later stage that takes.
    pub to: usize,
    /// Set where gradients come back.
    pub has_gradient: bool,
}

/// Checks a schedule of `stages` stages and `micro_batches` micro-batches, each stage of which takes
/// what the stage before gives:
///
/// - every stage lives on one rank, and no rank is empty;
/// - every (stage, micro-batch) has one F, and after it one B, or one I and after it one W;
/// - if it has transfers, it has all of them and no others: where the next stage is on another
///   rank, a `SEND_F` after F and a `RECV_B` before B or I; where the stage before is, a `RECV_F`
///   before F and a `SEND_B` after B or I. If it has none, they are implied: received right before,
///   sent right after;
/// - where rows are cut into [slices](Schedule::slices), a stage does those of the same rows forward from
///   the first to the last, and backward from the last to the first;
/// - it runs to its end when each rank does its next action as soon as its input exists: F needs
///   the F of the stage before; B and I need the B or I of the stage after. Transfers between two
///   stages arrive in the order in which they were sent.
///
/// The optimizer step is implied and does not belong in it.
///
/// # Errors
/// [`PlanError::BadSchedule`] with the place and the first thing that is wrong there;
/// [`PlanError::BadNumber`] if either count is 0, or the micro-batches are not as many times the slices.
pub fn validate(schedule: &Schedule, stages: usize, micro_batches: usize) -> Result<(), PlanError> {
    start_steps(schedule, stages, micro_batches).map(|_| ())
}

/// [`validate`] for a model whose stages give each other tensors over `links`: see
/// [`PipelineCosts::stage_links`](crate::costs::PipelineCosts::stage_links).
///
/// Transfers stand where [`validate`] wants them, whatever the model: a `SEND` is for all takers on
/// other ranks, a `RECV` for all sources on other ranks. What goes between ranks beside a stage that
/// has none is implied.
///
/// # Errors
/// As [`validate`]; [`PlanError::BadPlan`] for a link between stages that do not exist, or that
/// does not go to a later stage.
pub fn validate_links(
    schedule: &Schedule,
    stages: usize,
    micro_batches: usize,
    links: &[StageLink],
) -> Result<(), PlanError> {
    if let Some(StageLink { from, to, .. }) =
        links.iter().find(|l| l.from >= l.to || l.to >= stages)
    {
        let reason = format!(
            "a tensor goes from stage {from} to stage {to}, but it has {stages} stages, and tensors \
             go to later ones"
        );
        return Err(PlanError::BadPlan { reason });
    }
    let owners = owners(schedule, stages, micro_batches)?;
    dry_run::run(schedule, &owners, micro_batches, links).map(|_| ())
}

/// [`validate`], and the time at which each action starts if each takes one unit and implied
/// transfers take none.
pub(crate) fn start_steps(
    schedule: &Schedule,
    stages: usize,
    micro_batches: usize,
) -> Result<Vec<Vec<usize>>, PlanError> {
    let owners = owners(schedule, stages, micro_batches)?;
    let link = |to| StageLink { from: to - 1, to, has_gradient: true };
    let chain: Vec<StageLink> = (1..stages).map(link).collect();
    dry_run::run(schedule, &owners, micro_batches, &chain)
}

fn owners(
    schedule: &Schedule,
    stages: usize,
    micro_batches: usize,
) -> Result<Vec<usize>, PlanError> {
    at_least_one("the number of stages", stages)?;
    at_least_one("micro_batches", micro_batches)?;
    whole_rows(micro_batches, schedule.slices)?;
    let owners = cells::check(schedule, stages, micro_batches)?;
    slices::check(schedule)?;
    Ok(owners)
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
    let label = |rank: usize| format!("rank {rank}");
    let text = |rank: usize, at: usize| schedule.ranks.get(rank)?.get(at).map(Action::to_string);
    PlanError::BadSchedule {
        rank,
        position,
        action: action.to_string(),
        reason: reason.to_owned(),
        grid: grid(schedule.ranks.len(), &label, &text, rank, position),
    }
}
