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
pub(super) fn profiles(whole: Vec<Profile>, slices: Slices) -> Result<Vec<Profile>, PlanError> {
    match slices {
        Slices::Count(count) => {
            whole.iter().map(|profile| Ok(profile.in_slices(count)?.into_owned())).collect()
        }
        Slices::Auto => {
            let sliced = |profile: &Profile| {
                let tried = TRIED.iter().filter_map(|count| profile.in_slices(*count).ok());
                tried.map(std::borrow::Cow::into_owned).collect::<Vec<_>>()
            };
            Ok(whole.iter().flat_map(sliced).collect())
        }
    }
}

/// Least time of a step that was found without slices, where that was tried too.
#[derive(Default)]
pub(super) struct WithoutSlices(Option<f64>);

impl WithoutSlices {
    /// Takes note of what a search with a profile has found.
    pub(super) fn note(&mut self, profile: &Profile, pool: &Pool) {
        let best = pool.entries.first().filter(|(_, score)| score.fits() && profile.slices == 1);
        if let Some((_, score)) = best {
            self.0 = Some(self.0.map_or(score.step_us, |least| least.min(score.step_us)));
        }
    }

    /// What slices bring to a plan with a profile, in words; None where it has none.
    pub(super) fn remark(&self, profile: &Profile, step_us: f64) -> Option<String> {
        let slices = profile.slices;
        let than = match self.0 {
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
