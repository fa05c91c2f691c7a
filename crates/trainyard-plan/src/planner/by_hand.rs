//! Plans of which a part is given by hand: how the layers are split, or the schedule.
//!
//! With a split the stages are known, on the devices in their order, and what is left to choose is the
//! schedule and which stages recompute. With a schedule of one's own it is the devices of its ranks and
//! the cuts, unless there is a split as well.

use std::rc::Rc;

use super::candidate::{Candidate, CandidateSchedule};
use super::candidates::{cut_anew, searched};
use super::evaluate::Evaluator;
use super::goal::Goal;
use super::local_search::{Moves, local_search};
use super::memo::Memo;
use super::planned::Planned;
use super::pool::Pool;
use super::request::{MicroBatches, PlanRequest};
use super::rounds::budget;
use super::slices::WithoutSlices;
use super::space::Space;
use super::validated::ValidatedRequest;
use super::{infeasible, micro_batches, rank, slices};
use crate::{Chunks, PlanError, Profile, Schedule, ScheduleRequest};

/// Orders of devices for the ranks of a schedule: all of four.
const MOST_ORDERS: usize = 24;

/// Plans for a request with a split or a schedule of its own.
///
/// # Errors
/// As [`super::plan`]; [`PlanError::NoSuchPlan`] for a split that does not add up.
pub(super) fn plan(
    request: &PlanRequest,
    validated: ValidatedRequest,
) -> Result<Planned, PlanError> {
    let profiles = if let Some(schedule) = request.own_schedule {
        let rows = schedule.micro_batches() / schedule.slices.max(1);
        // A profile that cannot be rescaled is for its own number.
        let is_other = request.micro_batches != MicroBatches::AsProfiled;
        let profile = request.profile;
        let whole = if is_other { profile.with_micro_batches(rows)? } else { profile.clone() };
        vec![whole.in_slices(schedule.slices)?.into_owned()]
    } else {
        let whole = micro_batches::profiles(request.profile, request.micro_batches, &validated)?;
        slices::profiles(&whole, request.slices)?
    };
    let mut without = WithoutSlices::new(request.slices);
    let mut best: Option<(Profile, Pool)> = None;
    for profile in profiles {
        let pool = search(request, &validated, &profile)?;
        without.note(&profile, &pool);
        let score = |pool: &Pool| pool.entries.first().map(|(_, score)| *score);
        let better = match (score(&pool), best.as_ref().and_then(|(_, best)| score(best))) {
            (Some(new), Some(old)) => new.beats(&old),
            (new, old) => new.is_some() || old.is_none(),
        };
        if better {
            best = Some((profile, pool));
        }
    }
    let Some((profile, pool)) = best else { return Err(bad("there is no plan".to_owned())) };
    if !pool.fits() {
        return Err(infeasible::error_by_hand(request, &validated, &profile, pool));
    }
    let mut planned = rank(profile, validated, pool, &without)?;
    let merged = |schedule: &&Schedule| !request.split_backward && schedule.splits_backward();
    if let Some(schedule) = request.own_schedule.filter(merged) {
        for candidate in &mut planned.candidates {
            candidate.plan.notes.push(whole_backward_note(&schedule.name));
        }
    }
    Ok(planned)
}

/// The candidates that keep to what is given, the best first.
fn search(
    request: &PlanRequest,
    validated: &ValidatedRequest,
    profile: &Profile,
) -> Result<Pool, PlanError> {
    let mut memo = Memo::default();
    let mut evaluator = Evaluator::new(profile, validated, &mut memo, 0);
    let goal = Goal::of(validated.objective, profile.micro_batches);
    let space = Space::new(profile, validated, goal);
    let own = request.own_schedule.map(|schedule| own_schedule(request, schedule, profile));
    let own = own.transpose()?;
    let (starts, moves) = match (&request.split, own) {
        (Some(split), own) => (of_split(&mut evaluator, &space, split, own)?, Moves::Recompute),
        (None, Some(own)) => (of_schedule(&mut evaluator, &space, &own)?, Moves::Near),
        (None, None) => (Vec::new(), Moves::Near),
    };
    let mut pool = Pool { exact: true, ..Pool::default() };
    let share = budget(space.device_count()) / starts.len().max(1) as u64;
    for start in starts {
        if !evaluator.is_allowed(&start) {
            continue;
        }
        let score = evaluator.evaluate(&start)?;
        evaluator.budget = share.max(1);
        pool.entries.push(local_search(&mut evaluator, &space, (start, score), moves, 0));
    }
    pool.sort();
    if pool.entries.is_empty() {
        let too_large = infeasible::too_large(profile, validated, Vec::new);
        return Err(too_large.unwrap_or_else(|| bad(broken_lock(profile, validated))));
    }
    if request.own_schedule.is_none() {
        let entries = pool.entries.clone();
        let best = entries.iter().map(|(candidate, _)| candidate);
        evaluator.budget = budget(space.device_count());
        for candidate in searched(&mut evaluator, best, validated.top, space.device_count()) {
            let score = evaluator.evaluate(&candidate)?;
            pool.entries.push((candidate, score));
        }
        pool.sort();
    }
    Ok(pool)
}

