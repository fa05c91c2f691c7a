//! The norms of architectures: by the root mean square, or with the mean taken off.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use trainyard_engine::EngineError;
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
    /// A norm whose gains, and biases where its architecture has some, are the vectors `weight` and `bias`.
    ///
    /// # Errors
    /// Whatever `vector` fails with.
    pub(super) fn new(
        vector: impl Fn(&str) -> Result<Param<Tensor<1>>, EngineError>,
        config: &ModelConfig,
    ) -> Result<Self, EngineError> {
        use Architecture::{Gemma2, Gemma3, Gpt2, GptNeox};
        let centers =
            matches!(config.architecture, Gpt2 | GptNeox) || config.architecture.is_encoder();
        Ok(Self {
            weight: vector("weight")?,
            bias: centers.then(|| vector("bias")).transpose()?,
            epsilon: config.epsilon,
            centers,
            less_one: matches!(config.architecture, Gemma2 | Gemma3),
        })
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
