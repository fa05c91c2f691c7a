//! The error where nothing fits: how much the nearest plan lacks, and the least change that helps.
//!
//! A change is named only after planning with it and simulating the plan, or, for memory, where planning
//! ends with the very candidate that was simulated ([`least_memory`](super::least_memory)).

use super::candidate::Candidate;
use super::candidates::min_memory;
use super::evaluate::Evaluator;
use super::goal::Goal;
use super::least_memory::fits_for_certain;
use super::memo::Memo;
use super::pool::Pool;
use super::ranked_plan::RankedPlan;
use super::request::{MicroBatches, PlanRequest, RecomputeChoice};
use super::restarts::search_once;
use super::rounds::budget;
use super::space::Space;
use super::validated::{ValidatedRequest, no_plan_keeps_locks};
use crate::memory::{DeviceNeed, human_bytes, human_bytes_at_least};
use crate::schedule::registered;
use crate::{DeviceProfile, PlanError, Profile, ScheduleRequest, TensorLimits};

/// Most remedies that are named: a line of text.
const MOST: usize = 3;
/// Other counts of micro-batches that are tried, the nearest first: each takes a planning.
const NEAREST: usize = 24;
/// Layers × devices up to which a whole search is quick enough for every change that is tried.
const QUICK: usize = 200;

/// The error for a request of which nothing in `pool` fits.
pub(super) fn error(
    request: &PlanRequest,
    asked: &ValidatedRequest,
    profile: &Profile,
    pool: Pool,
) -> PlanError {
    let least = pool.least.first().map(|least| &least.candidate);
    let Some(nearest) = least.or(pool.entries.first().map(|(candidate, _)| candidate)) else {
        let too_large = too_large(profile, asked, || changes_that_fit(request, asked, profile));
        return too_large.or(pool.refusal).unwrap_or_else(|| no_plan_keeps_locks(profile, asked));
    };
    let devices = match needs(profile, asked, nearest) {
        Ok(devices) => devices,
        Err(error) => return error,
    };
    let mut remedies = changes_that_fit(request, asked, profile);
    if remedies.len() < MOST {
        remedies.extend(more_memory(profile, &pool));
    }
    if remedies.len() < MOST {
        remedies.extend(fewer_rows(asked, profile));
    }
    remedies.truncate(MOST);
    let hint = if remedies.is_empty() { shortfall(asked, profile) } else { remedies.join("; or ") };
    PlanError::DoesNotFit { devices, hint }
}

/// The error for a request with a split or a schedule of its own of which nothing in `pool` fits.
pub(super) fn error_by_hand(
    request: &PlanRequest,
    asked: &ValidatedRequest,
    profile: &Profile,
    pool: Pool,
) -> PlanError {
    let Some((nearest, _)) = pool.entries.first() else {
        return too_large(profile, asked, Vec::new)
            .or(pool.refusal)
            .unwrap_or_else(|| no_plan_keeps_locks(profile, asked));
    };
    let devices = match needs(profile, asked, nearest) {
        Ok(devices) => devices,
        Err(error) => return error,
    };
    let mut remedies = Vec::new();
    if request.split.is_some() {
        let without = PlanRequest { split: None, profile, ..request.clone() };
        if super::plan(&without).is_ok() {
            remedies.push("without a split by hand it would fit".to_owned());
        }
    }
    let mut short = devices.iter().filter(|device| device.deficit_bytes() > 0);
    if let (Some(device), None) = (short.next(), short.next()) {
        remedies.push(with_more(device.deficit_bytes(), &device.device));
    }
    let hint = if remedies.is_empty() { shortfall(asked, profile) } else { remedies.join("; or ") };
    PlanError::DoesNotFit { devices, hint }
}

