//! What holds of times that were measured on a busy machine.

use crate::quantile::{median, quantile};

/// A run that had the core for less of its time counts with the time it had.
const INTERRUPTED_BELOW: f64 = 0.9;
/// Where nobody knows how long a run had the core, this fraction of the runs is undisturbed.
const LOW: f64 = 0.1;
/// Two halves of a series that differ by no more are those of a steady one.
const STEADY: f64 = 0.05;

/// How long one run of something took.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Timing {
    /// From start to end, µs.
    pub wall_us: f64,
    /// The time in which the thread that did it had a core, µs, where a clock says so and the
    /// thread did all of it.
    pub own_us: Option<f64>,
}

impl Timing {
    /// What it would have taken undisturbed, as far as one run can tell, µs.
    #[must_use]
    pub fn undisturbed_us(&self) -> f64 {
        match self.own_us {
            Some(own_us) if own_us < INTERRUPTED_BELOW * self.wall_us => own_us,
            _ => self.wall_us,
        }
    }

    /// Both times of two runs.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            wall_us: self.wall_us + other.wall_us,
            own_us: self.own_us.zip(other.own_us).map(|(a, b)| a + b),
        }
    }
}

/// What a run takes undisturbed, from several runs of the same work, µs; 0 of none.
///
/// On a quiet machine it is the median of the means of a few neighbours each. A step adds actions
/// up, and with them the small delays that any of them may suffer, so its time follows the mean of
/// an action's times more than their median; a mean of all would follow every interruption too.
///
/// On a busy one (`disturbed`) it is the same of the times in which the runs had the core, or,
/// where no clock says so, a low quantile.
#[must_use]
pub fn typical(timings: &[Timing], disturbed: bool) -> f64 {
    let walls = timings.iter().map(|timing| timing.wall_us);
    if !disturbed {
        return median_of_means(&walls.collect::<Vec<_>>());
    }
    if timings.iter().all(|timing| timing.own_us.is_some()) {
        let own: Vec<f64> = timings.iter().map(Timing::undisturbed_us).collect();
        return median_of_means(&own);
    }
    quantile(&walls.collect::<Vec<_>>(), LOW)
}

/// Whether more of the same would tell the same: the medians of both halves of a series agree.
#[must_use]
pub fn is_steady(series: &[f64]) -> bool {
    let (first, second) = series.split_at(series.len() / 2);
    let (first, second) = (median(first.to_vec()), median(second.to_vec()));
    series.len() > 1 && (first - second).abs() <= STEADY * first.max(second)
}

fn median_of_means(values: &[f64]) -> f64 {
    const TOGETHER: usize = 4;
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    median(values.chunks(TOGETHER).map(mean).collect())
}
