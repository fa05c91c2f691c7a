//! Calibration: a profile with the times of a run.
//!
//! Layers are measured one by one, but they run in stages, beside other devices, with more in
//! memory than a measurement has. What a stage took in a run, divided by what the profile says it
//! takes, is a factor for the layers of that stage. Layers that a device did not run get the
//! factor of all that it did run. A transfer that its receiver waited for from its start is one
//! that was seen whole; what those took on a link, beyond its rate, is the link's latency: threads
//! have to wake up.

use std::collections::BTreeMap;

use crate::compare::{Measured, Sort, median, steps_of, taken};
use crate::costs::{PipelineCosts, StageCosts};
use crate::simulate::simulate;
use crate::{
    Action, ActionKind, DeviceProfile, Lane, LinkProfile, OptimizerTime, Plan, PlanError, Profile,
    Recompute, TraceEvent,
};

/// Measured ÷ predicted times of a stage's layers.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Factors {
    forward: f64,
    backward: f64,
}

/// The profile with the times of a run under a plan. Devices that the plan leaves idle stay as
/// they are, and so does all of which the run tells nothing.
///
/// # Errors
/// As [`crate::simulate::simulate`].
pub fn calibrate(
    profile: &Profile,
    plan: &Plan,
    measured: &Measured,
) -> Result<Profile, PlanError> {
    plan.check(profile.model.layers.len())?;
    let profile = profile.with_rows_of(plan)?;
    let sliced = profile.in_slices(plan.schedule.slices)?;
    let costs = PipelineCosts::of(&sliced, &plan.stages, &plan.schedule.owners())?;
    let taken = taken(&measured.trace, &steps_of(measured));
    let mut calibrated = profile.clone();
    for (rank, of_rank) in costs.ranks.iter().enumerate() {
        let Some(device) = calibrated.devices.get_mut(of_rank.device) else { continue };
        let of_device = || costs.stages.iter().enumerate().filter(|(_, stage)| stage.rank == rank);
        let sums = |stage| of_stage(&taken, &device.id, stage, plan.micro_batches);
        let all = of_device().map(sums);
        let all = all.fold(Sums::default(), Sums::plus);
        let mut factors = vec![all.factors(); device.forward_us.len()];
        for (index, stage) in of_device() {
            let own = sums((index, stage)).factors();
            let (first, end) = plan.stages.get(index).map_or((0, 0), |stage| stage.layers);
            factors.get_mut(first..end).into_iter().flatten().for_each(|factor| *factor = own);
        }
        for (layer, factors) in factors.into_iter().enumerate() {
            scale_layer(device, layer, factors);
        }
        let of_optimizer = taken
            .iter()
            .filter(|(sort, _)| sort.device == device.id && sort.kind == ActionKind::Optimizer);
        let optimizer: f64 = of_optimizer.map(|(_, us)| us).sum();
        if let Some(factor) = ratio(optimizer, of_rank.optimizer_us) {
            scale_optimizer(&mut device.optimizer_us, factor);
        }
    }
    calibrate_links(&mut calibrated, measured);
    // Of a device that was not run nothing more is known than before.
    calibrated.estimated = profile.estimated && costs.ranks.len() < profile.devices.len();
    calibrated.check()?;
    Ok(calibrated)
}

/// The profile with all its times scaled by one factor, so that a plan's step takes `step_us`.
///
/// [`calibrate`] makes every stage take what it took. On a busy machine a step takes longer than
/// its stages tell: each rank is interrupted when others wait for it, and the simulator knows no
/// interruptions.
///
/// # Errors
/// As [`crate::simulate::simulate`].
pub fn fit_step(profile: &Profile, plan: &Plan, step_us: f64) -> Result<Profile, PlanError> {
    let mut fitted = profile.with_rows_of(plan)?;
    let simulated_us = simulate(&fitted, plan)?.step_us;
    if let Some(factor) = ratio(step_us, simulated_us) {
        fitted.devices.iter_mut().for_each(|device| device.scale_times(factor));
        for link in &mut fitted.links {
            link.latency_us *= factor;
            link.bytes_per_us /= factor;
        }
        if let Some(link) = &mut fitted.default_link {
            link.latency_us *= factor;
            link.bytes_per_us /= factor;
        }
    }
    fitted.check()?;
    Ok(fitted)
}

impl DeviceProfile {
    /// Makes everything that the device computes take `factor` times as long.
    pub fn scale_times(&mut self, factor: f64) {
        let fixed = self
            .fixed_us
            .iter_mut()
            .flat_map(|fixed| [&mut fixed.forward, &mut fixed.input_grad, &mut fixed.weight_grad]);
        let times = [&mut self.forward_us, &mut self.input_grad_us, &mut self.weight_grad_us];
        times.into_iter().chain(fixed).flatten().for_each(|us| *us *= factor);
        scale_optimizer(&mut self.optimizer_us, factor);
    }
}

fn scale_optimizer(time: &mut OptimizerTime, factor: f64) {
    match time {
        OptimizerTime::Device(us) => *us *= factor,
        OptimizerTime::Layers(times) => times.iter_mut().for_each(|us| *us *= factor),
    }
}

