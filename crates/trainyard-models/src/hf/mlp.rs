//! The products beside attention.

use burn::module::Module;
use burn::tensor::Tensor;
use trainyard_engine::EngineError;
use trainyard_pretrained::{Activation, ModelConfig};

use super::block::FeedsForward;
use super::projection::Projection;
use super::weights::Weights;
use crate::fused;

/// `down(act(gate(x))·up(x))` (Shazeer, arXiv 2002.05202).
#[derive(Module, Debug)]
pub(super) struct GatedMlp {
    gate: Projection,
    up: Projection,
    down: Projection,
    #[module(skip)]
    activation: Activation,
}

impl FeedsForward for GatedMlp {
    fn new(weights: &Weights<'_>, config: &ModelConfig) -> Result<Self, EngineError> {
        let (width, inside) = (config.width, config.feed_forward);
        let of = |name: &str, sizes| weights.projection(name, sizes, config.biases.mlp);
        Ok(Self {
            gate: of("mlp.gate", [width, inside])?,
            up: of("mlp.up", [width, inside])?,
            down: of("mlp.down", [inside, width])?,
            activation: config.activation,
        })
    }

    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let x = Projection::input_of([&self.gate, &self.up], x);
        let gate = self.gate.forward(x.clone());
        self.down.forward(gated(self.activation, gate, self.up.forward(x)))
    }
}

/// The same with gate and what goes through it in one product, in this order.
#[derive(Module, Debug)]
pub(super) struct JoinedMlp {
    gate_up: Projection,
    down: Projection,
    #[module(skip)]
    activation: Activation,
}

impl FeedsForward for JoinedMlp {
    fn new(weights: &Weights<'_>, config: &ModelConfig) -> Result<Self, EngineError> {
        let (width, inside) = (config.width, config.feed_forward);
        let of = |name: &str, sizes| weights.projection(name, sizes, config.biases.mlp);
        Ok(Self {
            gate_up: of("mlp.gate_up", [width, inside.saturating_mul(2)])?,
            down: of("mlp.down", [inside, width])?,
            activation: config.activation,
        })
    }

    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let both = self.gate_up.forward(x);
        let inside = both.dims()[2] / 2;
        let [gate, up] = [0, 1].map(|part| both.clone().narrow(2, part * inside, inside));
        self.down.forward(gated(self.activation, gate, up))
    }
}

/// `down(act(up(x)))`
#[derive(Module, Debug)]
pub(super) struct Mlp {
    up: Projection,
    down: Projection,
    #[module(skip)]
    activation: Activation,
}

impl FeedsForward for Mlp {
    fn new(weights: &Weights<'_>, config: &ModelConfig) -> Result<Self, EngineError> {
        let (width, inside) = (config.width, config.feed_forward);
        Ok(Self {
            up: weights.projection("mlp.up", [width, inside], true)?,
            down: weights.projection("mlp.down", [inside, width], true)?,
            activation: config.activation,
        })
    }

    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        self.down.forward(activate(self.activation, self.up.forward(x)))
    }
}

fn gated(activation: Activation, gate: Tensor<3>, up: Tensor<3>) -> Tensor<3> {
    match activation {
        Activation::Silu => fused::swiglu(gate, up),
        other => activate(other, gate) * up,
    }
}

/// A function of one number, on each.
pub(super) fn activate(activation: Activation, x: Tensor<3>) -> Tensor<3> {
    match activation {
        Activation::Silu => burn::tensor::activation::silu(x),
        Activation::Gelu => fused::gelu(x),
        Activation::GeluTanh => fused::gelu_tanh(x),
    }
}
