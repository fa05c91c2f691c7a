//! One search: rounds of the three steps, candidates → evaluation → local search.
//!
//! The closed form knows no schedule, so the partition it puts first need not be first in a simulated
//! step: the best of many are simulated. The budget of simulated actions limits the time.

use super::candidate::Candidate;
use super::candidates::{
    Context, PARTITIONS, SCHEDULES, candidates, min_memory, reserve, searched,
};
use super::coarse_to_fine::{Explored, explore};
use super::evaluate::Evaluator;
use super::exact_search::LOOKS;
use super::generator::Generator;
use super::goal::Goal;
use super::in_flight::InFlight;
use super::local_search::{Moves, local_search};
use super::memo::Memo;
use super::partition::Partition;
use super::pool::Pool;
use super::score::Score;
use super::space::Space;
use super::validated::ValidatedRequest;
use crate::Profile;

/// Candidates that the local search starts from: the best of each order of devices and schedule. More
/// where none fits yet, as any of them may be the one that a small change makes fit.
const STARTS: usize = 4;
const STARTS_WHERE_NONE_FITS: usize = 24;

/// Candidates that get a schedule of their own.
const SEARCHED: usize = 3;

/// Share of the candidates that fit from which on memory is not what rules the search: no further
/// round sets memory aside.
const ENOUGH_FIT: f64 = 0.2;

/// Actions that a search may simulate: 1,600 for each triple of devices, as orders, stages and moves
/// grow with their number; that of 2.7 devices at least.
pub(super) fn budget(devices: usize) -> u64 {
    (devices.pow(3) as u64).max(20) * 1600
}

/// A round: the space that is searched for partitions.
struct Round {
    /// The generator that this round belongs to.
    generator: Generator,
    goal: Goal,
    /// Buffers a stage that are set aside.
    buffers: u64,
    in_flight: InFlight,
}

/// One search, with a part of the budget: 1/`part`.
pub(super) fn search(
    profile: &Profile,
    request: &ValidatedRequest,
    memo: &mut Memo,
    part: u64,
) -> Pool {
    let goal = Goal::of(request.objective, profile.micro_batches);
    let mut space = Space::new(profile, request, goal);
    let whole = budget(space.device_count()) / part;
    let mut search = Search {
        evaluator: Evaluator::new(profile, request, memo, whole),
        devices: space.device_count(),
        optimum: None,
        pool: Pool::default(),
    };
    let rounds = rounds(request, profile, goal).into_iter();
    for (number, round) in rounds.filter(|round| request.uses(round.generator)).enumerate() {
        (space.goal, space.buffers, space.in_flight) = (round.goal, round.buffers, round.in_flight);
        search.evaluator.budget = search.evaluator.budget.max(whole / 2);
        search.round(&space, if number == 0 && part == 1 { LOOKS } else { LOOKS / 10 });
        let fits = number > 0 && search.pool.fits();
        if fits || search.pool.share_that_fits() > ENOUGH_FIT {
            break;
        }
    }
    if !search.pool.fits() && request.uses(Generator::MinMemory) {
        search.evaluator.budget = search.evaluator.budget.max(whole / 2);
        search.pool.entries.extend(min_memory(&mut search.evaluator));
        search.pool.sort();
    }
    search.search_schedules();
    search.pool
}

/// The rounds of a search; those after the first are for where little or nothing fits. A transfer that
/// waits for its link takes memory, and so does what waits for its W; only the simulator knows how
/// much. So where little fits that might have, memory is set aside, and where nothing does, the largest
/// share of a budget is made small.
fn rounds(request: &ValidatedRequest, profile: &Profile, goal: Goal) -> Vec<Round> {
    let in_flight = || request.in_flight(profile);
    let round = |generator, goal, buffers, in_flight| Round { generator, goal, buffers, in_flight };
    vec![
        round(Generator::ClosedForm, goal, 0, in_flight()),
        round(Generator::BufferReserve, goal, 2, in_flight()),
        round(Generator::SmallestShare, Goal::Share, 1, in_flight()),
        round(
            Generator::SmallestShareAllHeld,
            Goal::Share,
            0,
            InFlight::all(profile.micro_batches),
        ),
        // What only a schedule that is searched for it can keep to.
        round(Generator::SmallestShareOneHeld, Goal::Share, 0, InFlight::one()),
    ]
}

