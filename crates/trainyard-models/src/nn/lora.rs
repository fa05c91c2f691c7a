//! A low-rank adapter (Hu et al., arXiv 2106.09685).

use burn::config::Config;
use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::tensor::{Device, Tensor};
use trainyard_engine::{EngineError, weight};

use super::linear::linear_turned;
use super::{Dropout, DropoutConfig};
use crate::sixteen::in_32_bits;
use crate::weight_init::WeightInit;

/// How a [`Lora`] is made.
#[derive(Config, Debug)]
pub struct LoraConfig {
    /// Numbers that come in.
    pub d_input: usize,
    /// Numbers that go out.
    pub d_output: usize,
    /// Numbers between the two products.
    #[config(default = 16)]
    pub rank: usize,
    /// The adapter counts `alpha ÷ rank` times.
    #[config(default = 32.0)]
    pub alpha: f64,
    /// The share of the input that is dropped in training.
    #[config(default = 0.0)]
    pub dropout: f64,
}

/// What a frozen linear layer of `d_input` and `d_output` learns: `(alpha ÷ rank)·B·A·dropout(x)`, to be added to
/// what the layer gives. It begins as nothing: `B` is 0, and `A` as PEFT begins it, uniform up to `1/√d_input`.
/// The gradients of both can wait.
#[derive(Module, Debug)]
pub struct Lora {
    /// A, `[rank, d_input]`
    pub a: Param<Tensor<2>>,
    /// B, `[d_output, rank]`
    pub b: Param<Tensor<2>>,
    dropout: Dropout,
    scale: f64,
}

impl LoraConfig {
    /// Makes the adapter, with Burn's own generator.
    ///
    /// # Panics
    /// If `dropout` is not at least 0 and below 1.
    pub fn init(&self, device: &Device) -> Lora {
        let bound = self.bound();
        let a = Initializer::Uniform { min: -bound, max: bound };
        let a = a.init([self.rank, self.d_input], device);
        self.with(a, Initializer::Zeros.init([self.d_output, self.rank], device))
    }

    /// Makes the adapter from a layer's source of initial weights.
    ///
    /// # Errors
    /// As [`WeightInit::normal`].
    pub(crate) fn drawn(
        &self,
        initial: &mut WeightInit,
        device: &Device,
    ) -> Result<Lora, EngineError> {
        let (of_a, of_b) = ([self.rank, self.d_input], [self.d_output, self.rank]);
        let a = weight(initial.uniform(of_a, self.bound())?, of_a, device);
        let b = weight(vec![0.0; self.d_output * self.rank], of_b, device);
        Ok(self.with(a, b))
    }

    /// Kaiming's uniform bound with `a = √5`: `√(6/((1 + a²)·d_input))`.
    fn bound(&self) -> f64 {
        1.0 / (self.d_input.max(1) as f64).sqrt()
    }

    fn with(&self, a: Param<Tensor<2>>, b: Param<Tensor<2>>) -> Lora {
        let dropout = DropoutConfig::new(self.dropout).init();
        Lora { a, b, dropout, scale: self.alpha / self.rank.max(1) as f64 }
    }
}

impl Lora {
    /// `[…, d_input]` to `[…, d_output]`, what is to be added to the frozen layer's output.
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        let x =
            if self.dropout.drops(&x.device()) { self.dropout.forward(in_32_bits(x)) } else { x };
        let low = linear_turned(x, self.a.val(), None);
        // Where it is small.
        linear_turned(low * self.scale, self.b.val(), None)
    }

    /// `alpha ÷ rank`, by which `B·A` counts.
    pub fn scale(&self) -> f64 {
        self.scale
    }
}
