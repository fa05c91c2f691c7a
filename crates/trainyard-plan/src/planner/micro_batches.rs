//! The numbers of micro-batches to plan with.

use super::beam_search::beam_search;
use super::goal::Goal;
use super::request::MicroBatches;
use super::space::Space;
use super::validated::ValidatedRequest;
use crate::{PlanError, Profile};

/// Counts that are planned in full: planning takes as many times as long. The others are compared by
/// the closed form, which has the best count among its first few.
const FINALISTS: usize = 3;

/// Cost relative to the best count so far from which on a count is taken as hopeless.
const HOPELESS: f64 = 2.0;

/// Profiles to plan with, rescaled to the counts of micro-batches of least closed-form cost.
///
/// # Errors
/// [`PlanError::BadNumber`] for a count that is not possible, and for `Auto` where the profile does
/// not say what other sizes cost.
pub(super) fn profiles(
    profile: &Profile,
    micro_batches: MicroBatches,
    request: &ValidatedRequest,
) -> Result<Vec<Profile>, PlanError> {
    match micro_batches {
        MicroBatches::AsProfiled => Ok(vec![profile.clone()]),
        MicroBatches::Count(count) => Ok(vec![profile.with_micro_batches(count)?]),
        MicroBatches::Auto => {
            let choices = profile.micro_batch_choices();
            if choices.is_empty() {
                return Err(PlanError::BadNumber {
                    what: "micro_batches".into(),
                    value: "auto".into(),
                    must: "a number: this profile does not say how times depend on the size of a \
                           micro-batch; measure with two sizes (`trainyard measure` does)"
                        .into(),
                });
            }
            best_counts(profile, &choices, request)
        }
    }
}

/// The profile with the smallest micro-batches there are: they need least memory.
///
/// # Errors
/// As [`profiles`].
pub(super) fn smallest(profile: &Profile) -> Result<Profile, PlanError> {
    profile.with_micro_batches(profile.micro_batch_choices().last().copied().unwrap_or(1))
}

fn best_counts(
    profile: &Profile,
    choices: &[usize],
    request: &ValidatedRequest,
) -> Result<Vec<Profile>, PlanError> {
    let mut found: Vec<(f64, Profile)> = Vec::new();
    // From few to many, until the closed form has been getting worse for a while.
    let mut hopeless = 0;
    for count in choices {
        let scaled = profile.with_micro_batches(*count)?;
        let best = beam_search(&Space::new(
            &scaled,
            request,
            Goal::of(request.objective, scaled.micro_batches),
        ));
        let least = found.first().map(|(cost, _)| *cost);
        match (best, least) {
            (Some(best), Some(least)) if best.cost > least * HOPELESS => hopeless += 1,
            (Some(best), _) => found.push((best.cost, scaled)),
            // Nothing fits yet.
            (None, _) => {}
        }
        found.sort_by(|a, b| a.0.total_cmp(&b.0));
        found.truncate(FINALISTS);
        if hopeless >= FINALISTS {
            break;
        }
    }
    if found.is_empty() {
        // Shortages are reported for the smallest micro-batches.
        return Ok(vec![smallest(profile)?]);
    }
    Ok(found.into_iter().map(|(_, profile)| profile).collect())
}
