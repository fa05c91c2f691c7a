//! What an arrangement costs.

use std::sync::Arc;

use trainyard_plan::costs::PipelineCosts;
use trainyard_plan::memory::human_bytes;
use trainyard_plan::schedule_search::{self, SearchOptions};
use trainyard_plan::simulate::{Simulation, score, simulate_traced};
use trainyard_plan::{Plan, PlanError, Predicted, Profile, Schedule, TensorLimits, Trace};

use super::refusal::Refusal;
use super::{Arrangement, ScheduleChoice};

/// How many orders the search for a schedule tries. An assessment is made for every movement of
/// the pointer, so this is few; the planner tries many.
const EFFORT: usize = 100;

/// What an arrangement costs, as the simulator says.
#[derive(Clone, Debug)]
pub struct Assessment {
    /// The profile with the arrangement's budgets, micro-batches and slices.
    pub profile: Arc<Profile>,
    /// The plan, with its prediction.
    pub plan: Plan,
    /// The prediction.
    pub simulation: Simulation,
    /// Its timeline and memory over time.
    pub trace: Arc<Trace>,
    /// The costs of every stage.
    pub costs: PipelineCosts,
    /// A layer with a tensor that its device cannot have, in words.
    pub too_large: Option<String>,
}

/// How one assessment differs from another.
#[derive(Clone, Debug, PartialEq)]
pub struct Delta {
    /// Change of the step's time: −0.08 is 8 % less.
    pub step: f64,
    /// Change of the bubble fraction.
    pub bubble: f64,
    /// By device of the profile.
    pub devices: Vec<DeviceDelta>,
}

/// How one device differs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeviceDelta {
    /// Peak memory before, bytes.
    pub before_bytes: u64,
    /// Peak memory after, bytes.
    pub after_bytes: u64,
}

/// Works out what an arrangement costs. One that does not fit its devices' memory is worked out
/// all the same.
///
/// # Errors
/// [`PlanError::BadPlan`] for an arrangement that does not go with the profile;
/// [`PlanError::BadNumber`] for a number of micro-batches or slices that it does not allow.
pub fn assess(profile: &Profile, arrangement: &Arrangement) -> Result<Assessment, PlanError> {
    let profile = profile.with_micro_batches(arrangement.micro_batches)?;
    let profile = arrangement.budgeted(profile.in_slices(arrangement.slices)?.into_owned());
    let stages = arrangement.plan_stages(&profile);
    let costs = PipelineCosts::of(&profile, &stages, &arrangement.owners())?;
    let (schedule, note) = schedule(&costs, arrangement, profile.micro_batches)?;
    let mut plan = Plan::new(&profile.model.name, stages, schedule, profile.micro_batches);
    plan.notes.extend(note);
    let (simulation, trace) = simulate_traced(&profile, &plan)?;
    plan.predicted = Some(Predicted::of(&simulation, profile.estimated));
    let too_large = TensorLimits::check(&profile, &plan).err().map(|error| error.to_string());
    let (profile, trace) = (Arc::new(profile), Arc::new(trace));
    Ok(Assessment { profile, plan, simulation, trace, costs, too_large })
}

/// The schedule that is wished, or one that is made where the stages do not lie as it wants them: of slices
/// the fastest named one. Each slice counts as one of the `micro_batches`.
fn schedule(
    costs: &PipelineCosts,
    arrangement: &Arrangement,
    micro_batches: usize,
) -> Result<(Schedule, Option<String>), PlanError> {
    let slices = arrangement.slices;
    if let Some(made) = &arrangement.made {
        return Ok((made.as_ref().clone(), None));
    }
    let mut note = None;
    if let ScheduleChoice::Named(name) = &arrangement.schedule {
        if let Some(schedule) = named(name, costs, micro_batches, slices) {
            let whole = !arrangement.split_backward;
            return Ok((if whole { schedule.merged() } else { schedule }, None));
        }
        note = Some(format!(
            "{name} does not go with these stages, so a schedule was made for them instead"
        ));
    }
    if slices > 1 {
        let whole = !arrangement.split_backward;
        let of_kind = |name| named(name, costs, micro_batches, slices);
        let all = Schedule::names().filter_map(of_kind);
        let all = all.map(|schedule| if whole { schedule.merged() } else { schedule });
        let cost = |schedule: &Schedule| {
            let score = score(costs, schedule, micro_batches);
            score.map_or((true, f64::INFINITY), |score| (!score.fits, score.step_us))
        };
        let fastest = all.min_by(|one, other| {
            let (one, other) = (cost(one), cost(other));
            one.0.cmp(&other.0).then(one.1.total_cmp(&other.1))
        });
        let none = || PlanError::NoSuchPlan {
            reason: "no named schedule goes with these stages, and none is made for slices".into(),
        };
        return Ok((fastest.ok_or_else(none)?, note));
    }
    let options = SearchOptions { split_backward: arrangement.split_backward, effort: EFFORT };
    if let Some(auto) = schedule_search::search(costs, micro_batches, &options)? {
        return Ok((auto.schedule, note));
    }
    // Nothing fits. What it would take is to be seen all the same.
    let mut roomy = costs.clone();
    for rank in &mut roomy.ranks {
        rank.budget_bytes = u64::MAX;
    }
    let made = schedule_search::search(&roomy, micro_batches, &options)?;
    let made = made.ok_or_else(|| PlanError::NoSuchPlan {
        reason: "no schedule goes with these stages".into(),
    })?;
    Ok((made.schedule, note))
}

