//! Plans that need little memory: whether one of them fits is known without a search.
//!
//! Of one stage a device it is the closed form's with the smallest share of a budget, under 1F1B. Several small stages a
//! device that recompute need less, as only one of them has all of its activations at a time: interleaved
//! stages whose weights share the budgets equally.

use crate::memory::{DeviceNeed, human_bytes};
use crate::planner::{Objective, PlanRequest, closed_form_optimum};
use crate::simulate::check_memory;
use crate::{Plan, PlanError, Profile, Recompute, Schedule, Stage};

/// Stages a device that are tried.
const CHUNKS: [usize; 6] = [2, 3, 4, 6, 8, 16];

/// Budgets are this many times as large where only shares of them count.
const GENEROUS: u64 = 1 << 16;

/// The first of the plans that fits.
///
/// # Errors
/// [`PlanError::DoesNotFit`] with what the nearest lacks, where none fits; [`PlanError::TensorTooLarge`] where a
/// device cannot have a tensor of its part in any of them; as [`closed_form_optimum`].
pub(super) fn frugal_plan(profile: &Profile) -> Result<Plan, PlanError> {
    let mut nearest: Option<(u64, Vec<DeviceNeed>)> = None;
    let mut too_large = None;
    let chunked = CHUNKS.iter().filter_map(|chunks| chunked(profile, *chunks));
    for plan in one_stage_each(profile)?.into_iter().chain(chunked) {
        match check_memory(profile, &plan) {
            Ok(_) => return Ok(plan),
            Err(PlanError::DoesNotFit { devices, .. }) => {
                let short = devices.iter().map(DeviceNeed::deficit_bytes);
                let short = short.fold(0, u64::saturating_add);
                if nearest.as_ref().is_none_or(|(least, _)| short < *least) {
                    nearest = Some((short, devices));
                }
            }
            Err(error) => too_large = Some(error),
        }
    }
    let none = || PlanError::NoSuchPlan { reason: "the model has no layers".to_owned() };
    let Some((_, devices)) = nearest else { return Err(too_large.unwrap_or_else(none)) };
    let sum = |of: fn(&DeviceNeed) -> u64| devices.iter().map(of).fold(0, u64::saturating_add);
    let hint = format!(
        "the best split found needs {} in all, and these devices have {}",
        human_bytes(sum(|need| need.needed_bytes)),
        human_bytes(sum(|need| need.budget_bytes))
    );
    Err(PlanError::DoesNotFit { devices, hint })
}

/// That with the smallest share of a budget, whether it fits or not.
fn one_stage_each(profile: &Profile) -> Result<Option<Plan>, PlanError> {
    let mut generous = profile.clone();
    for device in &mut generous.devices {
        device.memory_bytes = device.budget_bytes().saturating_mul(GENEROUS);
        device.reserve_bytes = 0;
    }
    let request = PlanRequest {
        objective: Objective::Memory,
        schedule: "1f1b".parse()?,
        ..PlanRequest::new(&generous)
    };
    let Some(best) = closed_form_optimum(&request)? else { return Ok(None) };
    let micro_batches = profile.micro_batches;
    let schedule = Schedule::named("1f1b", best.stages.len(), micro_batches)?;
    Ok(Some(Plan::new(&profile.model.name, best.stages, schedule, micro_batches)))
}

/// That with so many stages a device; None where there are too few layers.
fn chunked(profile: &Profile, chunks: usize) -> Option<Plan> {
    let (devices, layers) = (&profile.devices, &profile.model.layers);
    let stages = devices.len() * chunks;
    if stages > layers.len() {
        return None;
    }
    let fixed = |layer| {
        let layer: &crate::LayerProfile = layer;
        let state = profile.model.optimizer_bytes(layer);
        (layer.weight_bytes() as f64) + (layer.param_bytes as f64) + state as f64
    };
    let all: f64 = layers.iter().map(fixed).sum();
    let budgets: f64 = devices.iter().map(|device| device.budget_bytes() as f64).sum();
    let mut ends = Vec::with_capacity(stages);
    let (mut end, mut placed, mut target) = (0, 0.0, 0.0);
    for stage in 0..stages {
        let share = devices.get(stage % devices.len())?.budget_bytes() as f64 / budgets.max(1.0);
        target += all * share / chunks as f64;
        // Every stage has a layer, this one and those to come.
        let least = end + 1;
        let most =
            if stage + 1 == stages { layers.len() } else { layers.len() + stage + 1 - stages };
        while end < most && (end < least || stage + 1 == stages || placed < target) {
            placed += layers.get(end).map_or(0.0, fixed);
            end += 1;
        }
        ends.push(end);
    }
    let firsts = std::iter::once(0).chain(ends.iter().copied());
    let stages = firsts.zip(&ends).zip(devices.iter().cycle());
    let stages = stages.map(|((first, end), device)| Stage {
        device: device.id.clone(),
        layers: (first, *end),
        recompute: Recompute::Full,
    });
    let micro_batches = profile.micro_batches;
    let schedule =
        Schedule::with_chunks("interleaved", devices.len(), chunks, micro_batches).ok()?;
    Some(Plan::new(&profile.model.name, stages.collect(), schedule, micro_batches))
}
