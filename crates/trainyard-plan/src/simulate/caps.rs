//! The first action of a schedule that takes more memory than its device's budget.

use super::run::run;
use super::simulation::nanoseconds;
use super::state::Node;
use crate::memory::human_bytes;
use crate::{ActionKind, Plan, PlanError, Profile, TensorLimits, validate};

/// Checks that memory stays within the caps at every moment of a step.
///
/// # Errors
/// As [`super::simulate`]; [`PlanError::TensorTooLarge`] for a layer with a tensor that its device cannot
/// have; [`PlanError::BadSchedule`] with rank, position and action at which a
/// budget is first exceeded, and the schedule around it. What a device holds before it does
/// anything, or an input that arrives while it waits, is put to the action that comes next.
pub fn validate_memory(profile: &Profile, plan: &Plan) -> Result<(), PlanError> {
    let (costs, outcome) = run(profile, plan, true)?;
    TensorLimits::check(profile, plan)?;
    let mut samples: Vec<_> = outcome.memory.iter().collect();
    // Stable, so that what happens at one instant stays in its order.
    samples.sort_by_key(|sample| sample.at_ns);
    let over = samples.into_iter().find(|sample| {
        let budget = costs.ranks.get(sample.device).map_or(u64::MAX, |rank| rank.budget_bytes);
        sample.in_use_bytes > budget
    });
    let Some(over) = over else { return Ok(()) };
    let rank = over.device;
    let row = &plan.schedule.ranks[rank];
    let computes = |node: &&Node| {
        node.rank == rank && node.transfer.is_none() && node.action.kind != ActionKind::Optimizer
    };
    let begun = |node: &&Node| nanoseconds(node.start_us) <= over.at_ns;
    let running = |node: &Node| over.at_ns < nanoseconds(node.end_us);
    let last = outcome.nodes.iter().filter(computes).rfind(begun);
    let position_of = |node: &Node| row.iter().position(|action| *action == node.action);
    let position = last.map_or(0, |node| {
        let at = position_of(node).unwrap_or(0);
        if running(node) { at } else { (at + 1).min(row.len().saturating_sub(1)) }
    });
    let Some(action) = row.get(position) else { return Ok(()) };
    let budget = costs.ranks[rank].budget_bytes;
    let reason = format!(
        "'{}' would hold {} of {}: it is {} short",
        profile.devices[costs.ranks[rank].device].id,
        human_bytes(over.in_use_bytes),
        human_bytes(budget),
        human_bytes(over.in_use_bytes.saturating_sub(budget)),
    );
    Err(validate::bad(&plan.schedule, rank, position, action, &reason))
}
