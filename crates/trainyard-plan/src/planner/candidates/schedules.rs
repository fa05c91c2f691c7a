//! The best partitions under other schedules: named ones, and ones that are searched for them.

use super::super::candidate::{Candidate, CandidateSchedule};
use super::super::evaluate::Evaluator;
use super::super::generator::Generator;
use super::super::memo::Searched;
use super::context::Context;
use crate::ScheduleRequest;

/// Partitions that run under every schedule with one stage a rank: which of the first few is best
/// depends on the schedule, and further ones rarely catch up.
const FINALISTS: usize = 10;

/// Orders that a schedule search tries, × devices².
const SEARCH_EFFORT: usize = 24;

/// The best partitions under all schedules with one stage a rank but the first.
pub(super) fn other_schedules(context: &mut Context) -> Vec<Candidate> {
    let kinds = context.evaluator.request.one_stage_kinds();
    let under = |base: &Candidate| -> Vec<Candidate> {
        let others = kinds.iter().skip(1);
        let named = |kind| CandidateSchedule::Named(kind, 1);
        others.map(|kind| Candidate { schedule: named(*kind), ..base.clone() }).collect()
    };
    context.bases.iter().take(FINALISTS).flat_map(under).collect()
}

/// The first `most` of these candidates that differ in their stages, under schedules that are searched
/// for them: each takes as long as hundreds of simulations. None where a schedule is given, and none in
/// slices, whose order the search does not know.
pub(in crate::planner) fn searched<'c>(
    evaluator: &mut Evaluator,
    candidates: impl Iterator<Item = &'c Candidate>,
    most: usize,
    devices: usize,
) -> Vec<Candidate> {
    let request = evaluator.request;
    let is_sliced = evaluator.profile.slices > 1;
    if is_sliced
        || request.schedule != ScheduleRequest::Search
        || !request.uses(Generator::SearchedSchedules)
    {
        return Vec::new();
    }
    let mut chosen: Vec<&Candidate> = Vec::new();
    for candidate in candidates {
        if chosen.len() < most && !chosen.iter().any(|other| other.has_same_stages(candidate)) {
            chosen.push(candidate);
        }
    }
    let effort = SEARCH_EFFORT * devices.pow(2);
    let mut found = Vec::new();
    for candidate in chosen {
        if let Ok(Searched::Found(schedule)) = evaluator.search_schedule(candidate, effort) {
            let schedule = CandidateSchedule::Searched(schedule);
            found.push(Candidate { schedule, ..candidate.clone() });
        }
    }
    found
}
