//! `SwiGLU` (Shazeer, arXiv 2002.05202), `silu(gate)·up` with `silu(x) = x/(1 + e⁻ˣ)`.

use burn::backend::flex::FlexTensor;
use burn::backend::{Flex, Wgpu};
use burn::tensor::Tensor;
use multiversion::multiversion;
use rayon::prelude::*;
use trainyard_engine::kernels::{self, GpuTensor, Kernel};

use super::elementwise::of_two;
use super::simd::exp;
use super::{CHUNK, Fused, apply, apply_on_gpu, input, shape, tensor, values};
use crate::sixteen::{again, kept};

/// `silu(gate)·up`, element by element, of two tensors of one shape.
pub(crate) fn swiglu<const D: usize>(gate: Tensor<D>, up: Tensor<D>) -> Tensor<D> {
    let is_ours = gate.dims() == up.dims();
    let on_gpu = || apply_on_gpu(Kernel::SwiGlu, SwiGlu, [input(&gate), input(&up)]);
    let fused = || apply(SwiGlu, [input(&gate), input(&up)]).or_else(on_gpu);
    let fused = is_ours.then(fused).flatten();
    fused.unwrap_or_else(|| burn::tensor::activation::silu(gate) * up)
}

#[derive(Clone, Debug)]
struct SwiGlu;

impl Fused<Flex, 2> for SwiGlu {
    type Saved = [FlexTensor; 2];

    fn forward(&self, [gate, up]: [FlexTensor; 2]) -> (FlexTensor, [FlexTensor; 2]) {
        (of_two(&gate, &up, forward), [gate, up].map(kept::<Flex>))
    }

    fn backward(
        &self,
        saved: [FlexTensor; 2],
        gradient: FlexTensor,
        _: [bool; 2],
    ) -> [FlexTensor; 2] {
        let [gate, up] = saved.map(again::<Flex>);
        let mut of_gate = vec![0.0; values(&gate).len()];
        let mut of_up = of_gate.clone();
        let inputs = values(&gate).par_chunks(CHUNK).zip(values(&up).par_chunks(CHUNK));
        let inputs = inputs.zip(values(&gradient).par_chunks(CHUNK));
        let chunks = of_gate.par_chunks_mut(CHUNK).zip(of_up.par_chunks_mut(CHUNK)).zip(inputs);
        chunks.for_each(|((of_gate, of_up), ((gate, up), gradient))| {
            backward(gate, up, gradient, of_gate, of_up);
        });
        [of_gate, of_up].map(|values| tensor(values, shape(&gate)))
    }
}

impl Fused<Wgpu, 2> for SwiGlu {
    type Saved = [GpuTensor; 2];

    fn forward(&self, [gate, up]: [GpuTensor; 2]) -> (GpuTensor, [GpuTensor; 2]) {
        (kernels::swiglu(&gate, &up), [gate, up].map(kept::<Wgpu>))
    }

    fn backward(&self, saved: [GpuTensor; 2], gradient: GpuTensor, _: [bool; 2]) -> [GpuTensor; 2] {
        let [gate, up] = saved.map(again::<Wgpu>);
        kernels::swiglu_backward(&gate, &up, &gradient)
    }
}

/// `1/(1 + e⁻ˣ)`
#[inline(always)]
fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn forward(gate: &[f32], up: &[f32], output: &mut [f32]) {
    for ((output, &gate), &up) in output.iter_mut().zip(gate).zip(up) {
        *output = gate * sigmoid(gate) * up;
    }
}

/// `silu′(x) = σ(x)·(1 + x·(1 − σ(x)))`
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn backward(gate: &[f32], up: &[f32], gradient: &[f32], of_gate: &mut [f32], of_up: &mut [f32]) {
    let inputs = gate.iter().zip(up).zip(gradient);
    for ((of_gate, of_up), ((&gate, &up), &gradient)) in of_gate.iter_mut().zip(of_up).zip(inputs) {
        let sigmoid = sigmoid(gate);
        let silu = gate * sigmoid;
        *of_gate = gradient * up * (sigmoid + silu * (1.0 - sigmoid));
        *of_up = gradient * silu;
    }
}
