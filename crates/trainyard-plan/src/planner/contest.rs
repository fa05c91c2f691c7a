//! The contest: the search's best partitions under every schedule, judged by the simulator.
//!
//! The stated objective knows no schedule, so what it puts first need not be first in a simulated
//! step. First all partitions run under one schedule, then the best of them under every other that
//! may be used, among these the ones with several stages a rank (on the same devices in the same
//! order, cut anew) and one made for the partition. The winners are refined by a local search. How
//! much is simulated is limited by the number of actions, so that no request takes for ever.

use std::rc::Rc;

use super::draft::{Draft, Judge, Kind, Verdict};
use super::explore::{Explored, WORK, explore};
use super::lineup::{alone, chunks, diverse, kinds, name};
use super::refine::{is_made, keeps_locks, refine};
use super::search::Partition;
use super::several::several;
use super::space::{Goal, InFlight, Space};
use super::squeeze::squeeze;
use super::{Ask, Objective};
use crate::{PlanError, Profile, Schedule, auto};

/// Partitions that run under the first schedule.
const PARTITIONS: usize = 80;
/// Drafts that run under every schedule with one stage a rank.
const FINALISTS: usize = 10;
/// Orders of devices that run under the schedules with several.
const ORDERS: usize = 3;
/// Drafts that get a schedule of their own.
const MADE: usize = 3;
/// Drafts that are refined, and how many where none fits yet.
const REFINED: usize = 4;
const HOPES: usize = 24;

/// With a smaller share of all drafts that fit, memory is tight.
const ROOMY: f64 = 0.9;
/// The part of the work that a contest of one schedule beside the others gets: one in so many.
const ASIDE: u64 = 4;

/// With more devices × micro-batches than this, the contest is held with fewer micro-batches.
const MANY: usize = 1 << 17;
const FEWER: usize = 1 << 10;
/// Winners that are then judged with all: so many that fit, of so many at most.
const WINNERS: usize = 4;
const MOST_WINNERS: usize = 12;

/// What came out.
#[derive(Default)]
pub(super) struct Outcome {
    /// Best first; those that do not fit come last.
    pub(super) entries: Vec<(Draft, Verdict)>,
    /// Whether the partitions came from a search that left nothing out.
    pub(super) exact: bool,
    /// What kept the schedules from being used, where none could be.
    pub(super) refusal: Option<PlanError>,
}

impl Outcome {
    /// Whether anything fits.
    pub(super) fn fits(&self) -> bool {
        self.entries.first().is_some_and(|(_, verdict)| verdict.fits())
    }
}

impl Outcome {
    fn share_that_fits(&self) -> f64 {
        let fitting = self.entries.iter().filter(|(_, verdict)| verdict.fits()).count();
        fitting as f64 / self.entries.len().max(1) as f64
    }
}

/// How many actions may be simulated for a number of devices.
pub(super) fn work(devices: usize) -> u64 {
    (devices.pow(3) as u64).max(20) * 1600
}

/// The space that serves a request.
pub(super) fn space<'a>(profile: &'a Profile, ask: &Ask, goal: Goal) -> Space<'a> {
    let mut space = Space::new(profile, goal, &ask.excluded, &ask.locks);
    space.recompute = ask.recompute;
    space.in_flight = InFlight::of(&ask.schedule);
    space
}

/// The goal that stands for an objective.
pub(super) fn goal(profile: &Profile, objective: Objective) -> Goal {
    match objective {
        Objective::Time => Goal::Time(profile.micro_batches.saturating_sub(1) as f64),
        Objective::Latency => Goal::Time(0.0),
        Objective::Memory => Goal::Share,
    }
}

