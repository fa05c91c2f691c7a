//! One step of a plan, simulated: in full, with its trace, or as the score that a search compares.

use super::run::{Run, run};
use super::simulation::{SimulatedDevice, SimulatedLink, Simulation};
use super::state::Outcome;
use super::{critical, trace};
use crate::costs::PipelineCosts;
use crate::{Plan, PlanError, Profile, Schedule, Trace};

/// The part of a simulation that a search compares.
#[derive(Clone, Debug, PartialEq)]
pub struct Score {
    /// Time of the step, µs.
    pub step_us: f64,
    /// By rank: the most it holds at once, in bytes.
    pub peak_bytes: Vec<u64>,
    /// Set where every rank stays within its budget.
    pub fits: bool,
}

/// Simulates one step of a plan.
///
/// # Errors
/// [`PlanError::BadPlan`] or [`PlanError::BadSchedule`] for a plan that is not sound or does not
/// go with the profile. A plan that does not fit its devices' memory is simulated all the same.
pub fn simulate(profile: &Profile, plan: &Plan) -> Result<Simulation, PlanError> {
    let (costs, outcome) = run(profile, plan, false)?;
    Ok(report(profile, &plan.schedule, &costs, &outcome))
}

/// [`simulate`], and what happened as a trace of `steps` 1.
///
/// # Errors
/// As [`simulate`].
pub fn simulate_traced(profile: &Profile, plan: &Plan) -> Result<(Simulation, Trace), PlanError> {
    let (costs, outcome) = run(profile, plan, true)?;
    let simulation = report(profile, &plan.schedule, &costs, &outcome);
    Ok((simulation, trace::trace(profile, &costs, outcome)))
}

/// Time and peaks of a schedule that is known to be sound; searches call it thousands of times.
///
/// # Errors
/// [`PlanError::BadPlan`] when the schedule runs into a deadlock.
pub fn score(
    costs: &PipelineCosts,
    schedule: &Schedule,
    micro_batches: usize,
) -> Result<Score, PlanError> {
    let outcome = Run::new(costs, schedule, micro_batches, false).finish()?;
    Ok(Score {
        step_us: outcome.step_us,
        peak_bytes: outcome.ranks.iter().map(|rank| rank.ledger.peak.total()).collect(),
        fits: outcome
            .ranks
            .iter()
            .zip(&costs.ranks)
            .all(|(state, rank)| state.ledger.peak.total() <= rank.budget_bytes),
    })
}

fn report(
    profile: &Profile,
    schedule: &Schedule,
    costs: &PipelineCosts,
    outcome: &Outcome,
) -> Simulation {
    let id = |rank: usize| profile.devices[costs.ranks[rank].device].id.clone();
    let devices = outcome.ranks.iter().enumerate().map(|(rank, state)| SimulatedDevice {
        id: id(rank),
        busy_us: state.busy_us,
        optimizer_us: state.optimizer_us,
        idle_us: state.idle,
        budget_bytes: costs.ranks[rank].budget_bytes,
        peak_bytes: state.ledger.peak,
        peak_at_us: state.ledger.peak_at_us,
    });
    let devices: Vec<_> = devices.collect();
    let idle: f64 = devices.iter().map(|device| device.idle_us.total_us()).sum();
    let all = devices.len() as f64 * outcome.step_us;
    let link = |(&(from, to), &busy_us): (&(usize, usize), &f64)| SimulatedLink {
        from: id(from),
        to: id(to),
        busy_us,
        bytes: 0,
        transfers: 0,
    };
    let mut links: Vec<_> = costs.links.iter().zip(&outcome.link_busy_us).map(link).collect();
    for transfer in outcome.nodes.iter().filter_map(|node| node.transfer) {
        let link = &mut links[transfer.link];
        link.bytes = link.bytes.saturating_add(transfer.bytes);
        link.transfers += 1;
    }
    Simulation {
        format: Simulation::FORMAT.to_owned(),
        version: Simulation::VERSION,
        schedule: schedule.name.clone(),
        step_us: outcome.step_us,
        bubble_fraction: if all > 0.0 { (idle / all).clamp(0.0, 1.0) } else { 0.0 },
        links,
        critical_path: critical::path(outcome, &devices, costs),
        devices,
    }
}