struct Search<'e> {
    evaluator: Evaluator<'e>,
    /// Devices that may be used.
    devices: usize,
    /// The candidate with the least of the closed form.
    optimum: Option<Candidate>,
    pool: Pool,
}

impl<'e> Search<'e> {
    fn round(&mut self, space: &Space<'e>, looks: u64) {
        let whole = self.evaluator.budget;
        let Explored { partitions, exact } = explore(space, looks);
        // The first round is the one for the closed form.
        self.pool.exact = self.pool.entries.is_empty() && exact || self.pool.exact;
        // [1] candidates: partitions; [2] evaluation, under the first schedule
        let may_use_first = !self.evaluator.request.one_stage_kinds().is_empty();
        let mut bases: Vec<Candidate> = Vec::new();
        let mut entered: Vec<(Candidate, Score)> = Vec::new();
        for generator in PARTITIONS {
            let found = self.candidates(generator, space, &partitions, &[]);
            if generator == Generator::ClosedForm && self.optimum.is_none() {
                self.optimum = found.first().cloned();
            }
            if may_use_first {
                let reserve = reserve(generator, whole);
                let Self { evaluator, pool, .. } = self;
                let enter = |candidate| evaluator.enter(pool, candidate, reserve);
                entered.extend(found.into_iter().filter_map(enter));
            } else {
                bases.extend(found);
            }
        }
        entered.sort_by(|a, b| a.1.compare(&b.1));
        bases.extend(entered.into_iter().map(|(candidate, _)| candidate));
        // [1] candidates: the best partitions under other schedules; [2] evaluation
        for generator in SCHEDULES {
            let reserve = reserve(generator, whole);
            for candidate in self.candidates(generator, space, &partitions, &bases) {
                self.evaluator.enter(&mut self.pool, candidate, reserve);
            }
        }
        // [3] local search
        self.refine_best(space);
        self.pool.sort();
    }

    /// Step 1.
    fn candidates(
        &mut self,
        generator: Generator,
        space: &Space<'e>,
        partitions: &[Partition],
        bases: &[Candidate],
    ) -> Vec<Candidate> {
        if !self.evaluator.request.uses(generator) {
            return Vec::new();
        }
        let evaluator = &mut self.evaluator;
        candidates(generator, &mut Context { evaluator, space, partitions, bases })
    }

    /// Step 3: refines the best of each order of devices and schedule.
    fn refine_best(&mut self, space: &Space) {
        self.pool.sort();
        let most = if self.pool.fits() { STARTS } else { STARTS_WHERE_NONE_FITS };
        let starts = self.pool.starts(most);
        let share = self.evaluator.budget / starts.len().max(1) as u64;
        for start in starts {
            let reserve = self.evaluator.budget.saturating_sub(share);
            let refined = local_search(&mut self.evaluator, space, start, Moves::Near, reserve);
            self.pool.entries.push(refined);
        }
    }

    /// Searches schedules for the best candidates: the best under named schedules, and the optimum of
    /// the closed form, which would be best with none of their waits.
    fn search_schedules(&mut self) {
        self.pool.sort();
        let entries = self.pool.entries.iter().map(|(candidate, _)| candidate);
        let best = self.optimum.iter().chain(entries);
        // All plans that are asked for are to be at their best.
        let most = SEARCHED.max(self.evaluator.request.top);
        for candidate in searched(&mut self.evaluator, best, most, self.devices) {
            self.evaluator.enter(&mut self.pool, candidate, 0);
        }
        self.pool.sort();
    }
}