/// The contest with every freedom. Where not all fits that might, one contest for all schedules may
/// spend its work on drafts that a schedule with several stages a rank would beat, so each of these
/// gets a contest of its own as well.
pub(super) fn free_contest(profile: &Profile, ask: &Ask) -> Outcome {
    let mut outcome = contest_at_any_size(profile, ask, 1);
    if ask.schedule == "auto" && outcome.share_that_fits() < ROOMY {
        let several = |name: &&str| Schedule::default_chunks(name).is_ok_and(|chunks| chunks > 1);
        for name in Schedule::names().filter(several) {
            let alone = Ask { schedule: name.to_owned(), ..ask.clone() };
            outcome.entries.extend(contest_at_any_size(profile, &alone, ASIDE).entries);
        }
        outcome.entries.sort_by(|a, b| a.1.compare(&b.1));
    }
    outcome
}

/// The contest with a part of the work: one in `part`.
pub(super) fn contest_at_any_size(profile: &Profile, ask: &Ask, part: u64) -> Outcome {
    let forwards = profile.micro_batches * profile.devices.len();
    if profile.micro_batches > FEWER && forwards > MANY && ask.schedule != "gpipe" {
        return with_many_micro_batches(profile, ask, part);
    }
    contest_of(profile, ask, part)
}

/// A pipeline that has been running for hundreds of micro-batches goes on as it did, so the contest
/// is held with fewer, and its winners are judged with all.
fn with_many_micro_batches(profile: &Profile, ask: &Ask, part: u64) -> Outcome {
    let fewer = Profile { micro_batches: FEWER, ..profile.clone() };
    let mut outcome = contest_of(&fewer, ask, part);
    let mut contest = Contest {
        judge: Judge::new(profile, ask, u64::MAX),
        devices: profile.devices.len(),
        stated: None,
        outcome: Outcome { exact: false, refusal: outcome.refusal.take(), entries: Vec::new() },
    };
    let winners = std::mem::take(&mut outcome.entries).into_iter();
    for (draft, _) in winners.filter(|(draft, _)| !is_made(draft)).take(MOST_WINNERS) {
        let fitting = contest.outcome.entries.iter().filter(|(_, verdict)| verdict.fits()).count();
        if fitting < WINNERS {
            contest.enter(draft, 0);
        }
    }
    contest.sort();
    contest.outcome
}

fn contest_of(profile: &Profile, ask: &Ask, part: u64) -> Outcome {
    let mut space = space(profile, ask, goal(profile, ask.objective));
    let mut contest = Contest {
        judge: Judge::new(profile, ask, work(space.device_count()) / part),
        devices: space.device_count(),
        stated: None,
        outcome: Outcome::default(),
    };
    let whole = contest.judge.work;
    // What waits for a link takes memory as well, and so does what waits for its W; how much only
    // the simulator knows. So where little fits that might have, the search sets some memory aside,
    // and where nothing does, it looks for what takes the smallest share.
    let (goal, in_flight) = (space.goal, space.in_flight);
    let passes = [
        (goal, 0, in_flight),
        (goal, 2, in_flight),
        (Goal::Share, 1, in_flight),
        (Goal::Share, 0, InFlight::All),
        // What only a schedule can keep to that is made for it.
        (Goal::Share, 0, InFlight::One),
    ];
    for (pass, (goal, buffers, in_flight)) in passes.into_iter().enumerate() {
        (space.goal, space.buffers, space.in_flight) = (goal, buffers, in_flight);
        contest.judge.work = contest.judge.work.max(whole / 2);
        contest.run(&space, if pass == 0 && part == 1 { WORK } else { WORK / 10 });
        if contest.outcome.share_that_fits() > 0.2 || pass > 0 && contest.outcome.fits() {
            break;
        }
    }
    if !contest.outcome.fits() {
        contest.judge.work = contest.judge.work.max(whole / 2);
        contest.outcome.entries.extend(squeeze(&mut contest.judge));
        contest.sort();
    }
    if ask.schedule == "auto" {
        contest.make();
        contest.sort();
    }
    contest.outcome
}

