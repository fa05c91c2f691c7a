//! Noise: how much of the machine other programs took while something was measured.
//!
//! Whoever measures runs a control kernel in between: fixed work, which takes the same time
//! whenever its thread has a core to itself. A run that takes longer was interrupted. From the
//! times of all runs follow the share of a core that the measuring threads got, and whether the
//! other load was there now and then or most of the time:
//!
//! - Load that is there less than half of the time leaves the median step as it is on a quiet
//!   machine. Times are taken from undisturbed runs, and predict it as they are.
//! - Load that is there longer lengthens every step. Undisturbed times are divided by the share.

mod timing;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use crate::quantile::quantile;
pub use timing::{Timing, is_steady, typical};

use crate::json::fraction;

/// Runs of the control kernel are judged in groups that take so long together, µs: several time
/// slices of a scheduler.
const GROUP_US: f64 = 16e3;
/// Of these groups so many are taken for ones that met the other load all the time.
const FULLY_DISTURBED: f64 = 0.1;
/// A measurement that got less of a core is one on a busy machine.
const BUSY_BELOW: f64 = 0.9;
/// A machine on which a thread gets so many times the share of a core is a quieter one: the share is
/// known to a few percent, and measuring takes a minute.
const QUIETER: f64 = 1.1;
/// A thread that got less than that was not measured, but starved.
const SMALLEST_SHARE: f64 = 0.01;
/// Of the runs of the control kernel so many are undisturbed under any load: they are shorter than
/// a scheduler's time slice.
const UNDISTURBED: f64 = 0.1;

/// What other programs took from a measurement.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Noise {
    /// The share of a core that a measuring thread got, 0 to 1.
    #[serde(deserialize_with = "fraction")]
    pub share: f64,
    /// The share of the time in which the other load was there, 0 to 1.
    #[serde(deserialize_with = "fraction")]
    pub disturbed: f64,
    /// How far a predicted time may be off, as a fraction of it: as much as was taken away.
    #[serde(deserialize_with = "fraction")]
    pub uncertainty: f64,
}

impl Noise {
    /// A quiet machine.
    pub const NONE: Self = Self { share: 1.0, disturbed: 0.0, uncertainty: 0.0 };

    /// What the times of a control kernel say, µs, in the order of its runs.
    #[must_use]
    pub fn of(control_us: &[f64]) -> Self {
        let undisturbed = undisturbed_us(control_us);
        let Some(share) = share(control_us, undisturbed) else { return Self::NONE };
        let groups = groups(control_us);
        let shares = groups.iter().filter_map(|group| self::share(group, undisturbed));
        let beside_load = quantile(&shares.collect::<Vec<_>>(), FULLY_DISTURBED);
        // What is missing of a whole core in all is missing in these groups for as much of the time
        // as the load is there.
        let disturbed = ((1.0 - share) / (1.0 - beside_load)).clamp(0.0, 1.0);
        let disturbed = if disturbed.is_nan() { 0.0 } else { disturbed };
        let [share, disturbed] = [share, disturbed].map(rounded);
        Self { share, disturbed, uncertainty: rounded(1.0 - share) }
    }

    /// Whether it is worth a word.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.share < BUSY_BELOW
    }

    /// Whether the other load was there more than half of the time, so that a median step meets it.
    #[must_use]
    pub fn is_sustained(&self) -> bool {
        self.is_busy() && self.disturbed >= 0.5
    }

    /// Whether what was measured under `before` should be measured again under this noise: the
    /// other load was worth a word, and is clearly less now.
    #[must_use]
    pub fn is_quieter_than(&self, before: &Self) -> bool {
        before.is_busy() && self.share >= QUIETER * before.share
    }

    /// How many times longer than undisturbed a median step's work takes.
    #[must_use]
    pub fn slowdown(&self) -> f64 {
        if self.is_sustained() { 1.0 / self.share.max(SMALLEST_SHARE) } else { 1.0 }
    }

    /// That of a measurement whose times were corrected later: as uncertain as the worse of the
    /// two, and sustained if the later one was.
    #[must_use]
    pub fn then(self, later: Self) -> Self {
        Self {
            share: self.share.min(later.share),
            disturbed: later.disturbed,
            uncertainty: self.uncertainty.max(later.uncertainty),
        }
    }
}

/// In words, for whoever reads a prediction.
impl fmt::Display for Noise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = |share: f64| (100.0 * share).round();
        let (uncertainty, share) = (percent(self.uncertainty), percent(self.share));
        let (when, meant) = if self.is_sustained() {
            ("", "times are those under such a load")
        } else {
            (" now and then", "times are those without the other load")
        };
        write!(
            f,
            "the machine was busy{when}: ±{uncertainty} %; measuring got {share} % of a core, and \
             {meant}"
        )
    }
}

/// What the control kernel takes on a core of its own, from the times of its runs, µs.
#[must_use]
pub fn undisturbed_us(control_us: &[f64]) -> f64 {
    quantile(control_us, UNDISTURBED)
}

/// The share of a core that runs of the control kernel got, if there are any: what they would have
/// taken undisturbed ÷ what they took.
#[must_use]
pub fn share(control_us: &[f64], undisturbed_us: f64) -> Option<f64> {
    let share = undisturbed_us * control_us.len() as f64 / control_us.iter().sum::<f64>();
    (share > 0.0).then(|| share.min(1.0))
}

/// To a thousandth: such a number is written and read back as it is.
fn rounded(fraction: f64) -> f64 {
    (fraction * 1e3).round() / 1e3
}

/// Consecutive runs that take [`GROUP_US`] together. The last group may be shorter.
fn groups(control_us: &[f64]) -> Vec<&[f64]> {
    let mut groups = Vec::new();
    let (mut first, mut took) = (0, 0.0);
    for (index, us) in control_us.iter().enumerate() {
        took += us;
        if took >= GROUP_US || index + 1 == control_us.len() {
            groups.push(&control_us[first..=index]);
            (first, took) = (index + 1, 0.0);
        }
    }
    groups
}
