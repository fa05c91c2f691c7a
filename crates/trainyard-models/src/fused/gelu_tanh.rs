//! GELU by a hyperbolic tangent (Hendrycks and Gimpel, arXiv 1606.08415, §2), as GPT-2 and Gemma have it:
//! `x·(1 + tanh u)/2` with `u = √(2/π)·(x + 0.044715·x³)`, which is `x/(1 + e^(−2u))`.

use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use burn::tensor::Tensor;
use multiversion::multiversion;

use super::elementwise::{of_one, of_two};
use super::simd::exp;
use super::{Fused, apply, input};
use crate::sixteen::{again, kept};

/// `2·√(2/π)`
const TWICE: f32 = 1.595_769;
const CUBIC: f32 = 0.044_715;

/// Element by element.
pub(crate) fn gelu_tanh<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let fused = apply(GeluTanh, [input(&x)]);
    fused.unwrap_or_else(|| burn::tensor::activation::gelu_approximate(x))
}

#[derive(Clone, Debug)]
struct GeluTanh;

impl Fused<Flex, 1> for GeluTanh {
    type Saved = FlexTensor;

    fn forward(&self, [x]: [FlexTensor; 1]) -> (FlexTensor, FlexTensor) {
        (of_one(&x, forward), kept::<Flex>(x))
    }

    fn backward(&self, x: FlexTensor, gradient: FlexTensor, _: [bool; 1]) -> [FlexTensor; 1] {
        [of_two(&again::<Flex>(x), &gradient, backward)]
    }
}

/// `1/(1 + e^(−2u))`
#[inline(always)]
fn gate(x: f32) -> f32 {
    1.0 / (1.0 + exp(-TWICE * (x + CUBIC * x * x * x)))
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn forward(x: &[f32], output: &mut [f32]) {
    for (output, &x) in output.iter_mut().zip(x) {
        *output = x * gate(x);
    }
}

/// `σ + x·σ·(1 − σ)·2u′`
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn backward(x: &[f32], gradient: &[f32], output: &mut [f32]) {
    for ((output, &x), &gradient) in output.iter_mut().zip(x).zip(gradient) {
        let gate = gate(x);
        let slope = TWICE * (1.0 + 3.0 * CUBIC * x * x);
        *output = gradient * (gate + x * gate * (1.0 - gate) * slope);
    }
}
