//! The score of a candidate.

use std::cmp::Ordering;

/// Bits of a cost that count, of 52 in all: sums of microseconds in another order differ by less than
/// 2⁻³⁰, about 1e-9, of them.
const EXACT_BITS: u32 = 30;

/// A cost without what may be rounding errors. `cost` is not negative.
fn rounded(cost: f64) -> f64 {
    let dropped = f64::MANTISSA_DIGITS - 1 - EXACT_BITS;
    let half = 1_u64 << (dropped - 1);
    f64::from_bits((cost.to_bits() + half) >> dropped << dropped)
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

/// What a byte that the others lack counts, in bytes of the free device: more than it can need.
const OTHERS_FIRST: f64 = (1_u64 << 60) as f64;

impl Score {
    /// The excess where one rank counts only after what the others lack.
    pub(super) fn with_free(excesses: &[f64], free: usize) -> f64 {
        let others = excesses.iter().enumerate().filter(|(rank, _)| *rank != free);
        let others: f64 = others.map(|(_, excess)| excess).sum();
        others * OTHERS_FIRST + excesses.get(free).copied().unwrap_or(0.0)
    }

    /// Bytes that the free rank needs; `None` where the others lack some.
    pub(super) fn need_bytes(&self) -> Option<u64> {
        (self.excess < OTHERS_FIRST).then_some(self.excess as u64)
    }

    pub(super) fn fits(&self) -> bool {
        self.excess <= 0.0
    }

    /// The better one first. Of those as good but for rounding errors it is the one of fewer stages.
    pub(super) fn compare(&self, other: &Self) -> Ordering {
        self.compare_costs(other).then_with(|| self.stages.cmp(&other.stages))
    }

    /// Whether it is better by more than a rounding error.
    pub(super) fn beats(&self, other: &Self) -> bool {
        self.compare_costs(other).is_lt()
    }

    fn compare_costs(&self, other: &Self) -> Ordering {
        let by = |key: fn(&Self) -> f64| rounded(key(self)).total_cmp(&rounded(key(other)));
        by(|score| score.excess)
            .then_with(|| by(|score| score.value))
            .then_with(|| by(|score| score.step_us))
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
