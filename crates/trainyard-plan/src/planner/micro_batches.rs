//! Into how many micro-batches the step is cut.

use super::contest::{goal, space};
use super::explore::glance;
use super::{Ask, MicroBatches};
use crate::{PlanError, Profile};

/// How many counts are planned in full; the others only get a glance.
const FINALISTS: usize = 3;

/// The profiles to plan with, rescaled to the counts of micro-batches that promise most.
///
/// # Errors
/// [`PlanError::BadNumber`] for a count that is not possible, and for `Auto` where the profile does
/// not say what other sizes cost.
pub(super) fn profiles(
    profile: &Profile,
    micro_batches: MicroBatches,
    ask: &Ask,
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
            promising(profile, &choices, ask)
        }
    }
}

fn promising(profile: &Profile, choices: &[usize], ask: &Ask) -> Result<Vec<Profile>, PlanError> {
    let mut found: Vec<(f64, Profile)> = Vec::new();
    // From few to many; where even the closed form has long been getting worse, it is over.
    let mut in_vain = 0;
    for count in choices {
        let scaled = profile.with_micro_batches(*count)?;
        let best = glance(&space(&scaled, ask, goal(&scaled, ask.objective)));
        let least = found.first().map(|(cost, _)| *cost);
        match (best, least) {
            (Some(best), Some(least)) if best.cost > least * 2.0 => in_vain += 1,
            (Some(best), _) => found.push((best.cost, scaled)),
            // Nothing fits yet.
            (None, _) => {}
        }
        found.sort_by(|a, b| a.0.total_cmp(&b.0));
        found.truncate(FINALISTS);
        if in_vain >= FINALISTS {
            break;
        }
    }
    if found.is_empty() {
        // Whatever is said of what does not fit is said of the smallest micro-batches.
        let most = choices.last().copied().unwrap_or(1);
        return Ok(vec![profile.with_micro_batches(most)?]);
    }
    Ok(found.into_iter().map(|(_, profile)| profile).collect())
}
