//! Explains a plan: what it is compared with, its bottlenecks, and what would help.
//!
//! The *ideal speed-up* is the bound of a pipeline that fills and drains, relative to the fastest device
//! alone, if layers could be cut anywhere and transfers were free. With the speeds s = 1 ÷ (time of the
//! whole model for one micro-batch), k devices cut into stages that take equally long have
//! τ = 1 ÷ Σs a stage and (m + k − 1) τ a step, against m ÷ max s alone, so it is
//!
//! ```text
//! max over the k fastest devices of   m Σs ÷ ((m + k − 1) max s)
//! ```
//!
//! with as many devices as there are layers at most, which for equal devices is the p·m ÷ (m + p − 1) of the textbooks. Schedules that fill their
//! bubble can come closer to Σs ÷ max s.

mod bottlenecks;
mod explanation;
mod text;

use super::beam_search::beam_search;
use super::candidate::{Candidate, CandidateSchedule};
use super::evaluate::Evaluator;
use super::goal::Goal;
use super::memo::Memo;
use super::planned::Planned;
use super::ranked_plan::RankedPlan;
use super::request::Objective;
use super::restarts::search_with_restarts;
use super::space::Space;
use super::validated::{ValidatedRequest, frugal_kind};
use crate::costs::PipelineCosts;
use crate::{DeviceProfile, Profile, TensorLimits};

pub use explanation::{ExplainedDevice, ExplainedStage, Explanation, IfLarger, SingleDevice};
pub use text::text;

/// Devices for which more memory is planned in full, twice each: those where the closed form gains most.
const LARGER: usize = 2;

/// Least relative gain that is worth telling.
const WORTH_TELLING: f64 = 0.005;

/// Explains the best plan. Plans again with more memory, which takes a few times as long as planning
/// did.
#[must_use]
pub fn explain(planned: &Planned) -> Explanation {
    let Planned { candidates, profile, request, exact } = planned;
    let Some(RankedPlan { plan, simulation }) = candidates.first() else {
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
    let precision = |id: &str| {
        let device = profile.devices.iter().find(|device| device.id == id);
        device.map(|device| device.precision).unwrap_or_default()
    };
    let devices = simulation.devices.iter().map(|device| ExplainedDevice {
        device: device.id.clone(),
        precision: precision(&device.id),
        budget_bytes: device.budget_bytes,
        peak_bytes: device.peak_bytes,
        busy_share: (device.busy_us + device.optimizer_us) / step,
    });
    let singles = singles(profile, request);
    let single = singles.iter().find(|single| single.short_bytes == 0).cloned();
    let too_small = singles.into_iter().next().filter(|fastest| fastest.short_bytes > 0);
    let used = |id: &String| plan.stages.iter().any(|stage| stage.device == *id);
    let ids = profile.devices.iter().map(|device| device.id.clone());
    let unused = ids.filter(|id| !used(id)).collect();
    let (ideal_speed_up, full_speed_up) = ideal_speed_ups(profile, request);
    Explanation {
        schedule: plan.schedule.name.clone(),
        micro_batches: plan.micro_batches,
        slices: plan.schedule.slices,
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
        limits: bottlenecks::bottlenecks(plan, simulation, &costs),
        if_larger: if_larger(profile, request, simulation.step_us),
        notes: plan.notes.clone(),
    }
}

/// Plans on one device each, the fastest first.
fn singles(profile: &Profile, request: &ValidatedRequest) -> Vec<SingleDevice> {
    let mut singles = Vec::new();
    let Some(kind) = frugal_kind() else { return singles };
    let mut memo = Memo::default();
    let mut evaluator = Evaluator::new(profile, request, &mut memo, 0);
    let (limits, layers) = (TensorLimits::of(profile), profile.model.layers.len());
    let usable =
        |index: &usize| !request.excluded.contains(index) && limits.allow(*index, 0..layers);
    let devices = profile.devices.iter().enumerate();
    for (index, device) in devices.filter(|(index, _)| usable(index)) {
        for recompute in request.recompute.modes() {
            let candidate = Candidate {
                ranks: vec![index],
                firsts: vec![0],
                recompute: vec![*recompute],
                schedule: CandidateSchedule::Named(kind, 1),
            };
            let Ok(score) = evaluator.evaluate(&candidate) else { continue };
            singles.push(SingleDevice {
                device: device.id.clone(),
                step_us: score.step_us,
                recompute: *recompute,
                short_bytes: score.excess as u64,
            });
        }
    }
    singles.sort_by(|a, b| a.step_us.total_cmp(&b.step_us));
    singles
}

/// The bound with filling and draining, and the one without.
fn ideal_speed_ups(profile: &Profile, request: &ValidatedRequest) -> (f64, f64) {
    let usable = profile.devices.iter().enumerate().filter(|(d, _)| !request.excluded.contains(d));
    let speed = |device: &DeviceProfile| {
        let times = [&device.forward_us, &device.input_grad_us, &device.weight_grad_us];
        1.0 / times.into_iter().flatten().sum::<f64>().max(1e-9)
    };
    let mut speeds: Vec<f64> = usable.map(|(_, device)| speed(device)).collect();
    speeds.sort_by(|a, b| b.total_cmp(a));
    let fastest = speeds.first().copied().unwrap_or(1.0);
    let m = profile.micro_batches as f64;
    let (mut sum, mut best) = (0.0, 1.0);
    // Each device needs a layer.
    speeds.truncate(profile.model.layers.len());
    for (more, speed) in speeds.iter().enumerate() {
        sum += speed;
        best = f64::max(best, m * sum / ((m + more as f64) * fastest));
    }
    (best, sum / fastest)
}

/// Plans with more memory on one device: a quarter more, and as much as it could use.
fn if_larger(profile: &Profile, request: &ValidatedRequest, step_us: f64) -> Vec<IfLarger> {
    let closed_form = |profile: &Profile| {
        let goal = Goal::of(Objective::Time, profile.micro_batches);
        let space = Space::new(profile, request, goal);
        beam_search(&space).map_or(f64::INFINITY, |best| best.cost)
    };
    // A larger device would not change what is given by hand.
    if request.by_hand {
        return Vec::new();
    }
    let now = closed_form(profile);
    let usable = (0..profile.devices.len()).filter(|device| !request.excluded.contains(device));
    let with_all = |device| (closed_form(&with_memory(profile, device, None)), device);
    let mut gains: Vec<(f64, usize)> = usable.map(with_all).collect();
    gains.retain(|(cost, _)| *cost < now * (1.0 - WORTH_TELLING));
    gains.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut found = Vec::new();
    for (_, device) in gains.into_iter().take(LARGER) {
        let quarter = profile.devices[device].memory_bytes / 4;
        // What fits into less fits into more, though a search may not find it there.
        let mut least = f64::INFINITY;
        for more_bytes in [Some(quarter), None] {
            let pool = search_with_restarts(&with_memory(profile, device, more_bytes), request);
            let best = pool.entries.first().filter(|(_, score)| score.fits());
            let Some((_, score)) = best else { continue };
            least = least.min(score.step_us);
            let change = least / step_us.max(f64::MIN_POSITIVE) - 1.0;
            if change < -WORTH_TELLING {
                let device = profile.devices[device].id.clone();
                found.push(IfLarger { device, more_bytes, step_us: least, change });
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
