//! Searches for steps of very many micro-batches.

use super::evaluate::Evaluator;
use super::memo::Memo;
use super::pool::Pool;
use super::rounds::search;
use super::validated::ValidatedRequest;
use crate::Profile;

/// Devices × micro-batches up to which all micro-batches are simulated: beyond, one simulation takes
/// more than a second.
const MANY_FORWARDS: usize = 1 << 17;

/// Micro-batches of the shortened step: a pipeline is filled after twice as many as there are stages,
/// at most 32, and then goes on as it did.
const FEWER: usize = 1 << 10;

/// Best candidates of the shortened step that are simulated with all micro-batches: until this many
/// fit, and no more than `MOST_TRIED`.
const ENOUGH: usize = 4;
const MOST_TRIED: usize = 12;

/// [`search`] at any size, with 1/`part` of the budget. A very long step is searched with fewer
/// micro-batches, and the best candidates are evaluated with all.
pub(super) fn search_at_any_size(
    profile: &Profile,
    request: &ValidatedRequest,
    memo: &mut Memo,
    part: u64,
) -> Pool {
    if !is_shortened(profile, request) {
        return search(profile, request, memo, part);
    }
    let fewer = shortened(profile);
    let found = search(&fewer, request, &mut Memo::default(), part);
    let mut evaluator = Evaluator::new(profile, request, memo, u64::MAX);
    let mut pool = Pool { refusal: found.refusal, ..Pool::default() };
    let best = found.entries.into_iter().filter(|(candidate, _)| !candidate.is_searched());
    for (candidate, _) in best.take(MOST_TRIED) {
        let fitting = pool.entries.iter().filter(|(_, score)| score.fits()).count();
        if fitting < ENOUGH {
            evaluator.enter(&mut pool, candidate, 0);
        }
    }
    pool.sort();
    pool
}

/// The same with fewer micro-batches, and whole rows of slices.
pub(super) fn shortened(profile: &Profile) -> Profile {
    let micro_batches = FEWER.next_multiple_of(profile.slices.max(1));
    Profile { micro_batches, ..profile.clone() }
}

/// Whether [`search_at_any_size`] searches with fewer micro-batches.
pub(super) fn is_shortened(profile: &Profile, request: &ValidatedRequest) -> bool {
    let all = profile.micro_batches;
    // Not where more micro-batches are in flight in a longer step.
    let fewer = shortened(profile);
    let holds_more = request.in_flight(profile) != request.in_flight(&fewer);
    all > fewer.micro_batches && all * profile.devices.len() > MANY_FORWARDS && !holds_more
}
