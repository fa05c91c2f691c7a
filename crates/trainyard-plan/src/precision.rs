//! The numbers in which a device computes products.

use serde::{Deserialize, Serialize};

/// The numbers in which a device computes products. Weights, gradients of weights and all else are 32-bit
/// floats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32-bit floats.
    #[default]
    F32,
    /// IEEE 754 half precision: 11 significant bits, sizes from 6e-8 to 65504.
    F16,
    /// The upper half of a 32-bit float: 8 significant bits, all sizes.
    Bf16,
}

impl Precision {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::F32, Self::F16, Self::Bf16];

    /// Its name in run files: `f32`, `f16`, `bf16`.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
        }
    }

    /// Whether it is [`Self::F32`], which files leave out.
    #[must_use]
    pub fn is_f32(&self) -> bool {
        *self == Self::F32
    }
}
