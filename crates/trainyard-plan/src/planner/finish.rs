//! The end of planning: what is best of all searches is refined once more.
//!
//! The searches share out their budgets among many candidates and try the changes that help most often.
//! The best few get more changes here.

use super::candidates::searched;
use super::evaluate::Evaluator;
use super::goal::Goal;
use super::local_search::{Moves, local_search};
use super::memo::Memo;
use super::pool::Pool;
use super::rounds::budget;
use super::score::Score;
use super::space::Space;
use super::validated::ValidatedRequest;
use crate::Profile;

/// Candidates that are refined: the best alone where memory is no matter.
const STARTS: usize = 4;

/// Candidates that are refined where planning is quick.
const STARTS_WHERE_QUICK: usize = 8;

/// Where it is not quick, no candidate is refined that costs more than this times the best.
const NEAR: f64 = 1.1;

/// Part of a search's budget for each of them: 1/`PART`.
const PART: u64 = 4;

/// Refines the best candidates of the pool, and searches schedules for what comes of it. `is_quick`:
/// there is time for more of them.
pub(super) fn finish(
    profile: &Profile,
    request: &ValidatedRequest,
    memo: &mut Memo,
    pool: &mut Pool,
    is_quick: bool,
) {
    let space = Space::new(profile, request, Goal::of(request.objective, profile.micro_batches));
    let mut evaluator = Evaluator::new(profile, request, memo, 0);
    let mut refined = Vec::new();
    let share = budget(space.device_count()) / PART;
    let most = if is_quick {
        STARTS_WHERE_QUICK
    } else if pool.is_tight() {
        STARTS
    } else {
        1
    };
    let best = pool.entries.first().map(|(_, score)| *score);
    let near = |score: &Score| is_quick || best.is_none_or(|best| score.value <= best.value * NEAR);
    for start in pool.starts(most).into_iter().filter(|(_, score)| near(score)) {
        evaluator.budget = share;
        let (candidate, score) = local_search(&mut evaluator, &space, start, Moves::All, 0);
        refined.push(candidate.clone());
        pool.entries.push((candidate, score));
    }
    evaluator.budget = share;
    for candidate in searched(&mut evaluator, refined.iter(), most, space.device_count()) {
        evaluator.enter(pool, candidate, 0);
    }
    pool.sort();
}
