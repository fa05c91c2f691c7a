//! Why a plan is as it is: what it is compared with, what limits it, and what would help.
//!
//! The *ideal speed-up*, the bound of a pipeline that fills and drains, is how many times as fast a step could be as on the fastest device alone,
//! if layers could be cut anywhere and transfers were free. With the speeds s = 1 ÷ (time of the
//! whole model for one micro-batch), k devices cut into stages that take equally long have
//! τ = 1 ÷ Σs a stage and (m + k − 1) τ a step, against m ÷ max s alone, so it is
//!
//! ```text
//! max over the k fastest devices of   m Σs ÷ ((m + k − 1) max s)
//! ```
//!
//! which for equal devices is the p·m ÷ (m + p − 1) of the textbooks. Schedules that fill their
//! bubble can come closer to Σs ÷ max s.

mod limits;
mod text;

use serde::Serialize;

use super::contest::{goal, space};
use super::draft::{Draft, Judge, Kind};
use super::explore::glance;
use super::freedom::contest;
use super::{Ask, Candidate, Planned};
use crate::costs::PipelineCosts;
use crate::{MemoryUse, Profile, Recompute};

pub use text::text;

/// What there is to say about the best plan.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    /// Name of the schedule.
    pub schedule: String,
    /// Micro-batches a step.
    pub micro_batches: usize,
    /// Time of a step, µs.
    pub step_us: f64,
    /// Idle ÷ (ranks × step time).
    pub bubble_fraction: f64,
    /// Whether the times are estimates, not measured layer by layer.
    pub estimated: bool,
    /// Whether the search for the stated objective left nothing out.
    pub exact: bool,
    /// A row a stage.
    pub stages: Vec<ExplainedStage>,
    /// A row a rank.
    pub devices: Vec<ExplainedDevice>,
    /// Ids of the devices that are left idle.
    pub unused: Vec<String>,
    /// The fastest plan on one device alone, if one fits.
    pub single: Option<SingleDevice>,
    /// The fastest device alone, memory aside, where that is another one.
    pub too_small: Option<SingleDevice>,
    /// How many times as fast the plan is.
    pub speed_up: Option<f64>,
    /// The bound p·m ÷ (m + p − 1) for these devices: how many times as fast as the fastest of
    /// them alone, whether or not that fits, a pipeline that fills and drains could be.
    pub ideal_speed_up: f64,
    /// The same without any bubble: Σs ÷ max s.
    pub full_speed_up: f64,
    /// What keeps it from being faster, in words.
    pub limits: Vec<String>,
    /// What more memory would bring, the most first.
    pub if_larger: Vec<IfLarger>,
    /// The plan's notes.
    pub notes: Vec<String>,
}

/// A stage of the plan.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ExplainedStage {
    /// Id of its device.
    pub device: String,
    /// Half-open pair of layer indices.
    pub layers: (usize, usize),
    /// Names of the first and the last of them.
    pub names: (String, String),
    /// Whether it recomputes.
    pub recompute: Recompute,
    /// Forward and backward of a micro-batch, µs.
    pub time_us: f64,
    /// What part of the step it computes, all micro-batches together.
    pub share_of_step: f64,
}

/// A device of the plan.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ExplainedDevice {
    /// Its id.
    pub device: String,
    /// What it may hold, in bytes.
    pub budget_bytes: u64,
    /// What it holds at its fullest moment.
    pub peak_bytes: MemoryUse,
    /// What part of the step it computes, the optimizer step included.
    pub busy_share: f64,
}

/// A plan on one device.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SingleDevice {
    /// Id of the device.
    pub device: String,
    /// Time of a step, µs.
    pub step_us: f64,
    /// Whether it has to recompute.
    pub recompute: Recompute,
    /// By how many bytes its memory is too small; 0 where it fits.
    pub short_bytes: u64,
}

/// What the best plan would be if one device had more memory.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct IfLarger {
    /// Id of the device.
    pub device: String,
    /// How much more, in bytes; none for as much as it could use.
    pub more_bytes: Option<u64>,
    /// Time of a step, µs.
    pub step_us: f64,
    /// The change of the step's time: −0.08 is 8 % less.
    pub change: f64,
}

/// Devices for which more memory is planned in full.
const LARGER: usize = 2;

/// Explains the best of what was planned. It plans again with more memory, so it takes a few times
/// as long as planning did.
#[must_use]
pub fn explain(planned: &Planned) -> Explanation {
    let Planned { candidates, profile, ask, exact } = planned;
    let Some(Candidate { plan, simulation }) = candidates.first() else {
        return Explanation::nothing();
    };
    let costs = PipelineCosts::of(profile, &plan.stages, &plan.schedule.owners());
    let costs = costs.unwrap_or_default();
    let step = simulation.step_us.max(f64::MIN_POSITIVE);
    let name = |layer: usize| {
        profile.model.layers.get(layer).map_or_else(String::new, |layer| layer.name.clone())
    };
    let stages = plan.stages.iter().zip(&costs.stages).map(|(stage, costs)| {
        let time_us = costs.forward_us + costs.backward_us();
        ExplainedStage {
            device: stage.device.clone(),
            layers: stage.layers,
            names: (name(stage.layers.0), name(stage.layers.1.saturating_sub(1))),
            recompute: stage.recompute,
            time_us,
            share_of_step: time_us * plan.micro_batches as f64 / step,
        }
    });
    let devices = simulation.devices.iter().map(|device| ExplainedDevice {
        device: device.id.clone(),
        budget_bytes: device.budget_bytes,
        peak_bytes: device.peak_bytes,
        busy_share: (device.busy_us + device.optimizer_us) / step,
    });
    let singles = singles(profile, ask);
    let single = singles.iter().find(|single| single.short_bytes == 0).cloned();
    let too_small = singles.into_iter().next().filter(|fastest| fastest.short_bytes > 0);
    let used = |id: &String| plan.stages.iter().any(|stage| stage.device == *id);
    let ids = profile.devices.iter().map(|device| device.id.clone());
    let unused = ids.filter(|id| !used(id)).collect();
    let (ideal_speed_up, full_speed_up) = ideal_speed_ups(profile, ask);
    Explanation {
        schedule: plan.schedule.name.clone(),
        micro_batches: plan.micro_batches,
        step_us: simulation.step_us,
        bubble_fraction: simulation.bubble_fraction,
        estimated: profile.estimated,
        exact: *exact,
        stages: stages.collect(),
        devices: devices.collect(),
        speed_up: single.as_ref().map(|single| single.step_us / step),
        unused,
        single,
        too_small,
        ideal_speed_up,
        full_speed_up,
        limits: limits::limits(plan, simulation, &costs),
        if_larger: if_larger(profile, ask, simulation.step_us),
        notes: plan.notes.clone(),
    }
}

