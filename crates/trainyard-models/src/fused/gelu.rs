//! GELU, `x·Φ(x)` with the exact normal distribution function (Hendrycks and Gimpel, arXiv
//! 1606.08415).

use burn::backend::flex::FlexTensor;
use burn::backend::{Flex, Wgpu};
use burn::tensor::Tensor;
use multiversion::multiversion;
use trainyard_engine::kernels::{self, GpuTensor, Kernel};

use super::elementwise::{of_one, of_two};
use super::simd::exp;
use super::{Fused, apply, apply_on_gpu, input};
use crate::sixteen::{again, kept};

/// `x·Φ(x)`, element by element.
pub(crate) fn gelu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let on_gpu = || apply_on_gpu(Kernel::Gelu, Gelu, [input(&x)]);
    let fused = apply(Gelu, [input(&x)]).or_else(on_gpu);
    fused.unwrap_or_else(|| burn::tensor::activation::gelu(x))
}

#[derive(Clone, Debug)]
struct Gelu;

impl Fused<Flex, 1> for Gelu {
    type Saved = FlexTensor;

    fn forward(&self, [x]: [FlexTensor; 1]) -> (FlexTensor, FlexTensor) {
        (of_one(&x, forward), kept::<Flex>(x))
    }

    fn backward(&self, x: FlexTensor, gradient: FlexTensor, _: [bool; 1]) -> [FlexTensor; 1] {
        [of_two(&again::<Flex>(x), &gradient, backward)]
    }
}

impl Fused<Wgpu, 1> for Gelu {
    type Saved = GpuTensor;

    fn forward(&self, [x]: [GpuTensor; 1]) -> (GpuTensor, GpuTensor) {
        (kernels::gelu(&x), kept::<Wgpu>(x))
    }

    fn backward(&self, x: GpuTensor, gradient: GpuTensor, _: [bool; 1]) -> [GpuTensor; 1] {
        [kernels::gelu_backward(&again::<Wgpu>(x), &gradient)]
    }
}

/// `Φ(x)` and `e^(-x²/2)`.
///
/// `erfc` by Abramowitz and Stegun 7.1.26 (Hastings 1955), whose error is below 1.5e-7. It needs
/// the exponential that the derivative needs too, and as it gives the tail itself nothing cancels
/// on the negative side.
#[inline(always)]
fn normal(x: f32) -> (f32, f32) {
    let bell = exp(-0.5 * x * x);
    let t = 1.0 / (1.0 + (0.327_591_1 * std::f32::consts::FRAC_1_SQRT_2) * x.abs());
    let mut p = 1.061_405_4;
    p = p * t - 1.453_152;
    p = p * t + 1.421_413_7;
    p = p * t - 0.284_496_74;
    p = p * t + 0.254_829_6;
    let tail = 0.5 * p * t * bell;
    (if x < 0.0 { tail } else { 1.0 - tail }, bell)
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn forward(x: &[f32], output: &mut [f32]) {
    for (output, &x) in output.iter_mut().zip(x) {
        *output = x * normal(x).0;
    }
}

/// `(x·Φ(x))′ = Φ(x) + x·φ(x)`
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn backward(x: &[f32], gradient: &[f32], output: &mut [f32]) {
    const DENSITY: f32 = 0.398_942_3;
    for ((output, &x), &gradient) in output.iter_mut().zip(x).zip(gradient) {
        let (distribution, bell) = normal(x);
        *output = gradient * (distribution + x * DENSITY * bell);
    }
}
