//! Dropout.

use std::fmt::{self, Debug, Formatter};

use burn::config::Config;
use burn::module::{Flag, Module, Param};
use burn::tensor::{Device, Tensor};
use trainyard_engine::next_seed;

use crate::fused;

/// [`burn::nn::DropoutConfig`].
#[derive(Config, Debug)]
pub struct DropoutConfig {
    /// The share of elements that is dropped.
    pub prob: f64,
}

impl DropoutConfig {
    /// Makes the layer.
    ///
    /// # Panics
    /// As Burn's, if `prob` is not at least 0 and below 1.
    pub fn init(&self) -> Dropout {
        let burns = burn::nn::DropoutConfig::new(self.prob).init();
        Dropout { prob: burns.prob, training: burns.training }
    }
}

/// [`burn::nn::Dropout`], whose mask follows from the pass's seed ([`next_seed`]) and the elements' numbers:
/// the same on every device, drawn again for the backward and in a recomputed forward instead of being kept.
///
/// Burn's own works too, but draws from Burn's generator, which is one for the whole process: layers with it
/// run alone. Outside a pipeline this one does as Burn's.
#[derive(Module)]
pub struct Dropout {
    /// The share of elements that is dropped.
    pub prob: f64,
    /// Off in a module that was frozen.
    pub training: Param<Flag>,
}

impl Dropout {
    /// `[…]` to the same. With autodiff alone, as Burn's.
    pub fn forward<const D: usize>(&self, input: Tensor<D>) -> Tensor<D> {
        if !self.drops(&input.device()) {
            return input;
        }
        if let Some(seed) = next_seed() {
            return fused::dropout(input, self.prob, seed);
        }
        burn::nn::Dropout { prob: self.prob, training: self.training.clone() }.forward(input)
    }

    /// Whether something is dropped of a tensor on this device.
    pub(crate) fn drops(&self, device: &Device) -> bool {
        self.training.is_enabled() && device.is_autodiff() && self.prob > 0.0
    }
}

impl Debug for Dropout {
    /// Not like Burn's, by whose text the engine knows modules that draw from Burn's generator.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Dropout").field(&self.prob).field(&self.training.is_enabled()).finish()
    }
}
