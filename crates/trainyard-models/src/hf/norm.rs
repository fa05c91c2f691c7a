//! The norms of decoders: by the root mean square, or with the mean taken off.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use trainyard_pretrained::{Architecture, ModelConfig};

use crate::{fused, nn};

/// A norm over the last dimension.
#[derive(Module, Debug)]
pub(super) struct Norm {
    /// `[width]`
    pub(super) weight: Param<Tensor<1>>,
    /// `[width]`
    pub(super) bias: Option<Param<Tensor<1>>>,
    epsilon: f64,
    /// Whether the mean is taken off, and what is divided by is the deviation.
    centers: bool,
    /// Whether gains are kept less one, as Gemma's are.
    less_one: bool,
}

impl Norm {
    pub(super) fn new(
        weight: Param<Tensor<1>>,
        bias: Option<Param<Tensor<1>>>,
        config: &ModelConfig,
    ) -> Self {
        use Architecture::{Gemma2, Gemma3, Gpt2, GptNeox};
        Self {
            weight,
            bias,
            epsilon: config.epsilon,
            centers: matches!(config.architecture, Gpt2 | GptNeox),
            less_one: matches!(config.architecture, Gemma2 | Gemma3),
        }
    }

    /// `[…, width]` to the same.
    pub(super) fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        let weight = self.weight.val();
        let gain = if self.less_one { weight.add_scalar(1.0) } else { weight };
        if self.centers {
            let bias = self.bias.as_ref().map(Param::val);
            return fused::layer_norm(x, gain, bias, self.epsilon);
        }
        nn::rms_norm(x, gain, self.epsilon)
    }
}
