//! Random numbers that are the same on every machine: a stream for each pair of numbers and use.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Keeps streams for different uses apart.
#[derive(Clone, Copy)]
pub(crate) enum Use {
    /// Order of the samples in an epoch.
    Order,
    /// Offset of a text's windows in an epoch.
    Offset,
    /// Choice of the validation samples.
    Split,
    /// A synthetic training sample.
    Sample,
    /// A synthetic validation sample.
    Validation,
    /// Which tokens of a training sample are masked.
    Mask,
    /// Which tokens of a validation sample are.
    ValidationMask,
}

impl Use {
    fn label(self) -> [u8; 16] {
        *match self {
            Self::Order => b"trainyard order ",
            Self::Offset => b"trainyard offset",
            Self::Split => b"trainyard split ",
            Self::Sample => b"trainyard sample",
            Self::Validation => b"trainyard valid.",
            Self::Mask => b"trainyard mask  ",
            Self::ValidationMask => b"trainyard mask v",
        }
    }
}

/// The stream of a seed, a number (an epoch, a position) and a use.
pub(crate) fn stream(seed: u64, number: u64, purpose: Use) -> ChaCha8Rng {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(&number.to_le_bytes());
    key[16..].copy_from_slice(&purpose.label());
    ChaCha8Rng::from_seed(key)
}

/// A random number below `end`, the same with every version of `rand`. Its bias is below
/// `end` ÷ 2⁶⁴.
pub(crate) fn below(random: &mut ChaCha8Rng, end: u64) -> u64 {
    ((u128::from(random.next_u64()) * u128::from(end)) >> 64) as u64
}

/// A random number from 0 up to but not including 1, in steps of 2⁻⁵³.
pub(crate) fn unit(random: &mut ChaCha8Rng) -> f64 {
    below(random, 1 << 53) as f64 / (1_u64 << 53) as f64
}
