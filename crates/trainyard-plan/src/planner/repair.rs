//! Where nothing fits: how far from it the nearest plan is, and the least change that would help.
//!
//! Nothing is said to fit that was not planned again with the change and simulated.

use super::check::no_plan_keeps_locks;
use super::contest::{Outcome, free_contest, space, work};
use super::draft::Judge;
use super::explore::glance;
use super::space::Goal;
use super::squeeze::squeeze;
use super::{Ask, MicroBatches, PlanRequest, RecomputeChoice};
use crate::memory::{DeviceNeed, human_bytes};
use crate::{DeviceProfile, PlanError, Profile, Schedule};

/// The most remedies that are named.
const MOST: usize = 3;
/// How many other counts of micro-batches are tried.
const NEAREST: usize = 24;

/// The error for a request of which `outcome` is the best that came out.
pub(super) fn error(
    request: &PlanRequest,
    ask: &Ask,
    profile: &Profile,
    outcome: Outcome,
) -> PlanError {
    let Some((nearest, _)) = outcome.entries.first() else {
        return outcome.refusal.unwrap_or_else(|| no_plan_keeps_locks(profile, ask));
    };
    let mut judge = Judge::new(profile, ask, 0);
    let devices = match judge.candidate(nearest) {
        Ok(candidate) => candidate.simulation.devices,
        Err(error) => return error,
    };
    let need = |device: &crate::simulate::SimulatedDevice| {
        DeviceNeed::new(&device.id, device.budget_bytes, device.peak_bytes)
    };
    let devices = devices.iter().map(need).collect();
    let mut remedies = free_remedies(request, ask, profile);
    if remedies.len() < MOST {
        remedies.extend(devices_put_back(ask, profile));
    }
    if remedies.len() < MOST {
        remedies.extend(without_locks(ask, profile));
    }
    if remedies.len() < MOST {
        remedies.extend(more_memory(ask, profile));
    }
    if remedies.len() < MOST {
        remedies.extend(fewer_rows(ask, profile));
    }
    remedies.truncate(MOST);
    let hint = if remedies.is_empty() { shortfall(ask, profile) } else { remedies.join("; or ") };
    PlanError::DoesNotFit { devices, hint }
}

/// Changes that leave the step what it is.
fn free_remedies(request: &PlanRequest, ask: &Ask, profile: &Profile) -> Vec<String> {
    let mut remedies = Vec::new();
    if ask.recompute != RecomputeChoice::Auto {
        let changed = Ask { recompute: RecomputeChoice::Auto, ..ask.clone() };
        if fits(profile, &changed) {
            remedies.push("recompute = \"auto\" would fit".to_owned());
        }
    }
    if ask.schedule != "auto" {
        let fitting = Schedule::names().chain(["auto"]).find(|name| {
            *name != ask.schedule
                && fits(profile, &Ask { schedule: (*name).to_owned(), ..ask.clone() })
        });
        remedies.extend(fitting.map(|name| format!("schedule = \"{name}\" would fit")));
    }
    if request.micro_batches != MicroBatches::Auto {
        let now = profile.micro_batches;
        let mut choices = profile.micro_batch_choices();
        choices.retain(|count| *count != now);
        // The nearest first, and smaller micro-batches before larger ones.
        choices.sort_by_key(|count| (*count < now, count.abs_diff(now)));
        let fitting = choices.into_iter().take(NEAREST).find(|count| {
            profile.with_micro_batches(*count).is_ok_and(|changed| fits(&changed, ask))
        });
        remedies.extend(
            fitting.map(|count| {
                format!("micro_batches = {count}, of the same rows together, would fit")
            }),
        );
    }
    remedies
}

fn devices_put_back(ask: &Ask, profile: &Profile) -> Option<String> {
    let put_back = |device: &&usize| {
        let excluded = ask.excluded.iter().copied().filter(|other| other != *device).collect();
        fits(profile, &Ask { excluded, ..ask.clone() })
    };
    let device = ask.excluded.iter().find(put_back)?;
    Some(format!("with '{}' no longer excluded it would fit", profile.devices[*device].id))
}

