//! The error where nothing fits: how much the nearest plan lacks, and the least change that helps.
//!
//! A change is named only after planning with it and simulating the plan.

use super::beam_search::beam_search;
use super::candidates::min_memory;
use super::evaluate::Evaluator;
use super::goal::Goal;
use super::memo::Memo;
use super::pool::Pool;
use super::ranked_plan::RankedPlan;
use super::request::{MicroBatches, PlanRequest, RecomputeChoice};
use super::restarts::search_once;
use super::rounds::budget;
use super::space::Space;
use super::validated::{ValidatedRequest, no_plan_keeps_locks};
use crate::memory::{DeviceNeed, human_bytes};
use crate::schedule::registered;
use crate::{DeviceProfile, PlanError, Profile, ScheduleRequest};

/// Most remedies that are named: a line of text.
const MOST: usize = 3;
/// Other counts of micro-batches that are tried, the nearest first: each takes a planning.
const NEAREST: usize = 24;
/// Layers × devices up to which a whole search is quick enough for every change that is tried.
const QUICK: usize = 200;
/// A number of bytes is found to one part in this many: people round it up anyway.
const PRECISION: u64 = 128;

/// The error for a request of which nothing in `pool` fits.
pub(super) fn error(
    request: &PlanRequest,
    asked: &ValidatedRequest,
    profile: &Profile,
    pool: Pool,
) -> PlanError {
    let Some((nearest, _)) = pool.entries.first() else {
        return pool.refusal.unwrap_or_else(|| no_plan_keeps_locks(profile, asked));
    };
    let mut memo = Memo::default();
    let mut evaluator = Evaluator::new(profile, asked, &mut memo, 0);
    let devices = match RankedPlan::of(&mut evaluator, nearest) {
        Ok(plan) => plan.simulation.devices,
        Err(error) => return error,
    };
    let need = |device: &crate::simulate::SimulatedDevice| {
        DeviceNeed::new(&device.id, device.budget_bytes, device.peak_bytes)
    };
    let devices = devices.iter().map(need).collect();
    let mut remedies = free_remedies(request, asked, profile);
    if remedies.len() < MOST {
        remedies.extend(devices_put_back(asked, profile));
    }
    if remedies.len() < MOST {
        remedies.extend(without_locks(asked, profile));
    }
    if remedies.len() < MOST {
        remedies.extend(more_memory(asked, profile));
    }
    if remedies.len() < MOST {
        remedies.extend(fewer_rows(asked, profile));
    }
    remedies.truncate(MOST);
    let hint = if remedies.is_empty() { shortfall(asked, profile) } else { remedies.join("; or ") };
    PlanError::DoesNotFit { devices, hint }
}

/// Changes that leave the work of a step as it is.
fn free_remedies(
    request: &PlanRequest,
    asked: &ValidatedRequest,
    profile: &Profile,
) -> Vec<String> {
    let mut remedies = Vec::new();
    if asked.recompute != RecomputeChoice::Auto {
        let changed = ValidatedRequest { recompute: RecomputeChoice::Auto, ..asked.clone() };
        if fits(profile, &changed) {
            remedies.push("recompute = \"auto\" would fit".to_owned());
        }
    }
    if asked.schedule != ScheduleRequest::Search {
        let named = registered().into_iter().map(ScheduleRequest::Named);
        let fitting = named.chain([ScheduleRequest::Search]).find(|schedule| {
            let changed = ValidatedRequest { schedule: *schedule, ..asked.clone() };
            *schedule != asked.schedule && fits(profile, &changed)
        });
        remedies.extend(fitting.map(|schedule| format!("schedule = \"{schedule}\" would fit")));
    }
    if request.micro_batches != MicroBatches::Auto {
        let now = profile.micro_batches;
        let mut choices = profile.micro_batch_choices();
        choices.retain(|count| *count != now);
        // The nearest first, and smaller micro-batches before larger ones.
        choices.sort_by_key(|count| (*count < now, count.abs_diff(now)));
        let fitting = choices.into_iter().take(NEAREST).find(|count| {
            profile.with_micro_batches(*count).is_ok_and(|changed| fits(&changed, asked))
        });
        remedies.extend(
            fitting.map(|count| {
                format!("micro_batches = {count}, of the same rows together, would fit")
            }),
        );
    }
    remedies
}

fn devices_put_back(asked: &ValidatedRequest, profile: &Profile) -> Option<String> {
    let put_back = |device: &&usize| {
        let excluded = asked.excluded.iter().copied().filter(|other| other != *device).collect();
        fits(profile, &ValidatedRequest { excluded, ..asked.clone() })
    };
    let device = asked.excluded.iter().find(put_back)?;
    Some(format!("with '{}' no longer excluded it would fit", profile.devices[*device].id))
}

fn without_locks(asked: &ValidatedRequest, profile: &Profile) -> Option<String> {
    let changed = ValidatedRequest { locks: Vec::new(), ..asked.clone() };
    let helps = !asked.locks.is_empty() && fits(profile, &changed);
    helps.then(|| "without its locks it would fit".to_owned())
}

