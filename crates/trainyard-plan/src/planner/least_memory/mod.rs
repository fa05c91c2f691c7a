//! The least memory of one device with which something fits, where the others stay as they are.
//!
//! The answer for a device does not depend on its own budget. So a plan whose device has at least this
//! much is found, and with a byte less none is: what is said to fit fits, and fitting is monotone in
//! each budget, though the search for the fastest plan is not.
//!
//! Small cases are tried in full (`exhaustive`). Elsewhere the best partitions by what stages need
//! (`frontier`) are simulated and refined.

mod exhaustive;
mod frontier;

use super::beam_search::beam_search;
use super::candidate::{Candidate, CandidateSchedule};
use super::candidates::of_orders;
use super::evaluate::Evaluator;
use super::goal::Goal;
use super::in_flight::InFlight;
use super::local_search::{Moves, local_search};
use super::memo::Memo;
use super::rounds::budget;
use super::score::Score;
use super::shortened::{FEWER, is_shortened};
use super::space::Space;
use super::validated::ValidatedRequest;
use crate::schedule::OneByOne;
use crate::{Profile, ScheduleKind, ScheduleRequest};

/// Buffers a stage that are set aside, one try each: only the simulator knows how many wait.
const BUFFERS: [u64; 3] = [0, 1, 2];

/// Part of a search's budget for each device: 1/`PART`. Refining takes most of it.
const PART: u64 = 4;

/// The least memory of a device, and the candidate that needs it.
#[derive(Clone, Debug)]
pub(super) struct Least {
    /// Index of the device in the profile.
    pub(super) device: usize,
    /// Peak on the device.
    pub(super) need_bytes: u64,
    pub(super) candidate: Candidate,
}

impl Least {
    /// Bytes that the device lacks.
    pub(super) fn missing_bytes(&self, profile: &Profile) -> u64 {
        let budget = profile.devices.get(self.device).map_or(0, |device| device.budget_bytes());
        self.need_bytes.saturating_sub(budget)
    }
}

/// The least memory of each usable device that could make something fit by itself, the one that lacks
/// least first.
pub(super) fn least_memory(profile: &Profile, request: &ValidatedRequest) -> Vec<Least> {
    // What stages hold is the same in a shorter step.
    let fewer =
        is_shortened(profile, request).then(|| Profile { micro_batches: FEWER, ..profile.clone() });
    let profile = fewer.as_ref().unwrap_or(profile);
    let mut least =
        exhaustive::search(profile, request).unwrap_or_else(|| refined(profile, request));
    least.sort_by_key(|least| (least.missing_bytes(profile), least.device));
    least
}

/// Whether something fits; `None` where there is too much to try it all.
pub(super) fn fits_for_certain(profile: &Profile, request: &ValidatedRequest) -> Option<bool> {
    let least = exhaustive::search(profile, request)?;
    Some(least.iter().any(|least| least.missing_bytes(profile) == 0))
}

/// The schedules that hold least, with their stages a rank.
fn frugal_schedules(request: &ValidatedRequest) -> Vec<(&'static dyn ScheduleKind, usize)> {
    if request.schedule == ScheduleRequest::Search {
        let round = (1..=4).map(|chunks| (&OneByOne::Round as &'static dyn ScheduleKind, chunks));
        return round.chain([(&OneByOne::V as _, 2)]).collect();
    }
    let of_kind = |kind: &'static dyn ScheduleKind| {
        super::candidates::chunks_to_try(kind).map(move |chunks| (kind, chunks))
    };
    request.kinds().into_iter().flat_map(of_kind).collect()
}

/// The best of a few candidates for each device, each with single changes that make it need less.
fn refined(profile: &Profile, request: &ValidatedRequest) -> Vec<Least> {
    let mut memo = Memo::default();
    let mut evaluator = Evaluator::new(profile, request, &mut memo, 0);
    let mut space = Space::new(profile, request, Goal::Share);
    let one_stage = frugal_schedules(request).into_iter().find(|(_, chunks)| *chunks == 1);
    if request.schedule == ScheduleRequest::Search {
        space.in_flight = InFlight::one();
    }
    let mut starts: Vec<(usize, Candidate)> = Vec::new();
    match one_stage {
        Some((kind, chunks)) if space.device_count() > frontier::MOST_DEVICES => {
            for device in 0..space.device_count() {
                space.goal = Goal::Need(device);
                let schedule = CandidateSchedule::Named(kind, chunks);
                let found = beam_search(&space);
                starts.extend(found.map(|it| (device, Candidate::of(&space, &it, schedule))));
            }
        }
        Some((kind, chunks)) => {
            let schedule = CandidateSchedule::Named(kind, chunks);
            for buffers in BUFFERS {
                space.buffers = buffers;
                starts.extend(frontier::starts(&mut space, &schedule));
            }
        }
        None => {
            for device in 0..space.device_count() {
                space.goal = Goal::Need(device);
                let orders = orders(&space, device);
                let found = of_orders(&mut evaluator, &space, &orders);
                starts.extend(found.into_iter().map(|candidate| (device, candidate)));
            }
        }
    }
    (0..space.device_count())
        .filter_map(|device| {
            let starts = starts.iter().filter(|(of, _)| *of == device).map(|(_, start)| start);
            space.goal = Goal::Need(device);
            least_of(profile, request, (&space, device), starts)
        })
        .collect()
}

/// Orders of the devices for several stages a rank: as they are, and the device in question first or
/// last, with the others from the largest to the smallest.
fn orders(space: &Space, device: usize) -> Vec<Vec<usize>> {
    let all: Vec<usize> = (0..space.device_count()).collect();
    let mut others: Vec<usize> = all.iter().copied().filter(|other| *other != device).collect();
    others.sort_by_key(|other| std::cmp::Reverse(space.budget(*other)));
    let first = [&[device], others.as_slice()].concat();
    let last = [others.as_slice(), &[device]].concat();
    let indices = |order: Vec<usize>| order.into_iter().map(|device| space.index(device)).collect();
    [all, first, last, vec![device]].into_iter().map(indices).collect()
}

/// The best of the starts for a device, refined.
fn least_of<'c>(
    profile: &Profile,
    request: &ValidatedRequest,
    (space, device): (&Space, usize),
    starts: impl Iterator<Item = &'c Candidate>,
) -> Option<Least> {
    let index = space.index(device);
    let mut memo = Memo::default();
    let whole = budget(space.device_count());
    let mut evaluator = Evaluator::new(profile, request, &mut memo, whole / PART);
    evaluator.free = Some(index);
    let mut best: Option<(Candidate, Score)> = None;
    for start in starts {
        if !evaluator.keeps_locks(start) {
            continue;
        }
        let Ok(score) = evaluator.evaluate(start) else { continue };
        if best.as_ref().is_none_or(|(_, best)| score.beats(best)) {
            best = Some((start.clone(), score));
        }
    }
    let (candidate, score) = local_search(&mut evaluator, space, best?, Moves::Near, 0);
    let need_bytes = score.need_bytes()?;
    Some(Least { device: index, need_bytes, candidate })
}