/// Says that a plan runs the split backwards of a schedule whole.
pub(super) fn whole_backward_note(schedule: &str) -> String {
    format!(
        "{schedule} splits backwards into I and W; this plan runs them whole, which leaves more of the \
         bubble"
    )
}

/// The schedule as it is planned with.
fn own_schedule(
    request: &PlanRequest,
    schedule: &Schedule,
    profile: &Profile,
) -> Result<CandidateSchedule, PlanError> {
    let (stages, micro_batches) = (schedule.stages(), schedule.micro_batches());
    crate::validate::validate(schedule, stages, micro_batches)?;
    if micro_batches != profile.micro_batches {
        return Err(PlanError::BadNumber {
            what: "micro_batches".into(),
            value: profile.micro_batches.to_string(),
            must: format!("{micro_batches}, as the schedule '{}' has", schedule.name),
        });
    }
    let schedule = schedule.compute_only();
    let schedule = if request.split_backward { schedule } else { schedule.merged() };
    Ok(CandidateSchedule::Searched(Rc::new(schedule)))
}

/// Candidates for a split: one for each schedule and choice of recompute to start from.
fn of_split(
    evaluator: &mut Evaluator,
    space: &Space,
    split: &[usize],
    own: Option<CandidateSchedule>,
) -> Result<Vec<Candidate>, PlanError> {
    check_sum(space, split)?;
    let schedules = match own {
        Some(own) => vec![(ranks_of_own(space, split, &own)?, own)],
        None => schedules_for(evaluator.request, space, split)?,
    };
    // A device without layers is idle.
    let layers: Vec<usize> = split.iter().copied().filter(|layers| *layers > 0).collect();
    let mut firsts = vec![0];
    for count in &layers[..layers.len() - 1] {
        firsts.push(firsts.last().copied().unwrap_or(0) + count);
    }
    let candidates = schedules.into_iter().flat_map(|(ranks, schedule)| {
        let firsts = &firsts;
        space.recompute.iter().map(move |mode| Candidate {
            ranks: ranks.clone(),
            firsts: firsts.clone(),
            recompute: vec![*mode; firsts.len()],
            schedule: schedule.clone(),
        })
    });
    Ok(candidates.collect())
}

/// Where no start keeps the locks.
fn broken_lock(profile: &Profile, request: &ValidatedRequest) -> String {
    let lock = request.locks.first().map(|(layer, device)| {
        let (layers, devices) = (&profile.model.layers, &profile.devices);
        let what = if request.locks.len() == 1 { "" } else { ", and the other locks" };
        format!("the lock of '{}' on '{}'{what}", layers[*layer].name, devices[*device].id)
    });
    format!(
        "{} cannot be kept with the split or schedule that is given; drop the one or the other",
        lock.unwrap_or_else(|| "what is locked".to_owned())
    )
}

fn check_sum(space: &Space, split: &[usize]) -> Result<(), PlanError> {
    let sum = split.iter().fold(0_usize, |sum, layers| sum.saturating_add(*layers));
    let layers = space.layer_count();
    if sum == layers && sum > 0 {
        return Ok(());
    }
    let terms: Vec<String> = split.iter().map(usize::to_string).collect();
    Err(bad(format!(
        "the split has {} = {sum} layers, but the model has {layers}; its numbers must add up to \
         {layers}",
        terms.join(" + ")
    )))
}

/// The devices of a schedule's ranks: the first ones, in their order.
fn ranks_of_own(
    space: &Space,
    split: &[usize],
    own: &CandidateSchedule,
) -> Result<Vec<usize>, PlanError> {
    let CandidateSchedule::Searched(schedule) = own else { return Ok(Vec::new()) };
    let (stages, ranks) = (schedule.owners().len(), schedule.ranks.len());
    if split.len() != stages || split.contains(&0) {
        return Err(bad(format!(
            "the schedule '{}' has {stages} stages, so that the split must be {stages} numbers of at \
             least 1",
            schedule.name
        )));
    }
    enough_devices(space, schedule)?;
    Ok((0..ranks).map(|device| space.index(device)).collect())
}

