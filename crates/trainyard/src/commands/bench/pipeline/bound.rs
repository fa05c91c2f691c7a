//! How fast several devices could be at the most.

use trainyard_engine::Measured;
use trainyard_plan::compare::median;
use trainyard_plan::simulate::simulate;
use trainyard_plan::{ActionKind, Lane, LayerProfile, ModelProfile, Profile, Schedule};

use super::blocks::{BLOCKS, MICRO_BATCHES};
use super::stepper::plan;

/// How many times as fast as one device all of them could be under a schedule: as simulated, from the
/// times that one device took for a block's forward and backward, and for the halves of a split one,
/// with links that take no time.
pub(super) fn bound(schedule: &Schedule, one: &Measured, split: &Measured) -> Option<f64> {
    let time = |measured: &Measured, kind: ActionKind| {
        let of_part = measured.events.iter().filter(|event| event.lane == Lane::Compute);
        let times = of_part.filter(|event| event.action.kind == kind);
        let times: Vec<f64> = times.map(|event| event.duration_ns() as f64 / 1e3).collect();
        (!times.is_empty()).then(|| median(times) / BLOCKS as f64)
    };
    let forward = time(one, ActionKind::Forward)?;
    let backward = time(one, ActionKind::Backward)?;
    let [input, weights] =
        [time(split, ActionKind::InputGrad)?, time(split, ActionKind::WeightGrad)?];
    let input_share = input / (input + weights);
    let ranks = schedule.ranks.len();
    let ids: Vec<String> = (0..ranks).map(|rank| rank.to_string()).collect();
    let layers = (0..BLOCKS)
        .map(|index| LayerProfile { name: index.to_string(), ..LayerProfile::default() });
    let model = ModelProfile { layers: layers.collect(), ..ModelProfile::default() };
    let offers = ids.iter().map(|id| (id.as_str(), 1));
    let mut profile = Profile::of_budgets(model, offers, MICRO_BATCHES);
    for device in &mut profile.devices {
        device.forward_us = vec![forward; BLOCKS];
        device.input_grad_us = vec![backward * input_share; BLOCKS];
        device.weight_grad_us = vec![backward * (1.0 - input_share); BLOCKS];
    }
    let plan = plan(schedule.clone(), |rank| ids[rank].clone());
    let step_us = simulate(&profile, &plan).ok()?.step_us;
    Some((MICRO_BATCHES * BLOCKS) as f64 * (forward + backward) / step_us)
}

/// The bound of `gpipe` and `1f1b` where all stages are equal: p·m ÷ (m + p − 1).
pub(super) fn closed_form(ranks: usize, micro_batches: usize) -> f64 {
    let (ranks, count) = (ranks as f64, micro_batches as f64);
    ranks * count / (count + ranks - 1.0)
}