/// The device that needs the fewest bytes more, and their number.
fn more_memory(asked: &ValidatedRequest, profile: &Profile) -> Option<String> {
    let usable = (0..profile.devices.len()).filter(|device| !asked.excluded.contains(device));
    let mut at_least: Vec<(u64, usize)> = usable
        .filter_map(|device| Some((missing_at_least(asked, profile, device)?, device)))
        .collect();
    at_least.sort_unstable();
    let mut best: Option<(u64, usize)> = None;
    for (least, device) in at_least {
        if best.is_some_and(|(bytes, _)| bytes <= least) {
            break;
        }
        let found = enough(asked, profile, device, least);
        let found = found.filter(|bytes| best.is_none_or(|(best, _)| *bytes < best));
        best = found.map(|bytes| (bytes, device)).or(best);
    }
    let (mut bytes, device) = best?;
    let mut short = 0;
    while bytes - short > bytes / PRECISION + 1 {
        let middle = short + (bytes - short) / 2;
        if fits(&with_more(profile, device, middle), asked) {
            bytes = middle;
        } else {
            short = middle;
        }
    }
    let id = &profile.devices[device].id;
    Some(format!("with {} ({bytes} bytes) more, '{id}' would make it fit", human_bytes(bytes)))
}

/// Bytes that a device lacks by what a search counts: a lower bound of what it does lack.
fn missing_at_least(asked: &ValidatedRequest, profile: &Profile, device: usize) -> Option<u64> {
    let mut space = Space::new(profile, asked, Goal::Time(0.0));
    space.goal = Goal::Need(space.number(device)?);
    let need = beam_search(&space)?.cost as u64;
    let DeviceProfile { overhead_bytes, .. } = profile.devices[device];
    let need = need.saturating_add(overhead_bytes);
    Some(need.saturating_sub(profile.devices[device].budget_bytes()).max(1))
}

/// Bytes, at least `least`, with which something fits.
fn enough(asked: &ValidatedRequest, profile: &Profile, device: usize, least: u64) -> Option<u64> {
    let mut bytes = least;
    // The search counts all but buffers, which never need this much.
    let most = profile.devices[device].budget_bytes().saturating_add(least).saturating_mul(4);
    while !fits(&with_more(profile, device, bytes), asked) {
        bytes = bytes.checked_add(bytes / 2 + 1).filter(|bytes| *bytes < most)?;
    }
    Some(bytes)
}

fn with_more(profile: &Profile, device: usize, bytes: u64) -> Profile {
    let mut changed = profile.clone();
    if let Some(device) = changed.devices.get_mut(device) {
        let budget = device.budget_bytes().saturating_add(bytes);
        device.memory_bytes = budget.saturating_add(device.reserve_bytes);
    }
    changed
}

/// Fewer micro-batches of the same size.
fn fewer_rows(asked: &ValidatedRequest, profile: &Profile) -> Option<String> {
    if profile.can_rescale() {
        return None;
    }
    let helps =
        |count: usize| profile.with_micro_batches(count).is_ok_and(|changed| fits(&changed, asked));
    let (mut fitting, mut short) = (1, profile.micro_batches);
    if short == 1 || !helps(fitting) {
        return None;
    }
    while short - fitting > 1 {
        let middle = fitting + (short - fitting) / 2;
        if helps(middle) { fitting = middle } else { short = middle }
    }
    Some(format!("micro_batches = {fitting}, a step of fewer rows, would fit"))
}

/// The hint where no single change helps.
fn shortfall(asked: &ValidatedRequest, profile: &Profile) -> String {
    let space = Space::new(profile, asked, Goal::Share);
    let devices = || 0..space.device_count();
    let mut needed: u64 = 0;
    for layer in 0..space.layer_count() {
        let least = devices().map(|device| space.layer_bytes(device, layer)).min();
        needed = needed.saturating_add(least.unwrap_or(0));
    }
    let of_device = |of: fn(&DeviceProfile) -> u64| {
        let devices = devices().map(|device| of(&profile.devices[space.index(device)]));
        devices.fold(0, u64::saturating_add)
    };
    let needed = needed.saturating_add(of_device(|device| device.overhead_bytes));
    let budget = of_device(DeviceProfile::budget_bytes);
    format!(
        "no single change helps: the layers need {} at least, with one micro-batch in flight, and \
         the devices have {} together; add a device, give several more memory, or train a smaller \
         model",
        human_bytes(needed),
        human_bytes(budget)
    )
}

/// Whether something fits: planned again and simulated, without a search over all candidates where that
/// takes long. What fits here is found by planning, too: a search that finds nothing ends with
/// [`min_memory`] as well.
fn fits(profile: &Profile, request: &ValidatedRequest) -> bool {
    let devices = profile.devices.len();
    let mut memo = Memo::default();
    let mut evaluator = Evaluator::new(profile, request, &mut memo, budget(devices) / 2);
    if min_memory(&mut evaluator).is_some_and(|(_, score)| score.fits()) {
        return true;
    }
    let is_quick = profile.model.layers.len() * devices <= QUICK;
    // The partition of least memory has one stage a rank.
    let is_multi_stage = request.one_stage_kinds().is_empty();
    (is_quick || is_multi_stage) && search_once(profile, request, &mut memo).fits()
}
