//! The score of a candidate.

use std::cmp::Ordering;

/// Relative difference below which two costs count as equal: sums of microseconds in another order
/// differ by less.
const ROUNDING: f64 = 1e-9;

/// The simulator's result for a candidate. Less is better: first the bytes over budget, then the
/// objective, then time, then the number of stages.
#[derive(Clone, Copy, Debug)]
pub(super) struct Score {
    /// Bytes over budget, of all devices together; 0 for a candidate that fits.
    pub(super) excess: f64,
    /// By the objective: µs, or a share.
    pub(super) value: f64,
    /// Time of a step, µs.
    pub(super) step_us: f64,
    /// Ranks over budget, as a set of bits.
    pub(super) over: u32,
    /// Number of stages.
    pub(super) stages: usize,
}

impl Score {
    pub(super) fn fits(&self) -> bool {
        self.excess <= 0.0
    }

    pub(super) fn compare(&self, other: &Self) -> Ordering {
        let by = |key: fn(&Self) -> f64| key(self).total_cmp(&key(other));
        by(|score| score.excess)
            .then_with(|| by(|score| score.value))
            .then_with(|| by(|score| score.step_us))
            .then_with(|| self.stages.cmp(&other.stages))
    }

    /// Whether it is better by more than a rounding error.
    pub(super) fn beats(&self, other: &Self) -> bool {
        let less = |a: f64, b: f64| a < b - b.abs() * ROUNDING;
        less(self.excess, other.excess)
            || self.excess <= other.excess
                && (less(self.value, other.value)
                    || self.value <= other.value && less(self.step_us, other.step_us))
    }
}
