//! The factor of the loss that keeps gradients in sixteen bits from vanishing (Micikevicius et al., arXiv
//! 1710.03740, §3.2).

use serde::{Deserialize, Serialize};

/// A power of two by which losses are multiplied before they go back, and gradients divided before weights are
/// updated by them. What is too large for sixteen bits is then not finite: the step is skipped, and the factor
/// halved. Many steps after that it is doubled. It follows from the steps alone, so that a run that goes on from
/// it does as it would have done.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LossScale {
    scale: f64,
    /// Steps since it changed.
    good_steps: u64,
    /// Steps that were skipped so far, which are no updates.
    skipped: u64,
}

/// Steps after which the factor is doubled.
const GROWS_AFTER: u64 = 2000;
/// The largest: gradients in 32-bit floats stay finite.
const LARGEST: f64 = (1_u64 << 40) as f64;

impl Default for LossScale {
    fn default() -> Self {
        Self::new(65_536.0)
    }
}

impl LossScale {
    /// Begins with a factor, a power of two: others are taken as the next lower one from 1 to 2^40.
    #[must_use]
    pub fn new(scale: f64) -> Self {
        let scale = scale.clamp(1.0, LARGEST).log2().floor().exp2();
        Self { scale, good_steps: 0, skipped: 0 }
    }

    /// The factor.
    #[must_use]
    pub fn factor(&self) -> f64 {
        self.scale
    }

    /// How many steps were skipped so far.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// A step had finite gradients.
    pub(crate) fn good(&mut self) {
        self.good_steps += 1;
        if self.good_steps >= GROWS_AFTER {
            self.good_steps = 0;
            self.scale = (self.scale * 2.0).min(LARGEST);
        }
    }

    /// A step had a gradient that is not finite. False where a smaller factor would not help.
    pub(crate) fn overflowed(&mut self) -> bool {
        if self.scale <= 1.0 {
            return false;
        }
        self.good_steps = 0;
        self.skipped += 1;
        self.scale /= 2.0;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is(scale: LossScale, factor: f64) -> bool {
        scale.factor().to_bits() == factor.to_bits()
    }

    #[test]
    fn it_halves_at_once_and_doubles_after_many_steps() {
        let mut scale = LossScale::new(4.0);
        assert!(scale.overflowed());
        assert_eq!((scale.factor(), scale.skipped()), (2.0, 1));
        (1..GROWS_AFTER).for_each(|_| scale.good());
        assert!(is(scale, 2.0));
        scale.good();
        assert!(is(scale, 4.0));
        // What was counted before a step that is skipped counts no more.
        (1..GROWS_AFTER).for_each(|_| scale.good());
        assert!(scale.overflowed());
        scale.good();
        assert_eq!((scale.factor(), scale.skipped()), (2.0, 2));
    }

    #[test]
    fn it_stays_a_power_of_two_within_bounds() {
        assert!(is(LossScale::new(1000.0), 512.0));
        assert!(is(LossScale::new(0.0), 1.0));
        assert!(is(LossScale::new(f64::MAX), LARGEST));
        let mut least = LossScale::new(1.0);
        assert!(!least.overflowed());
        assert_eq!(least, LossScale::new(1.0));
        let mut largest = LossScale::new(LARGEST);
        (0..GROWS_AFTER).for_each(|_| largest.good());
        assert!(is(largest, LARGEST));
    }

    #[test]
    fn it_reads_back_as_it_is() {
        let mut scale = LossScale::new(1_073_741_824.0);
        scale.overflowed();
        scale.good();
        let text = serde_json::to_string(&scale).unwrap();
        assert_eq!(serde_json::from_str::<LossScale>(&text).unwrap(), scale);
    }
}