fn without_locks(ask: &Ask, profile: &Profile) -> Option<String> {
    let changed = Ask { locks: Vec::new(), ..ask.clone() };
    let helps = !ask.locks.is_empty() && fits(profile, &changed);
    helps.then(|| "without its locks it would fit".to_owned())
}

/// The device that needs the fewest bytes more, and how many.
fn more_memory(ask: &Ask, profile: &Profile) -> Option<String> {
    let usable = (0..profile.devices.len()).filter(|device| !ask.excluded.contains(device));
    let mut at_least: Vec<(u64, usize)> = usable
        .filter_map(|device| Some((missing_at_least(ask, profile, device)?, device)))
        .collect();
    at_least.sort_unstable();
    let mut best: Option<(u64, usize)> = None;
    for (least, device) in at_least {
        if best.is_some_and(|(bytes, _)| bytes <= least) {
            break;
        }
        let found = enough(ask, profile, device, least);
        let found = found.filter(|bytes| best.is_none_or(|(best, _)| *bytes < best));
        best = found.map(|bytes| (bytes, device)).or(best);
    }
    let (mut bytes, device) = best?;
    let mut short = 0;
    while bytes - short > bytes / 128 + 1 {
        let middle = short + (bytes - short) / 2;
        if fits(&with_more(profile, device, middle), ask) {
            bytes = middle;
        } else {
            short = middle;
        }
    }
    let id = &profile.devices[device].id;
    Some(format!("with {} ({bytes} bytes) more, '{id}' would make it fit", human_bytes(bytes)))
}

/// What a device lacks by what a search counts, which is no more than what it does lack.
fn missing_at_least(ask: &Ask, profile: &Profile, device: usize) -> Option<u64> {
    let mut space = space(profile, ask, Goal::Time(0.0));
    space.goal = Goal::Need(space.number(device)?);
    let need = glance(&space)?.cost as u64;
    let DeviceProfile { overhead_bytes, .. } = profile.devices[device];
    let need = need.saturating_add(overhead_bytes);
    Some(need.saturating_sub(profile.devices[device].budget_bytes()).max(1))
}

/// So many bytes more than `least` that something fits.
fn enough(ask: &Ask, profile: &Profile, device: usize, least: u64) -> Option<u64> {
    let mut bytes = least;
    // Buffers are all that the search did not count; they are never so many.
    let most = profile.devices[device].budget_bytes().saturating_add(least).saturating_mul(4);
    while !fits(&with_more(profile, device, bytes), ask) {
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

/// Fewer micro-batches of the size they have.
fn fewer_rows(ask: &Ask, profile: &Profile) -> Option<String> {
    if profile.can_rescale() {
        return None;
    }
    let helps =
        |count: usize| profile.with_micro_batches(count).is_ok_and(|changed| fits(&changed, ask));
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

/// What to say where no single change helps.
fn shortfall(ask: &Ask, profile: &Profile) -> String {
    let space = space(profile, ask, Goal::Share);
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

/// Whether something fits: planned again and simulated, without the exact search where that would
/// take long. A plan that this finds is found by planning, too: a contest that ends with nothing ends
/// with the same look.
fn fits(profile: &Profile, ask: &Ask) -> bool {
    let devices = profile.devices.len();
    let mut judge = Judge::new(profile, ask, work(devices) / 2);
    let quick = profile.model.layers.len() * devices <= 200;
    // That look knows one stage a rank only.
    let several = Schedule::default_chunks(&ask.schedule).is_ok_and(|chunks| chunks > 1);
    squeeze(&mut judge).is_some_and(|(_, verdict)| verdict.fits())
        || (quick || several) && free_contest(profile, ask).fits()
}
