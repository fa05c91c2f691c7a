//! The least memory of one device with which something fits, where the others stay as they are.
//!
//! The answer for a device does not depend on its own budget. So a plan whose device has at least this
//! much is found, and with a byte less none is: what is said to fit fits, and fitting is monotone in
//! each budget, though the search for the fastest plan is not.
//!
//! Small cases are tried in full (`exhaustive`). Elsewhere the best partitions by what stages need
//! (`frontier`, and `shares` for several stages a rank) are simulated and refined.

mod exhaustive;
mod frontier;
mod shares;

use super::beam_search::beam_search;
use super::candidate::{Candidate, CandidateSchedule};
use super::candidates::chunks_to_try;
use super::evaluate::Evaluator;
use super::goal::Goal;
use super::in_flight::InFlight;
use super::local_search::{Moves, local_search};
use super::memo::Memo;
use super::score::Score;
use super::shortened::{is_shortened, shortened};
use super::space::Space;
use super::validated::ValidatedRequest;
use crate::schedule::OneByOne;
use crate::{DeviceProfile, Profile, ScheduleKind, ScheduleRequest};

/// Buffers a stage that are set aside, one try each: only the simulator knows how many wait.
const BUFFERS: [u64; 2] = [0, 2];

/// Candidates of a group that are refined, for all devices together: for each of eight the best alone.
const REFINED: usize = 12;

/// Actions that may be simulated to refine a candidate: a hundredth of a second.
const REFINING: u64 = 100_000;

/// The least memory of a device, and the candidate that needs it.
#[derive(Clone, Debug)]
pub(super) struct Least {
    /// Index of the device in the profile.
    pub(super) device: usize,
    /// Peak on the device.
    pub(super) need_bytes: u64,
    pub(super) candidate: Candidate,
    /// Whether all there is was tried; otherwise it is the least that was found.
    pub(super) is_proven: bool,
}

impl Least {
    /// Bytes that the device lacks.
    pub(super) fn missing_bytes(&self, profile: &Profile) -> u64 {
        let budget = profile.devices.get(self.device).map_or(0, DeviceProfile::budget_bytes);
        self.need_bytes.saturating_sub(budget)
    }
}

