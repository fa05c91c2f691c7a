//! Products in sixteen bits, with all else in 32.
//!
//! A product rounds what goes in and what comes out: its input, its weight and the gradient of its output, and
//! its output and the gradient of its input. Between operations there are 32-bit floats, so that norms, softmax,
//! losses and sums of gradients have all their bits, and no operation of Burn's meets two types of numbers. What
//! is rounded of the weight lives as long as the product takes; the input is kept for the gradient of the weight
//! as it was rounded, in two bytes a number, and so are the inputs of functions by elements ([`kept`]).

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Flex, TensorMetadata, Wgpu};
use burn::tensor::{DType, FloatDType, Shape, Tensor};
use trainyard_engine::sixteen_bits;

use crate::weighted::{Weighted, added, of_shape};

/// How a backend computes products in sixteen bits.
pub(crate) trait SixteenBits: Backend {
    /// Whether its products take numbers of sixteen bits, and add them up in more. Otherwise they take 32-bit
    /// floats that are rounded.
    const TAKES_THEM: bool;
}

impl SixteenBits for Flex {
    const TAKES_THEM: bool = false;
}

impl SixteenBits for Wgpu {
    const TAKES_THEM: bool = true;
}

/// An operation whose product is one in sixteen bits.
#[derive(Clone, Debug)]
pub(crate) struct InSixteenBits<O> {
    pub(crate) operation: O,
    pub(crate) dtype: FloatDType,
}

impl<O> InSixteenBits<O> {
    /// As the operation takes it.
    fn operand<B: SixteenBits>(&self, numbers: FloatTensor<B>) -> FloatTensor<B> {
        let rounded = B::float_cast(numbers, self.dtype);
        if B::TAKES_THEM { rounded } else { again::<B>(rounded) }
    }

    /// What the operation gives, in 32-bit floats.
    fn result<B: SixteenBits>(&self, numbers: FloatTensor<B>) -> FloatTensor<B> {
        again::<B>(B::float_cast(numbers, self.dtype))
    }
}

impl<B: SixteenBits, O: Weighted<B>> Weighted<B> for InSixteenBits<O> {
    fn taken(&self, x: FloatTensor<B>) -> FloatTensor<B> {
        B::float_cast(x, self.dtype)
    }

    fn forward(
        &self,
        x: &FloatTensor<B>,
        weight: &FloatTensor<B>,
        bias: Option<&FloatTensor<B>>,
    ) -> FloatTensor<B> {
        let [x, weight] = [x, weight].map(|it| self.operand::<B>(it.clone()));
        let bias = bias.map(|bias| self.operand::<B>(bias.clone()));
        self.result::<B>(self.operation.forward(&x, &weight, bias.as_ref()))
    }

    fn input_gradient(
        &self,
        shape: Shape,
        weight: &FloatTensor<B>,
        gradient: &FloatTensor<B>,
    ) -> FloatTensor<B> {
        let [weight, gradient] = [weight, gradient].map(|it| self.operand::<B>(it.clone()));
        self.result::<B>(self.operation.input_gradient(shape, &weight, &gradient))
    }

    fn weight_gradient(
        &self,
        x: FloatTensor<B>,
        weight: FloatTensor<B>,
        gradient: FloatTensor<B>,
    ) -> FloatTensor<B> {
        let [x, gradient] = [x, gradient].map(|it| self.operand::<B>(it));
        // Of the weight the shape alone counts.
        let weight = of_shape::<B>(weight.shape(), gradient.dtype(), &gradient);
        again::<B>(self.operation.weight_gradient(x, weight, gradient))
    }

    fn add_weight_gradient(
        &self,
        x: FloatTensor<B>,
        weight: FloatTensor<B>,
        gradient: FloatTensor<B>,
        sum: Option<FloatTensor<B>>,
    ) -> FloatTensor<B> {
        if B::TAKES_THEM {
            return added::<B>(self.weight_gradient(x, weight, gradient), sum);
        }
        let [x, gradient] = [x, gradient].map(|it| self.operand::<B>(it));
        self.operation.add_weight_gradient(x, weight, gradient, sum)
    }

    fn bias_gradient(
        &self,
        x: FloatTensor<B>,
        bias: FloatTensor<B>,
        gradient: FloatTensor<B>,
    ) -> FloatTensor<B> {
        self.operation.bias_gradient(x, bias, gradient)
    }
}

/// What a step of the graph keeps of a tensor until its backward: rounded to sixteen bits where the device's
/// products are in these.
pub(crate) fn kept<B: Backend>(tensor: FloatTensor<B>) -> FloatTensor<B> {
    match sixteen_bits() {
        Some(dtype) => B::float_cast(tensor, dtype),
        None => tensor,
    }
}

/// What was kept, in 32-bit floats.
pub(crate) fn again<B: Backend>(kept: FloatTensor<B>) -> FloatTensor<B> {
    B::float_cast(kept, FloatDType::F32)
}

/// The input of several products, for these alone: rounded once, so that it is also kept once.
pub(crate) fn input_of_products<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    match sixteen_bits() {
        Some(dtype) => x.cast(dtype),
        None => x,
    }
}

/// Such an input for something else.
pub(crate) fn in_32_bits<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    if x.dtype() == DType::F32 { x } else { x.cast(FloatDType::F32) }
}
