//! Deterministic pseudo-random numbers.

/// Knuth's MMIX linear congruential generator.
pub(super) struct Random(pub(super) u64);

impl Random {
    /// A number below `end`; 0 where `end` is 0.
    pub(super) fn below(&mut self, end: usize) -> usize {
        let next = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = next.wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize).checked_rem(end).unwrap_or(0)
    }
}
