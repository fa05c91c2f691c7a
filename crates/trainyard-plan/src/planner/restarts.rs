//! Restarts: the search again under restrictions.
//!
//! A search evaluates first what has the least of the closed form, and its budget may be spent before
//! the best candidate has been. A restricted search has fewer candidates to spend it on.

use super::candidate::Candidate;
use super::candidates::searched;
use super::evaluate::Evaluator;
use super::finish::finish;
use super::generator::Generator;
use super::least_memory::least_memory;
use super::memo::Memo;
use super::pool::Pool;
use super::request::RecomputeChoice;
use super::rounds::budget;
use super::shortened::{is_shortened, search_at_any_size};
use super::validated::ValidatedRequest;
use crate::schedule::registered;
use crate::{Profile, ScheduleRequest};

/// Layers × devices up to which a search is quick enough for a dozen restarts.
const SMALL: usize = 128;

/// Candidates of least memory that get a schedule of their own.
const FITTING: usize = 3;

/// Part of the budget of a search for one schedule beside the others: 1/`ASIDE`.
const ASIDE: u64 = 4;

/// Searches, and restarts where that is quick, or where what fits is hard to find. Where the least
/// memory does not fit, nothing does.
pub(super) fn search_with_restarts(profile: &Profile, request: &ValidatedRequest) -> Pool {
    let mut memo = Memo::default();
    let mut pool = search_once(profile, request, &mut memo);
    let found = pool.fits();
    if !found && request.uses(Generator::LeastMemory) {
        add_least_memory(profile, request, &mut memo, &mut pool);
    }
    if !pool.fits() {
        return pool;
    }
    let small = profile.model.layers.len() * profile.devices.len() <= SMALL;
    if small || !found {
        for restricted in restricted(profile, request) {
            let found = search_at_any_size(profile, &restricted, &mut memo, 1);
            pool.entries.extend(found.entries);
        }
        pool.sort();
    }
    if request.uses(Generator::Finish) && !is_shortened(profile, request) {
        finish(profile, request, &mut memo, &mut pool, small);
    }
    pool
}

/// Finds the least memory with which something fits, and adds to the pool what does. Where any schedule
/// may be used, one is searched for it.
fn add_least_memory(
    profile: &Profile,
    request: &ValidatedRequest,
    memo: &mut Memo,
    pool: &mut Pool,
) {
    pool.least = least_memory(profile, request);
    let fitting = pool.least.iter().filter(|least| least.missing_bytes(profile) == 0);
    let mut fitting: Vec<Candidate> = fitting.map(|least| least.candidate.clone()).collect();
    let devices = profile.devices.len();
    let mut evaluator = Evaluator::new(profile, request, memo, budget(devices));
    if request.schedule == ScheduleRequest::Search {
        fitting = searched(&mut evaluator, fitting.iter(), FITTING, devices);
    }
    for candidate in fitting {
        evaluator.enter(pool, candidate, 0);
    }
    pool.sort();
}

/// Searches without restarts. Where memory is tight, one search over all schedules may spend its
/// budget on candidates that a schedule with several stages a rank would beat, so each of these gets a
/// search of its own as well.
pub(super) fn search_once(profile: &Profile, request: &ValidatedRequest, memo: &mut Memo) -> Pool {
    let mut pool = search_at_any_size(profile, request, memo, 1);
    if request.schedule == ScheduleRequest::Search
        && request.uses(Generator::MultiStageAlone)
        && pool.is_tight()
    {
        for kind in request.multi_stage_kinds() {
            let alone = with_schedule(request, ScheduleRequest::Named(kind));
            let found = search_at_any_size(profile, &alone, memo, ASIDE);
            pool.entries.extend(found.entries);
        }
        pool.sort();
    }
    pool
}

/// The request under every restriction: one schedule, recompute nowhere or everywhere, both, or a
/// device idle.
fn restricted(profile: &Profile, request: &ValidatedRequest) -> Vec<ValidatedRequest> {
    let mut recomputes = vec![request.recompute];
    if request.recompute == RecomputeChoice::Auto {
        recomputes.extend([RecomputeChoice::None, RecomputeChoice::Full]);
    }
    let mut schedules = vec![request.schedule];
    if request.schedule == ScheduleRequest::Search {
        schedules.extend(registered().into_iter().map(ScheduleRequest::Named));
    }
    let mut all = Vec::new();
    for recompute in recomputes {
        for schedule in &schedules {
            let changed = (*schedule != request.schedule, recompute != request.recompute);
            let generator = match changed {
                (false, false) => continue,
                (true, false) => Generator::OneSchedule,
                (false, true) => Generator::OneRecompute,
                (true, true) => Generator::OneScheduleOneRecompute,
            };
            if request.uses(generator) {
                all.push(ValidatedRequest { recompute, ..with_schedule(request, *schedule) });
            }
        }
    }
    let is_locked = |device: &usize| request.locks.iter().any(|(_, owner)| owner == device);
    let usable = (0..profile.devices.len()).filter(|device| !request.excluded.contains(device));
    if request.uses(Generator::IdleDevice) && usable.clone().count() > 1 {
        all.extend(usable.filter(|device| !is_locked(device)).map(|device| {
            let excluded = request.excluded.iter().copied().chain([device]).collect();
            ValidatedRequest { excluded, ..request.clone() }
        }));
    }
    all
}

fn with_schedule(request: &ValidatedRequest, schedule: ScheduleRequest) -> ValidatedRequest {
    ValidatedRequest { schedule, ..request.clone() }
}