/// The schedule of that name, where the stages lie as it wants them.
fn named(
    name: &str,
    costs: &PipelineCosts,
    micro_batches: usize,
    slices: usize,
) -> Option<Schedule> {
    let (ranks, stages) = (costs.ranks.len(), costs.stages.len());
    let chunks = stages.checked_div(ranks)?;
    let placement = Schedule::placement(name, ranks, chunks).ok()?;
    let lies = placement.iter().eq(costs.stages.iter().map(|stage| &stage.rank));
    let schedule = || Schedule::in_slices(name, ranks, chunks, micro_batches, slices).ok();
    lies.then(schedule).flatten()
}

/// What devices are short of, bytes, in words; `None` where they are short of nothing.
pub(super) fn shortage<'a>(short: impl Iterator<Item = (&'a str, u64)>) -> Option<String> {
    let short = short.filter(|(_, bytes)| *bytes > 0);
    let words: Vec<String> =
        short.map(|(id, bytes)| format!("{id} would need {} more", human_bytes(bytes))).collect();
    (!words.is_empty()).then(|| words.join(", "))
}

impl Assessment {
    /// By how much each device is over its budget, bytes: (index in the simulation, bytes).
    pub fn over(&self) -> impl Iterator<Item = (usize, u64)> {
        let over = |(index, device): (usize, &trainyard_plan::simulate::SimulatedDevice)| {
            let bytes = device.peak_bytes.total().saturating_sub(device.budget_bytes);
            (bytes > 0).then_some((index, bytes))
        };
        self.simulation.devices.iter().enumerate().filter_map(over)
    }

    /// Whether every device stays within its budget and can have its layers.
    #[must_use]
    pub fn fits(&self) -> bool {
        self.over().next().is_none() && self.too_large.is_none()
    }

    /// What does not fit, in words; `None` where all does.
    #[must_use]
    pub fn shortage(&self) -> Option<String> {
        let short = shortage(self.over().filter_map(|(index, bytes)| {
            Some((self.simulation.devices.get(index)?.id.as_str(), bytes))
        }));
        short.or_else(|| self.too_large.clone())
    }

    /// Refuses what goes further over a budget than what there is now, or gives a device a layer that it
    /// cannot have where there is none now: from there a person must be able to come back step by step.
    pub(super) fn refuse_if_fuller(&self, now: &Self) -> Result<(), Refusal> {
        if let (Some(words), None) = (&self.too_large, &now.too_large) {
            return Err(Refusal(words.clone()));
        }
        let excess = |assessment: &Self| {
            assessment.over().fold(0u64, |sum, (_, bytes)| sum.saturating_add(bytes))
        };
        match self.shortage() {
            Some(words) if excess(self) > 0 && excess(self) >= excess(now) => Err(Refusal(words)),
            _ => Ok(()),
        }
    }

    /// What a device of the profile does in it; `None` where it is idle.
    #[must_use]
    pub fn device(&self, index: usize) -> Option<&trainyard_plan::simulate::SimulatedDevice> {
        let id = &self.profile.devices.get(index)?.id;
        self.simulation.devices.iter().find(|device| device.id == *id)
    }

    /// How this differs from what was before.
    #[must_use]
    pub fn delta(&self, before: &Self) -> Delta {
        let peak = |assessment: &Self, index| {
            assessment.device(index).map_or(0, |device| device.peak_bytes.total())
        };
        let devices = (0..self.profile.devices.len()).map(|index| DeviceDelta {
            before_bytes: peak(before, index),
            after_bytes: peak(self, index),
        });
        Delta {
            step: self.simulation.step_us / before.simulation.step_us.max(f64::MIN_POSITIVE) - 1.0,
            bubble: self.simulation.bubble_fraction - before.simulation.bubble_fraction,
            devices: devices.collect(),
        }
    }
}
