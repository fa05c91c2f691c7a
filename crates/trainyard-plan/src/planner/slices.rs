//! The numbers of slices to plan with.

use super::pool::Pool;
use super::request::Slices;
use crate::{PlanError, Profile};

/// Slices that are tried: each more takes a planning, and brings half of what the one before did.
const TRIED: [usize; 5] = [1, 2, 4, 8, 16];

/// Profiles to plan with, each for the micro-batches of one of these and for slices as asked for.
///
/// # Errors
/// As [`Profile::in_slices`] for a number that is asked for.
pub(super) fn profiles(whole: &[Profile], slices: Slices) -> Result<Vec<Profile>, PlanError> {
    match slices {
        Slices::Count(count) => {
            whole.iter().map(|profile| Ok(profile.in_slices(count)?.into_owned())).collect()
        }
        Slices::Auto => {
            let sliced = |profile: &Profile| {
                // Without knowing what of a time stays, the most slices would always be the best.
                let most = if profile.can_rescale() { TRIED.len() } else { 1 };
                let tried =
                    TRIED.iter().take(most).filter_map(|count| profile.in_slices(*count).ok());
                tried.map(std::borrow::Cow::into_owned).collect::<Vec<_>>()
            };
            Ok(whole.iter().flat_map(sliced).collect())
        }
    }
}

/// Least time of a step that was found without slices, where that was tried too.
pub(super) struct WithoutSlices {
    asked: Slices,
    step_us: Option<f64>,
}

impl WithoutSlices {
    /// Nothing is found yet.
    pub(super) fn new(asked: Slices) -> Self {
        Self { asked, step_us: None }
    }

    /// Takes note of what a search with a profile has found.
    pub(super) fn note(&mut self, profile: &Profile, pool: &Pool) {
        let best = pool.entries.first().filter(|(_, score)| score.fits() && profile.slices == 1);
        if let Some((_, score)) = best {
            let least = self.step_us.map_or(score.step_us, |least| least.min(score.step_us));
            self.step_us = Some(least);
        }
    }

    /// What slices bring to a plan with a profile, in words, or why none were tried; None where there is
    /// nothing to say.
    pub(super) fn remark(&self, profile: &Profile, step_us: f64) -> Option<String> {
        let slices = profile.slices;
        let may = profile.model.context().is_ok_and(|context| context > 1);
        if self.asked == Slices::Auto && may && !profile.can_rescale() {
            return Some(
                "rows are left whole: the profile does not say how times depend on the size of a micro-batch; \
                 measure with two sizes (`trainyard measure` does)"
                    .to_owned(),
            );
        }
        let than = match self.step_us {
            Some(whole_us) => {
                let share = 100.0 * (1.0 - step_us / whole_us.max(f64::MIN_POSITIVE));
                format!(": {share:.1} % faster than the best plan without")
            }
            None => String::new(),
        };
        (slices > 1).then(|| {
            format!(
                "the rows of a micro-batch are cut along their context into {slices} slices, each of which \
                 counts as a micro-batch{than}"
            )
        })
    }
}
