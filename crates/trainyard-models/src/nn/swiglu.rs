//! A gated linear unit.

use burn::config::Config;
use burn::module::Module;
use burn::nn::{Initializer, LinearLayout};
use burn::tensor::{Device, Tensor};

use super::{Linear, LinearConfig};
use crate::fused;

/// [`burn::nn::SwiGluConfig`].
#[derive(Config, Debug)]
pub struct SwiGluConfig {
    /// Numbers that come in.
    pub d_input: usize,
    /// Numbers that go out.
    pub d_output: usize,
    /// Whether the linear layers have biases.
    #[config(default = false)]
    pub bias: bool,
    /// How the weights begin.
    #[config(
        default = "Initializer::KaimingUniform { gain: 1.0 / 3.0_f64.sqrt(), fan_out_only: false }"
    )]
    pub initializer: Initializer,
    /// The layout in which the weights are stored.
    #[config(default = "LinearLayout::Row")]
    pub layout: LinearLayout,
}

impl SwiGluConfig {
    /// Makes the layer.
    pub fn init(&self, device: &Device) -> SwiGlu {
        let linear = LinearConfig::new(self.d_input, self.d_output)
            .with_bias(self.bias)
            .with_initializer(self.initializer.clone())
            .with_layout(self.layout);
        let [linear_inner, linear_outer] = [(); 2].map(|()| linear.init(device));
        SwiGlu { linear_inner, linear_outer }
    }
}

/// [`burn::nn::SwiGlu`], `silu(x·V (+ b)) · (x·W (+ c))` on the last dimension, with weight gradients that can
/// wait and the gate in one pass.
#[derive(Module, Debug)]
pub struct SwiGlu {
    /// What the gate opens by.
    pub linear_inner: Linear,
    /// What goes through.
    pub linear_outer: Linear,
}

impl SwiGlu {
    /// `[…, d_input]` to `[…, d_output]`
    pub fn forward<const D: usize>(&self, input: Tensor<D>) -> Tensor<D> {
        let gate = self.linear_inner.forward(input.clone());
        fused::swiglu(gate, self.linear_outer.forward(input))
    }
}
