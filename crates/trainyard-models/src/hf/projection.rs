//! A product with a matrix, as every architecture has it, and what an adapter adds to it.

use burn::module::{Module, Param};
use burn::tensor::Tensor;

use crate::nn::{self, Lora};

/// `x·Wᵀ (+ b)` on the last dimension, with a weight gradient that can wait.
#[derive(Module, Debug)]
pub(crate) struct Projection {
    /// `[outputs, inputs]`
    pub(crate) weight: Param<Tensor<2>>,
    /// `[outputs]`
    pub(crate) bias: Option<Param<Tensor<1>>>,
    /// What is learned where the weight is frozen.
    pub(crate) lora: Option<Lora>,
}

impl Projection {
    /// `[batch, positions, inputs]` to `[batch, positions, outputs]`.
    pub(crate) fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let bias = self.bias.as_ref().map(Param::val);
        match &self.lora {
            Some(lora) => nn::linear_turned(x.clone(), self.weight.val(), bias) + lora.forward(x),
            None => nn::linear_turned(x, self.weight.val(), bias),
        }
    }
}
