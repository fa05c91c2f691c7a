//! The simulator: time and memory of a plan's step, without running it.
//!
//! Its rules:
//!
//! - **A rank does one action at a time, in order, each as soon as its input is there.**
//! - **Full B = input grad + weight grad (+ forward again under recompute); I and W apart.** I is
//!   the input grad, to which recompute adds the forward; W is the weight grad.
//! - **A send occupies its directed link (first come, first served; latency + bytes ÷ rate) and not
//!   the rank; an action that needs a transfer waits for its arrival.** Between two stages of one
//!   rank nothing has to move. A tensor goes straight to every stage that takes it; between two
//!   stages there is one transfer a micro-batch and direction, which carries all tensors that the
//!   later takes from the earlier. Gradients come back the same way, and nothing comes back where
//!   no tensor has one. A skip (`skips_to`) is a transfer of its own. Where nothing goes between two
//!   neighbouring stages, the one still waits for the other.
//! - **Each device's optimizer step comes after its last action.** Tied weights on two devices
//!   cost two transfers more: the follower's gradient goes to the owner before the owner's
//!   optimizer step, and the weights come back after it.
//! - **Memory a device = weights + gradients + optimizer state + saved activations of micro-batches
//!   in flight** (under recompute: all of the stage's inputs, plus one micro-batch's saved
//!   activations while its B runs; with I and W split what W needs stays until W) **+ transfer
//!   buffers** (one output a pending send, one input an arrived and unused receive); **peak over
//!   time.** A measured profile adds the workspace of an action while it runs: [`crate::memory`].
//!   What ends at an instant is gone before what begins then is counted, so a transfer that takes no
//!   time needs no buffer.
//!
//! A step begins at 0 and ends when the last optimizer step and the last transfer have. Idle time
//! is told apart by cause: before a rank's first action it is *warm-up*, after its last *drain*;
//! between, it waits for a *neighbour* until that has computed the input, and from then on for the
//! *link*. bubble fraction = idle ÷ (ranks × step time).

mod caps;
mod critical;
mod run;
mod state;
mod trace;
mod transfers;

use serde::{Deserialize, Serialize};

pub use caps::validate_memory;
pub use critical::CriticalAction;

use crate::costs::PipelineCosts;
use crate::memory::DeviceNeed;
use crate::{MemoryUse, Plan, PlanError, Profile, Schedule, Trace, validate};
use run::Run;
use state::Outcome;

/// Idle time of a device in one step by cause, µs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct IdleTime {
    /// Before its first action.
    pub warm_up_us: f64,
    /// After its last.
    pub drain_us: f64,
    /// Another rank had not yet computed its input.
    pub neighbour_us: f64,
    /// Its input was computed, and waited for its link or was on it.
    pub link_us: f64,
}

impl IdleTime {
    /// All of it, µs.
    #[must_use]
    pub fn total_us(&self) -> f64 {
        self.warm_up_us + self.drain_us + self.neighbour_us + self.link_us
    }
}

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

/// The need of each rank's device at its fullest moment, in rank order.
///
/// # Errors
/// As [`simulate`].
pub fn needs(profile: &Profile, plan: &Plan) -> Result<Vec<DeviceNeed>, PlanError> {
    let need = |device: SimulatedDevice| {
        DeviceNeed::new(&device.id, device.budget_bytes, device.peak_bytes)
    };
    Ok(simulate(profile, plan)?.devices.into_iter().map(need).collect())
}

/// Checks that every device of a plan stays within its budget.
///
/// # Errors
/// As [`simulate`], and [`PlanError::DoesNotFit`] with every device's need if any is short.
pub fn check_memory(profile: &Profile, plan: &Plan) -> Result<Vec<DeviceNeed>, PlanError> {
    let needs = needs(profile, plan)?;
    if needs.iter().all(|need| need.deficit_bytes() == 0) {
        return Ok(needs);
    }
    let hint = crate::memory::hint(profile, plan, &needs);
    Err(PlanError::DoesNotFit { devices: needs, hint })
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

fn run(
    profile: &Profile,
    plan: &Plan,
    record: bool,
) -> Result<(PipelineCosts, Outcome), PlanError> {
    plan.check(profile.model.layers.len())?;
    let costs = PipelineCosts::of(profile, &plan.stages, &plan.schedule.owners())?;
    let links = costs.stage_links();
    if links.iter().any(|link| link.to != link.from + 1) {
        validate::validate_links(&plan.schedule, plan.stages.len(), plan.micro_batches, &links)?;
    }
    let outcome = Run::new(&costs, &plan.schedule, plan.micro_batches, record).finish()?;
    Ok((costs, outcome))
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

impl Simulation {
    /// The value of `format`.
    pub const FORMAT: &'static str = "trainyard-simulation";
    /// The value of `version`.
    pub const VERSION: u64 = 1;
}

/// µs as whole ns.
fn nanoseconds(us: f64) -> u64 {
    (us * 1000.0).round() as u64
}
