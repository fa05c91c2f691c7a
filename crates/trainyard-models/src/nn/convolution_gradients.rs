//! Convolutions and their gradients, by Burn's own kernels.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, TensorMetadata};
use burn::tensor::Shape;
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions};

use crate::weighted::{Weighted, of_shape};

#[derive(Clone, Debug)]
pub(super) struct Convolution1(pub(super) ConvOptions<1>);

#[derive(Clone, Debug)]
pub(super) struct Convolution2(pub(super) ConvOptions<2>);

#[derive(Clone, Debug)]
pub(super) struct Transposed2(pub(super) ConvTransposeOptions<2>);

macro_rules! convolution {
    (
        $operation:ident, $forward:ident, $of_weight:ident, $of_bias:ident,
        |$x:ident, $weight:ident, $gradient:ident| $of_x:ident($($given:ident),*)
    ) => {
        impl<B: Backend> Weighted<B> for $operation {
            fn forward(
                &self,
                x: &FloatTensor<B>,
                weight: &FloatTensor<B>,
                bias: Option<&FloatTensor<B>>,
            ) -> FloatTensor<B> {
                B::$forward(x.clone(), weight.clone(), bias.cloned(), self.0.clone())
            }

            fn input_gradient(
                &self,
                shape: Shape,
                $weight: &FloatTensor<B>,
                $gradient: &FloatTensor<B>,
            ) -> FloatTensor<B> {
                // Of the input Burn's kernels look at the shape alone.
                let $x = &of_shape::<B>(shape, $weight.dtype(), $weight);
                B::$of_x($($given.clone(),)* self.0.clone())
            }

            fn weight_gradient(
                &self,
                x: FloatTensor<B>,
                weight: FloatTensor<B>,
                gradient: FloatTensor<B>,
            ) -> FloatTensor<B> {
                B::$of_weight(x, weight, gradient, self.0.clone())
            }

            fn bias_gradient(
                &self,
                x: FloatTensor<B>,
                bias: FloatTensor<B>,
                gradient: FloatTensor<B>,
            ) -> FloatTensor<B> {
                B::$of_bias(x, bias, gradient)
            }
        }
    };
}

convolution!(
    Convolution1,
    conv1d,
    conv1d_weight_backward,
    conv1d_bias_backward,
    |x, weight, gradient| conv1d_x_backward(x, weight, gradient)
);
convolution!(
    Convolution2,
    conv2d,
    conv2d_weight_backward,
    conv2d_bias_backward,
    |x, weight, gradient| conv2d_x_backward(x, weight, gradient)
);
convolution!(
    Transposed2,
    conv_transpose2d,
    conv_transpose2d_weight_backward,
    conv_transpose2d_bias_backward,
    |_x, weight, gradient| conv_transpose2d_x_backward(weight, gradient)
);
