//! A product with a matrix, as every architecture has it, and what an adapter adds to it.

use burn::module::{Module, Param};
use burn::tensor::Tensor;

use crate::nn::{self, Lora, PackedWeight};
use crate::sixteen::input_of_products;

/// `x·Wᵀ (+ b)` on the last dimension, with a weight gradient that can wait.
#[derive(Module, Debug)]
pub(crate) struct Projection {
    /// `[outputs, inputs]`; None where it is packed.
    pub(crate) weight: Option<Param<Tensor<2>>>,
    /// The frozen weight in its place.
    pub(crate) packed: Option<PackedWeight>,
    /// `[outputs]`
    pub(crate) bias: Option<Param<Tensor<1>>>,
    /// What is learned where the weight is frozen.
    pub(crate) lora: Option<Lora>,
}

impl Projection {
    /// What several products take, as they take it; blocks take 32-bit floats.
    pub(super) fn input_of<const N: usize>(products: [&Self; N], x: Tensor<3>) -> Tensor<3> {
        let takes_blocks = products.iter().any(|product| product.packed.is_some());
        if takes_blocks { x } else { input_of_products(x) }
    }

    /// `[batch, positions, inputs]` to `[batch, positions, outputs]`.
    pub(crate) fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        match &self.lora {
            Some(lora) => self.product(x.clone()) + lora.forward(x),
            None => self.product(x),
        }
    }

    fn product(&self, x: Tensor<3>) -> Tensor<3> {
        let bias = self.bias.as_ref().map(Param::val);
        match (&self.weight, &self.packed) {
            (Some(weight), _) => nn::linear_turned(x, weight.val(), bias),
            (None, Some(packed)) => {
                let output = packed.linear(x);
                match bias {
                    Some(bias) => output + bias.unsqueeze(),
                    None => output,
                }
            }
            // A product has the one or the other.
            (None, None) => x,
        }
    }
}
