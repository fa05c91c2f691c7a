//! The score of a candidate.

use std::cmp::Ordering;

/// Relative difference below which two costs count as equal: sums of microseconds in another order
/// differ by less.
const ROUNDING: f64 = 1e-9;

/// Bits of a cost that may be rounding errors: all below about [`ROUNDING`] of it.
const ROUNDED_BITS: u32 = 52 - 30;

/// A cost without what may be rounding errors, so that of equally good candidates the one of fewer
/// stages comes first. `cost` is not negative.
fn rounded(cost: f64) -> f64 {
    let half = 1_u64 << (ROUNDED_BITS - 1);
    f64::from_bits((cost.to_bits() + half) >> ROUNDED_BITS << ROUNDED_BITS)
}

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
        let by = |key: fn(&Self) -> f64| rounded(key(self)).total_cmp(&rounded(key(other)));
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

#[cfg(test)]
mod tests {
    use super::*;

    fn score(step_us: f64, stages: usize) -> Score {
        Score { excess: 0.0, value: step_us, step_us, over: 0, stages }
    }

    #[test]
    fn of_equally_fast_candidates_the_one_of_fewer_stages_is_better() {
        let parts = score(0.1 + 0.2, 4);
        assert!(parts.step_us > 0.3);
        assert_eq!(score(0.3, 1).compare(&parts), Ordering::Less);
        assert_eq!(score(0.1 + 0.2, 1).compare(&score(0.3, 4)), Ordering::Less);
        assert_eq!(score(0.300_001, 1).compare(&score(0.3, 4)), Ordering::Greater);
        assert_eq!(score(f64::INFINITY, 1).compare(&score(0.3, 4)), Ordering::Greater);
        assert_eq!(score(0.0, 1).compare(&score(0.0, 1)), Ordering::Equal);
    }
}