/// The error where no plan is allowed as a device cannot have one of a layer's tensors. Of several layers
/// one that no device can have that may is named, if there is one. `remedies` are what was tried and fits.
pub(super) fn too_large(
    profile: &Profile,
    asked: &ValidatedRequest,
    remedies: impl FnOnce() -> Vec<String>,
) -> Option<PlanError> {
    let limits = TensorLimits::of(profile);
    let usable = (0..profile.devices.len()).filter(|device| !asked.excluded.contains(device));
    let layers = 0..profile.model.layers.len();
    let refused = layers.filter_map(|layer| {
        let locked = asked.locks.iter().find(|(other, _)| *other == layer).map(|(_, to)| *to);
        let may = usable.clone().filter(move |device| locked.is_none_or(|to| to == *device));
        let refused = may.clone().filter(|device| !limits.allow(*device, layer..layer + 1));
        let refused: Vec<usize> = refused.collect();
        let nowhere = refused.len() == may.count();
        refused.first().map(|device| (!nowhere, layer, *device))
    });
    let (_, layer, device) = refused.min()?;
    let remedies = remedies();
    let hint = (!remedies.is_empty()).then(|| remedies.join("; or "));
    Some(limits.error(profile, device, layer, hint))
}

/// Changes of the request with which something fits.
fn changes_that_fit(
    request: &PlanRequest,
    asked: &ValidatedRequest,
    profile: &Profile,
) -> Vec<String> {
    let mut remedies = free_remedies(request, asked, profile);
    if remedies.len() < MOST {
        remedies.extend(devices_put_back(asked, profile));
    }
    if remedies.len() < MOST {
        remedies.extend(without_locks(asked, profile));
    }
    remedies.truncate(MOST);
    remedies
}

/// What each device of a candidate needs.
fn needs(
    profile: &Profile,
    asked: &ValidatedRequest,
    candidate: &Candidate,
) -> Result<Vec<DeviceNeed>, PlanError> {
    let mut memo = Memo::default();
    let mut evaluator = Evaluator::new(profile, asked, &mut memo, 0);
    let devices = RankedPlan::of(&mut evaluator, candidate)?.simulation.devices;
    let need = |device: &crate::simulate::SimulatedDevice| {
        DeviceNeed::new(&device.id, device.budget_bytes, device.peak_bytes)
    };
    Ok(devices.iter().map(need).collect())
}

fn with_more(bytes: u64, id: &str) -> String {
    format!("with {} ({bytes} bytes) more, '{id}' would make it fit", human_bytes_at_least(bytes))
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
        remedies.extend(fitting.map(|count| {
            let count = count / profile.slices;
            format!("micro_batches = {count}, of the same rows together, would fit")
        }));
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
fn more_memory(profile: &Profile, pool: &Pool) -> Option<String> {
    let least = pool.least.first()?;
    let said = with_more(least.missing_bytes(profile), &profile.devices[least.device].id);
    let found = if least.is_proven { "" } else { " (the least that was found, not all there is)" };
    Some(said + found)
}

/// Fewer micro-batches of the same size.
fn fewer_rows(asked: &ValidatedRequest, profile: &Profile) -> Option<String> {
    if profile.can_rescale() {
        return None;
    }
    let helps = |rows: usize| {
        let changed = profile.with_micro_batches(rows * profile.slices);
        changed.is_ok_and(|changed| fits(&changed, asked))
    };
    let now = profile.micro_batches / profile.slices;
    let (mut fitting, mut short) = (1, now);
    if short == 1 || !helps(fitting) {
        return None;
    }
    while short - fitting > 1 {
        let middle = fitting + (short - fitting) / 2;
        if helps(middle) { fitting = middle } else { short = middle }
    }
    Some(format!(
        "micro_batches = {fitting}, with a batch of {fitting}/{now} of the rows, would fit"
    ))
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
         model{}",
        human_bytes(needed),
        human_bytes(budget),
        limited(profile, &space)
    )
}

/// Which devices cannot have all layers, however much memory they have.
fn limited(profile: &Profile, space: &Space) -> String {
    let layers = 0..space.layer_count();
    let devices = (0..space.device_count()).map(|device| space.index(device));
    let limited = devices.filter(|device| !space.limits.allow(*device, layers.clone()));
    let limited: Vec<String> =
        limited.map(|device| format!("'{}'", profile.devices[device].id)).collect();
    if limited.is_empty() {
        return String::new();
    }
    format!(" (some layers have tensors that are too large for {})", limited.join(" and "))
}

/// Whether something fits: planned again and simulated, without a search over all candidates where that
/// takes long. What fits here is found by planning, too.
fn fits(profile: &Profile, request: &ValidatedRequest) -> bool {
    if let Some(fits) = fits_for_certain(profile, request) {
        return fits;
    }
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