/// From and to, by id.
type Pair = (String, String);

/// Sets the latency of the links that were used to the measured one.
fn calibrate_links(profile: &mut Profile, measured: &Measured) {
    for ((from, to), seen) in transfers(measured) {
        let Some(pair) = profile.device_index(&from).zip(profile.device_index(&to)) else {
            continue;
        };
        let cost = profile.link(pair.0, pair.1);
        let beyond_rate = |(bytes, us): (u64, f64)| us - bytes as f64 / cost.bytes_per_us;
        let means = seen.into_values().map(|of_step| {
            let count = of_step.len() as f64;
            of_step.into_iter().map(beyond_rate).sum::<f64>() / count
        });
        let latency_us = median(means.collect()).max(0.0);
        match profile.links.iter_mut().find(|link| link.from == from && link.to == to) {
            Some(link) => link.latency_us = latency_us,
            None if cost.bytes_per_us.is_finite() => {
                let bytes_per_us = cost.bytes_per_us;
                profile.links.push(LinkProfile { from, to, latency_us, bytes_per_us });
            }
            // A free link has no rate that a file could say.
            None => {}
        }
    }
}

/// By link and step: bytes and µs of every transfer that was seen whole.
fn transfers(measured: &Measured) -> BTreeMap<Pair, BTreeMap<u64, Vec<(u64, f64)>>> {
    let id = |event: &TraceEvent| measured.trace.devices.get(event.device).map(|d| d.id.clone());
    let mut found: BTreeMap<Pair, BTreeMap<u64, Vec<(u64, f64)>>> = BTreeMap::new();
    for (step, events) in steps_of(measured) {
        let sends = events.iter().filter(|event| event.lane == Lane::TransferOut);
        let sends: BTreeMap<(Action, Action), _> =
            sends.filter_map(|sent| Some(((sent.action, sent.other_end()?), *sent))).collect();
        for event in events.iter().filter(|event| event.lane == Lane::TransferIn) {
            let sent = event.other_end().and_then(|send| sends.get(&(send, event.action)));
            let Some(sent) = sent else { continue };
            // One that was asked for later was on its way before.
            if !(sent.start_ns..=sent.end_ns).contains(&event.start_ns) {
                continue;
            }
            if let Some(pair) = id(sent).zip(id(event)) {
                let of_step = found.entry(pair).or_default().entry(step).or_default();
                of_step.push((event.bytes, event.duration_ns() as f64 / 1e3));
            }
        }
    }
    found
}

/// Times of a step, predicted and measured, µs.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    forward: [f64; 2],
    backward: [f64; 2],
}

impl Sums {
    fn plus(self, other: Self) -> Self {
        let add = |a: [f64; 2], b: [f64; 2]| [a[0] + b[0], a[1] + b[1]];
        Self {
            forward: add(self.forward, other.forward),
            backward: add(self.backward, other.backward),
        }
    }

    fn factors(&self) -> Factors {
        let of = |[predicted, measured]: [f64; 2]| ratio(measured, predicted).unwrap_or(1.0);
        Factors { forward: of(self.forward), backward: of(self.backward) }
    }
}

/// Predicted and measured times of a stage in a step.
fn of_stage(
    taken: &BTreeMap<Sort, f64>,
    device: &str,
    (index, stage): (usize, &StageCosts),
    micro_batches: usize,
) -> Sums {
    let sum = |kind| taken.get(&Sort::computing(device, index, kind)).copied().unwrap_or(0.0);
    let count = micro_batches as f64;
    let forward = sum(ActionKind::Forward);
    let kinds = [ActionKind::Backward, ActionKind::InputGrad, ActionKind::WeightGrad];
    let backwards: f64 = kinds.into_iter().map(sum).sum();
    // Under recompute a backward begins with another forward.
    let again = stage.recompute == Recompute::Full && stage.memory.goes_back;
    let (forward_again, predicted_again) =
        if again { (forward, stage.forward_us) } else { (0.0, 0.0) };
    Sums {
        forward: [stage.forward_us * count, forward],
        backward: [
            (stage.backward_us() - predicted_again) * count,
            (backwards - forward_again).max(0.0),
        ],
    }
}

/// Measured ÷ predicted, where both are something.
fn ratio(measured: f64, predicted: f64) -> Option<f64> {
    let ratio = measured / predicted;
    (ratio.is_finite() && ratio > 0.0).then_some(ratio)
}

fn scale_layer(device: &mut DeviceProfile, layer: usize, factors: Factors) {
    let scale = |times: &mut Vec<f64>, factor: f64| {
        if let Some(us) = times.get_mut(layer) {
            *us *= factor;
        }
    };
    scale(&mut device.forward_us, factors.forward);
    scale(&mut device.input_grad_us, factors.backward);
    scale(&mut device.weight_grad_us, factors.backward);
    if let Some(fixed) = &mut device.fixed_us {
        scale(&mut fixed.forward, factors.forward);
        scale(&mut fixed.input_grad, factors.backward);
        scale(&mut fixed.weight_grad, factors.backward);
    }
}