impl Explanation {
    fn nothing() -> Self {
        Self {
            schedule: String::new(),
            micro_batches: 0,
            step_us: 0.0,
            bubble_fraction: 0.0,
            estimated: false,
            exact: false,
            stages: Vec::new(),
            devices: Vec::new(),
            unused: Vec::new(),
            single: None,
            too_small: None,
            speed_up: None,
            ideal_speed_up: 1.0,
            full_speed_up: 1.0,
            limits: Vec::new(),
            if_larger: Vec::new(),
            notes: Vec::new(),
        }
    }
}

/// Every plan on one of the devices that may be used, the fastest first.
fn singles(profile: &Profile, ask: &Ask) -> Vec<SingleDevice> {
    let mut judge = Judge::new(profile, ask, 0);
    let mut singles = Vec::new();
    let devices = profile.devices.iter().enumerate();
    for (index, device) in devices.filter(|(index, _)| !ask.excluded.contains(index)) {
        for recompute in ask.recompute.modes() {
            let draft = Draft {
                ranks: vec![index],
                firsts: vec![0],
                recompute: vec![*recompute],
                kind: Kind::Named("1f1b", 1),
            };
            let Ok(verdict) = judge.verdict(&draft) else { continue };
            singles.push(SingleDevice {
                device: device.id.clone(),
                step_us: verdict.step_us,
                recompute: *recompute,
                short_bytes: verdict.excess as u64,
            });
        }
    }
    singles.sort_by(|a, b| a.step_us.total_cmp(&b.step_us));
    singles
}

/// The bound with filling and draining, and the one without.
fn ideal_speed_ups(profile: &Profile, ask: &Ask) -> (f64, f64) {
    let usable = profile.devices.iter().enumerate().filter(|(d, _)| !ask.excluded.contains(d));
    let speed = |device: &crate::DeviceProfile| {
        let times = [&device.forward_us, &device.input_grad_us, &device.weight_grad_us];
        1.0 / times.into_iter().flatten().sum::<f64>().max(1e-9)
    };
    let mut speeds: Vec<f64> = usable.map(|(_, device)| speed(device)).collect();
    speeds.sort_by(|a, b| b.total_cmp(a));
    let fastest = speeds.first().copied().unwrap_or(1.0);
    let m = profile.micro_batches as f64;
    let (mut sum, mut best) = (0.0, 1.0);
    for (more, speed) in speeds.iter().enumerate() {
        sum += speed;
        best = f64::max(best, m * sum / ((m + more as f64) * fastest));
    }
    (best, sum / fastest)
}

/// Plans with more memory on one device: a quarter more, and as much as it could use.
fn if_larger(profile: &Profile, ask: &Ask, step_us: f64) -> Vec<IfLarger> {
    let stated = |profile: &Profile| {
        let space = space(profile, ask, goal(profile, super::Objective::Time));
        glance(&space).map_or(f64::INFINITY, |best| best.cost)
    };
    let now = stated(profile);
    let usable = (0..profile.devices.len()).filter(|device| !ask.excluded.contains(device));
    let promise = |device| (stated(&with_memory(profile, device, None)), device);
    let mut promises: Vec<(f64, usize)> = usable.map(promise).collect();
    promises.retain(|(cost, _)| *cost < now * 0.995);
    promises.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut found = Vec::new();
    for (_, device) in promises.into_iter().take(LARGER) {
        let quarter = profile.devices[device].memory_bytes / 4;
        for more_bytes in [Some(quarter), None] {
            let outcome = contest(&with_memory(profile, device, more_bytes), ask);
            let best = outcome.entries.first().filter(|(_, verdict)| verdict.fits());
            let Some((_, verdict)) = best else { continue };
            let change = verdict.step_us / step_us.max(f64::MIN_POSITIVE) - 1.0;
            if change < -0.005 {
                let device = profile.devices[device].id.clone();
                found.push(IfLarger { device, more_bytes, step_us: verdict.step_us, change });
            }
        }
    }
    found.sort_by(|a, b| a.change.total_cmp(&b.change));
    found
}

fn with_memory(profile: &Profile, device: usize, more: Option<u64>) -> Profile {
    let mut changed = profile.clone();
    let device = &mut changed.devices[device];
    device.memory_bytes = match more {
        Some(more) => device.memory_bytes.saturating_add(more),
        None => u64::MAX,
    };
    changed
}