/// The schedules that a split suits, each with the devices of its ranks.
fn schedules_for(
    request: &ValidatedRequest,
    space: &Space,
    split: &[usize],
) -> Result<Vec<(Vec<usize>, CandidateSchedule)>, PlanError> {
    let devices = space.device_count();
    let busy = split.iter().enumerate().filter(|(_, layers)| **layers > 0);
    let busy: Vec<usize> = busy.map(|(device, _)| device).collect();
    let mut found = Vec::new();
    for kind in request.kinds() {
        let default = kind.chunks().default_count();
        let is_named = request.schedule != ScheduleRequest::Search;
        // A stage a device; where several are the default, only for who asks for the schedule.
        let may_have_one = default == 1 || matches!(kind.chunks(), Chunks::Any { .. }) && is_named;
        let (ranks, chunks) = if split.len() <= devices && may_have_one {
            (busy.clone(), 1)
        } else if default > 1 && busy.len() == split.len() {
            // Several stages a device, in the order in which the schedule places them.
            let chunks = match kind.chunks() {
                Chunks::Exactly(count) => count,
                Chunks::Any { .. } => split.len() / devices,
            };
            let ranks = split.len() / chunks.max(1);
            if chunks < 2 || ranks * chunks != split.len() || ranks > devices {
                continue;
            }
            ((0..ranks).collect(), chunks)
        } else {
            continue;
        };
        let ranks = ranks.into_iter().map(|device| space.index(device)).collect();
        found.push((ranks, CandidateSchedule::Named(kind, chunks)));
    }
    if found.is_empty() {
        let (count, schedule) = (split.len(), request.schedule);
        return Err(bad(format!(
            "the split has {count} stages, which does not go with {devices} device{} under the \
             schedule '{schedule}': give a number for each device in the order of the run file (0 \
             leaves it idle), or, for schedules with several stages a device, as many times that, \
             without a 0",
            if devices == 1 { "" } else { "s" }
        )));
    }
    Ok(found)
}

fn enough_devices(space: &Space, schedule: &Schedule) -> Result<(), PlanError> {
    let (ranks, devices) = (schedule.ranks.len(), space.device_count());
    if ranks <= devices {
        return Ok(());
    }
    Err(bad(format!(
        "the schedule '{}' has {ranks} ranks, but there are only {devices} devices for them; give one \
         of as many ranks, or add devices",
        schedule.name
    )))
}

/// Candidates for a schedule: its ranks on the devices in several orders, cut by speed.
fn of_schedule(
    evaluator: &mut Evaluator,
    space: &Space,
    own: &CandidateSchedule,
) -> Result<Vec<Candidate>, PlanError> {
    let CandidateSchedule::Searched(schedule) = own else { return Ok(Vec::new()) };
    enough_devices(space, schedule)?;
    let (stages, layers) = (schedule.owners().len(), space.layer_count());
    if stages > layers {
        return Err(bad(format!(
            "the schedule '{}' has {stages} stages, but the model has only {layers} layers",
            schedule.name
        )));
    }
    let mut candidates = Vec::new();
    for order in orders(space.device_count(), schedule.ranks.len()) {
        let ranks: Vec<usize> = order.iter().map(|device| space.index(*device)).collect();
        let even = space.recompute.iter().map(|mode| Candidate {
            ranks: ranks.clone(),
            firsts: (0..stages).map(|stage| stage * layers / stages).collect(),
            recompute: vec![*mode; stages],
            schedule: own.clone(),
        });
        candidates.extend(even);
        candidates.extend(cut_anew(evaluator, space, &ranks, own.clone()));
    }
    Ok(candidates)
}

/// Orders of so many of the devices, their own order first.
fn orders(devices: usize, ranks: usize) -> Vec<Vec<usize>> {
    let mut orders: Vec<Vec<usize>> = vec![Vec::new()];
    for _ in 0..ranks {
        let longer = |order: &Vec<usize>| {
            let order = order.clone();
            (0..devices)
                .filter(|device| !order.contains(device))
                .map(|device| [order.as_slice(), &[device]].concat())
                .collect::<Vec<_>>()
        };
        orders = orders.iter().flat_map(longer).take(MOST_ORDERS).collect();
    }
    orders
}

fn bad(reason: String) -> PlanError {
    PlanError::NoSuchPlan { reason }
}