/// The least memory of each usable device that could make something fit by itself, the one that lacks
/// least first.
pub(super) fn least_memory(profile: &Profile, request: &ValidatedRequest) -> Vec<Least> {
    // What stages hold is the same in a shorter step.
    let fewer = is_shortened(profile, request).then(|| shortened(profile));
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

/// A kind of schedule and its stages a rank.
type SizedKind = (&'static dyn ScheduleKind, usize);

/// All schedules that may be used.
fn schedules(request: &ValidatedRequest) -> Vec<SizedKind> {
    let of_kind = |kind| chunks_to_try(kind).map(move |chunks| (kind, chunks));
    request.kinds().into_iter().flat_map(of_kind).chain(one_by_one(request)).collect()
}

/// The schedules that hold least, but for rare cases.
fn frugal_schedules(request: &ValidatedRequest) -> Vec<SizedKind> {
    let one_by_one = one_by_one(request);
    if one_by_one.is_empty() { schedules(request) } else { one_by_one }
}

/// One micro-batch after the other, in every placement; none where a schedule is asked for by name.
fn one_by_one(request: &ValidatedRequest) -> Vec<SizedKind> {
    const WHOLE: [&dyn ScheduleKind; 2] =
        [&OneByOne { v: false, split: false }, &OneByOne { v: true, split: false }];
    const SPLIT: [&dyn ScheduleKind; 2] =
        [&OneByOne { v: false, split: true }, &OneByOne { v: true, split: true }];
    let pairs = match (request.schedule == ScheduleRequest::Search, request.split_backward) {
        (false, _) => &[][..],
        (true, false) => &[WHOLE],
        (true, true) => &[WHOLE, SPLIT],
    };
    let sized = |[round, v]: &[&'static dyn ScheduleKind; 2]| {
        let (round, v) = (*round, *v);
        (1..=4).map(move |chunks| (round, chunks)).chain([(v, 2)])
    };
    pairs.iter().flat_map(sized).collect()
}

/// The best of a few candidates for each device, each with single changes that make it need less.
fn refined(profile: &Profile, request: &ValidatedRequest) -> Vec<Least> {
    let mut space = Space::new(profile, request, Goal::Share);
    if request.schedule == ScheduleRequest::Search {
        space.in_flight = InFlight::one();
    }
    let (one_stage, several): (Vec<_>, Vec<_>) =
        frugal_schedules(request).into_iter().partition(|(_, chunks)| *chunks == 1);
    // What stages need is the same under each of them, but for what only the simulator knows.
    let schedules: Vec<CandidateSchedule> =
        one_stage.into_iter().map(|(kind, _)| CandidateSchedule::Named(kind, 1)).collect();
    let first = schedules.first();
    let one_stage = first.map(|schedule| one_stage_starts(&mut space, schedule));
    let one_stage = one_stage.unwrap_or_default();
    let mut least = Vec::new();
    for device in 0..space.device_count() {
        space.goal = Goal::Need(device);
        let one_stage = one_stage.iter().filter(|(of, _)| *of == device);
        let under = |(_, start): &(usize, Candidate)| {
            let under = |schedule: &CandidateSchedule| Candidate {
                schedule: schedule.clone(),
                ..start.clone()
            };
            schedules.iter().map(under).collect::<Vec<_>>()
        };
        let one_stage: Vec<Candidate> = one_stage.flat_map(under).collect();
        let several = several.iter().map(|(kind, chunks)| (*kind, *chunks));
        let several =
            several.flat_map(|(kind, chunks)| shares::starts(&space, device, kind, chunks));
        let groups = [one_stage, several.collect()];
        least.extend(least_of(profile, request, (&space, device), groups));
    }
    least
}

/// Candidates with one stage a rank, each with the device that is to need little.
fn one_stage_starts(space: &mut Space, schedule: &CandidateSchedule) -> Vec<(usize, Candidate)> {
    let mut starts = Vec::new();
    if space.device_count() > frontier::MOST_DEVICES {
        for device in 0..space.device_count() {
            space.goal = Goal::Need(device);
            let candidate = |found| Candidate::of(space, &found, schedule.clone());
            starts.extend(beam_search(space).map(candidate).map(|found| (device, found)));
        }
        return starts;
    }
    for buffers in BUFFERS {
        space.buffers = buffers;
        starts.extend(frontier::starts(space, schedule));
    }
    starts
}

/// The best for a device of what the best of each group of starts lead to.
fn least_of(
    profile: &Profile,
    request: &ValidatedRequest,
    (space, device): (&Space, usize),
    groups: [Vec<Candidate>; 2],
) -> Option<Least> {
    let index = space.index(device);
    let mut memo = Memo::default();
    let mut evaluator = Evaluator::new(profile, request, &mut memo, 0);
    evaluator.free = Some(index);
    let mut best: Option<(Candidate, Score)> = None;
    for group in groups {
        let mut starts: Vec<(Candidate, Score)> = Vec::new();
        for start in group {
            let is_allowed = evaluator.is_allowed(&start);
            let score = evaluator.evaluate(&start).ok().filter(|_| is_allowed);
            starts.extend(score.map(|score| (start, score)));
        }
        starts.sort_by(|a, b| a.1.compare(&b.1));
        starts.truncate((REFINED / space.device_count()).max(1));
        for start in starts {
            evaluator.budget = REFINING;
            let found = local_search(&mut evaluator, space, start, Moves::Near, 0);
            if best.as_ref().is_none_or(|(_, best)| found.1.beats(best)) {
                best = Some(found);
            }
        }
    }
    let (candidate, score) = best?;
    Some(Least { device: index, need_bytes: score.need_bytes()?, candidate, is_proven: false })
}
