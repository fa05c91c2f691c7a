//! The partition that takes the smallest share of memory: a quick answer to whether anything fits.

use super::super::beam_search::beam_search;
use super::super::candidate::{Candidate, CandidateSchedule};
use super::super::evaluate::Evaluator;
use super::super::goal::Goal;
use super::super::local_search::{Moves, local_search};
use super::super::score::Score;
use super::super::space::Space;

/// Buffers a stage that are set aside, one try each: what waits for a link is rarely more.
const BUFFERS: [u64; 3] = [0, 1, 2];

/// Share of a budget from which on no small change makes a candidate fit.
const HOPELESS: f64 = 1.1;

/// The best of a few candidates that take little memory, by the simulator; `None` for schedules with
/// several stages a rank, and where locks leave nothing.
pub(in crate::planner) fn min_memory(evaluator: &mut Evaluator) -> Option<(Candidate, Score)> {
    let kind = evaluator.request.one_stage_kinds().first().copied()?;
    let mut best: Option<(Candidate, Score)> = None;
    for buffers in BUFFERS {
        let mut space = Space::new(evaluator.profile, evaluator.request, Goal::Share);
        space.buffers = buffers;
        let partition = beam_search(&space)?;
        let schedule = CandidateSchedule::Named(kind, 1);
        let candidate = Candidate::of(&space, &partition, schedule);
        if !evaluator.is_allowed(&candidate) {
            return None;
        }
        let score = evaluator.evaluate(&candidate).ok()?;
        let mut entry = (candidate, score);
        if !entry.1.fits() && partition.cost < HOPELESS {
            let reserve = evaluator.budget / 2;
            entry = local_search(evaluator, &space, entry, Moves::Near, reserve);
        }
        if best.as_ref().is_none_or(|best| entry.1.beats(&best.1)) {
            best = Some(entry);
        }
        if partition.cost > 1.0 || best.as_ref().is_some_and(|(_, score)| score.fits()) {
            break;
        }
    }
    best
}
