//! Norms.

use burn::config::Config;
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};

use crate::fused;

/// [`burn::nn::LayerNormConfig`].
#[derive(Config, Debug)]
pub struct LayerNormConfig {
    /// Numbers of a row.
    pub d_model: usize,
    /// Keeps the division finite.
    #[config(default = 1e-5)]
    pub epsilon: f64,
    /// Whether there is a bias.
    #[config(default = true)]
    pub bias: bool,
}

impl LayerNormConfig {
    /// Makes the layer.
    pub fn init(&self, device: &Device) -> LayerNorm {
        let burns = burn::nn::LayerNormConfig::new(self.d_model).with_bias(self.bias).init(device);
        LayerNorm { gamma: burns.gamma, beta: burns.beta, epsilon: self.epsilon }
    }
}

/// [`burn::nn::LayerNorm`], `(x − mean)/√(variance + epsilon) · gamma (+ beta)` on the last dimension, in one
/// pass.
#[derive(Module, Debug)]
pub struct LayerNorm {
    /// `[d_model]`
    pub gamma: Param<Tensor<1>>,
    /// `[d_model]`
    pub beta: Option<Param<Tensor<1>>>,
    epsilon: f64,
}

impl LayerNorm {
    /// `[…, d_model]` to the same.
    pub fn forward<const D: usize>(&self, input: Tensor<D>) -> Tensor<D> {
        let beta = self.beta.as_ref().map(Param::val);
        fused::layer_norm(input, self.gamma.val(), beta, self.epsilon)
    }
}

/// [`burn::nn::RmsNormConfig`].
#[derive(Config, Debug)]
pub struct RmsNormConfig {
    /// Numbers of a row.
    pub d_model: usize,
    /// Keeps the division finite.
    #[config(default = 1e-5)]
    pub epsilon: f64,
}

impl RmsNormConfig {
    /// Makes the layer.
    ///
    /// # Panics
    /// As Burn's, if `epsilon` is not positive.
    pub fn init(&self, device: &Device) -> RmsNorm {
        let burns =
            burn::nn::RmsNormConfig::new(self.d_model).with_epsilon(self.epsilon).init(device);
        RmsNorm { gamma: burns.gamma, epsilon: burns.epsilon }
    }
}

/// [`burn::nn::RmsNorm`], `x/√(mean(x²) + epsilon) · gamma` on the last dimension, in one pass.
#[derive(Module, Debug)]
pub struct RmsNorm {
    /// `[d_model]`
    pub gamma: Param<Tensor<1>>,
    /// Keeps the division finite.
    pub epsilon: f64,
}

impl RmsNorm {
    /// `[…, d_model]` to the same.
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        let gamma = self.gamma.val();
        fused::rms_norm(&x, &gamma, self.epsilon).unwrap_or_else(|| {
            let burns = burn::nn::RmsNorm { gamma: self.gamma.clone(), epsilon: self.epsilon };
            burns.forward(x)
        })
    }
}

/// `x/√(mean(x²) + epsilon) · gain` on the last dimension, `[…, width]`.
pub(crate) fn rms_norm<const D: usize>(x: Tensor<D>, gain: Tensor<1>, epsilon: f64) -> Tensor<D> {
    fused::rms_norm(&x, &gain, epsilon).unwrap_or_else(|| {
        let squares = (x.clone() * x.clone()).mean_dim(D - 1);
        x / (squares + epsilon).sqrt() * gain.unsqueeze()
    })
}