struct Contest<'a> {
    judge: Judge<'a>,
    /// How many may be used.
    devices: usize,
    /// The draft with the least of the stated objective.
    stated: Option<Draft>,
    outcome: Outcome,
}

impl Contest<'_> {
    fn run(&mut self, space: &Space, effort: u64) {
        let whole = self.judge.work;
        let kinds = kinds(&self.judge.ask.schedule);
        let single: Vec<&Kind> = kinds.iter().filter(|kind| chunks(kind) == 1).collect();
        let Explored { partitions, exact } = explore(space, effort);
        // The first pass is the one for the stated objective.
        self.outcome.exact = self.outcome.entries.is_empty() && exact || self.outcome.exact;
        let first = single.first().copied().cloned().unwrap_or(Kind::Named("1f1b", 1));
        let chosen = diverse(&partitions, PARTITIONS);
        let drafts = chosen.into_iter().map(|partition| Draft::of(space, partition, first.clone()));
        let drafts: Vec<Draft> = drafts.collect();
        if self.stated.is_none() {
            self.stated = drafts.first().cloned();
        }
        let drafts: Vec<Draft> = drafts.into_iter().chain(alone(space, &first)).collect();
        let entrants: Vec<(Draft, Verdict)> = if single.is_empty() {
            Vec::new()
        } else {
            drafts.iter().filter_map(|draft| self.enter(draft.clone(), whole / 3 * 2)).collect()
        };
        let best: Vec<Draft> = if single.is_empty() {
            drafts
        } else {
            let mut entrants = entrants;
            entrants.sort_by(|a, b| a.1.compare(&b.1));
            entrants.into_iter().map(|(draft, _)| draft).collect()
        };
        for draft in best.iter().take(FINALISTS) {
            for kind in single.iter().skip(1) {
                self.enter(Draft { kind: (*kind).clone(), ..draft.clone() }, whole / 2);
            }
        }
        let mut orders: Vec<&Draft> = Vec::new();
        for draft in &best {
            let new = orders.iter().all(|other| other.ranks != draft.ranks);
            if new && orders.len() < ORDERS {
                orders.push(draft);
            }
        }
        let mut orders: Vec<Vec<usize>> = orders.iter().map(|draft| draft.ranks.clone()).collect();
        if !self.judge.ask.locks.is_empty() {
            orders.extend(self.orders_with_locks(space));
        }
        for kind in kinds.iter().filter(|kind| chunks(kind) > 1) {
            for ranks in &orders {
                if let Some(draft) = several(&mut self.judge, space, ranks, kind) {
                    self.enter(draft, whole / 3);
                }
            }
        }
        self.refine_best(space);
        self.sort();
    }

    /// Orders of devices for locks that one stage a device cannot keep.
    fn orders_with_locks(&self, space: &Space) -> Vec<Vec<usize>> {
        let Judge { profile, ask, .. } = self.judge;
        let mut locks = ask.locks.clone();
        locks.sort_unstable();
        let mut locked: Vec<usize> = Vec::new();
        for (_, device) in locks {
            if !locked.contains(&device) {
                locked.push(device);
            }
        }
        let free = Ask { locks: Vec::new(), ..ask.clone() };
        let free = self::space(profile, &free, space.goal);
        let order = |partition: &Partition| -> Vec<usize> {
            partition.stages.iter().map(|stage| free.index(stage.device)).collect()
        };
        let explored = explore(&free, WORK / 10).partitions;
        let found = diverse(&explored, PARTITIONS).into_iter().map(order);
        let found = found.filter(|order| locked.iter().all(|device| order.contains(device)));
        // The search knows one order only of devices that are alike.
        let few = if locked.len() <= 3 { orders_of(&locked) } else { vec![locked.clone()] };
        let mut orders: Vec<Vec<usize>> = few.into_iter().chain(found).collect();
        orders.truncate(3 * ORDERS);
        orders
    }

    fn sort(&mut self) {
        self.outcome.entries.sort_by(|a, b| a.1.compare(&b.1));
    }

    /// Judges a draft, unless the work left is below `reserve` and there is one that fits.
    fn enter(&mut self, draft: Draft, reserve: u64) -> Option<(Draft, Verdict)> {
        let enough = self.outcome.entries.iter().any(|(_, verdict)| verdict.fits());
        if self.judge.work == 0 && self.outcome.entries.len() > PARTITIONS / 2
            || self.judge.work < reserve && enough
        {
            return None;
        }
        if let Err(error) = self.judge.schedule(&draft) {
            self.outcome.refusal.get_or_insert(error);
            return None;
        }
        if !keeps_locks(&mut self.judge, &draft) {
            return None;
        }
        match self.judge.verdict(&draft) {
            Ok(verdict) => {
                let mut entry = (draft, verdict);
                // The search lets a stage keep its activations where they fit at the least; with
                // what only the simulator knows of they may not.
                if let Some(changed) = self.judge.with_recompute(&entry.0, verdict)
                    && let Ok(verdict) = self.judge.verdict(&changed)
                    && verdict.beats(&entry.1)
                {
                    entry = (changed, verdict);
                }
                self.outcome.entries.push(entry.clone());
                Some(entry)
            }
            Err(error) => {
                self.outcome.refusal.get_or_insert(error);
                None
            }
        }
    }

    /// Refines the best of each kind of schedule.
    fn refine_best(&mut self, space: &Space) {
        self.sort();
        let most = if self.outcome.fits() { REFINED } else { HOPES };
        let mut starts: Vec<(Draft, Verdict)> = Vec::new();
        for (draft, verdict) in &self.outcome.entries {
            let same = |(other, _): &(Draft, Verdict)| {
                other.ranks == draft.ranks && name(&other.kind) == name(&draft.kind)
            };
            if starts.len() < most && !is_made(draft) && !starts.iter().any(same) {
                starts.push((draft.clone(), *verdict));
            }
        }
        let share = self.judge.work / starts.len().max(1) as u64;
        for start in starts {
            let reserve = self.judge.work.saturating_sub(share);
            let refined = refine(&mut self.judge, space, start, reserve);
            self.outcome.entries.push(refined);
        }
    }

    /// Makes schedules for the best drafts.
    fn make(&mut self) {
        self.sort();
        let mut made: Vec<Draft> = Vec::new();
        // All that are asked for are to be at their best.
        let most = MADE.max(self.judge.ask.top);
        let entries = self.outcome.entries.iter().map(|(draft, _)| draft);
        // What is best under the named schedules, and what would be best with none of their waits.
        for draft in self.stated.iter().chain(entries) {
            let same =
                |other: &Draft| (&other.ranks, &other.firsts) == (&draft.ranks, &draft.firsts);
            if made.len() < most && !made.iter().any(same) {
                made.push(draft.clone());
            }
        }
        let split_backward = self.judge.ask.split_backward;
        let effort = 24 * self.devices.pow(2);
        let options = auto::Options { split_backward, effort };
        for draft in made {
            let Ok(costs) = self.judge.costs(&draft) else { continue };
            let micro_batches = self.judge.profile.micro_batches;
            if let Ok(Some(made)) = auto::make(&costs, micro_batches, &options) {
                self.enter(Draft { kind: Kind::Made(Rc::new(made.schedule)), ..draft }, 0);
            }
        }
    }
}

/// All orders of a few devices, the given one first.
fn orders_of(devices: &[usize]) -> Vec<Vec<usize>> {
    let Some((first, rest)) = devices.split_first() else { return vec![Vec::new()] };
    let insert = |order: Vec<usize>| {
        (0..=order.len()).map(move |at| [&order[..at], &[*first], &order[at..]].concat())
    };
    orders_of(rest).into_iter().flat_map(insert).collect()
}
