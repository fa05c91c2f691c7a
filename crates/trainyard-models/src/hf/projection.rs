//! A product with a matrix, as every architecture has it.

use burn::module::{Module, Param};
use burn::tensor::Tensor;

use crate::nn;

/// `x·Wᵀ (+ b)` on the last dimension, with a weight gradient that can wait.
#[derive(Module, Debug)]
pub(crate) struct Projection {
    /// `[outputs, inputs]`
    pub(crate) weight: Param<Tensor<2>>,
    /// `[outputs]`
    pub(crate) bias: Option<Param<Tensor<1>>>,
}

impl Projection {
    /// `[batch, positions, inputs]` to `[batch, positions, outputs]`.
    pub(crate) fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        nn::linear_turned(x, self.weight.val(), self.bias.as_ref().map(Param::val))
    }
}
