//! Layer normalization (Ba et al., arXiv 1607.06450) and normalization by the root mean square (Zhang and
//! Sennrich, arXiv 1910.07467) over the last dimension.

use std::sync::Arc;

use burn::backend::flex::FlexTensor;
use burn::backend::{Flex, Wgpu};
use burn::tensor::Tensor;
use multiversion::multiversion;
use rayon::prelude::*;
use trainyard_engine::kernels::{self, GpuTensor, Kernel, Norm};

use super::simd::sum;
use super::{Fused, apply, apply_on_gpu, input, shape, tensor, values};

/// Rows that one task computes; the weights' gradients are summed task by task, in order.
const ROWS: usize = 64;

/// `(x − mean)/√(variance + epsilon) · gain (+ bias)` of every row.
pub(crate) fn layer_norm<const D: usize>(
    x: Tensor<D>,
    gain: Tensor<1>,
    bias: Option<Tensor<1>>,
    epsilon: f64,
) -> Tensor<D> {
    let norm = Normalize { kind: Norm::Layer, epsilon: epsilon as f32 };
    let on_cpu = || match &bias {
        None => apply(norm, [input(&x), input(&gain)]),
        Some(bias) => apply(norm, [input(&x), input(&gain), input(bias)]),
    };
    let on_gpu = || match &bias {
        None => apply_on_gpu(Kernel::LayerNorm, norm, [input(&x), input(&gain)]),
        Some(bias) => apply_on_gpu(Kernel::LayerNorm, norm, [input(&x), input(&gain), input(bias)]),
    };
    let is_ours = fits(&x, &gain) && bias.as_ref().is_none_or(|bias| fits(&x, bias));
    let fused = is_ours.then(|| on_cpu().or_else(on_gpu)).flatten();
    fused.unwrap_or_else(|| burn::tensor::module::layer_norm(x, gain, bias, epsilon))
}

/// `x/√(mean(x²) + epsilon) · gain` of every row; None where there is no kernel for it.
pub(crate) fn rms_norm<const D: usize>(
    x: &Tensor<D>,
    gain: &Tensor<1>,
    epsilon: f64,
) -> Option<Tensor<D>> {
    let norm = Normalize { kind: Norm::Rms, epsilon: epsilon as f32 };
    let on_gpu = || apply_on_gpu(Kernel::RmsNorm, norm, [input(x), input(gain)]);
    let run = || apply(norm, [input(x), input(gain)]).or_else(on_gpu);
    fits(x, gain).then(run).flatten()
}

/// Whether a weight has a number for each of a row; other sizes Burn refuses.
fn fits<const D: usize>(x: &Tensor<D>, weight: &Tensor<1>) -> bool {
    let [width] = weight.dims();
    width > 0 && x.dims().last() == Some(&width)
}

#[derive(Clone, Copy, Debug)]
struct Normalize {
    kind: Norm,
    epsilon: f32,
}

/// Input, gain, and for every row its mean and the inverse of its deviation.
type Saved = (FlexTensor, FlexTensor, Arc<Vec<[f32; 2]>>);

impl Normalize {
    fn run(
        self,
        x: FlexTensor,
        gain: FlexTensor,
        bias: Option<&FlexTensor>,
    ) -> (FlexTensor, Saved) {
        let width = values(&gain).len();
        let mut output = vec![0.0; values(&x).len()];
        let mut statistics = vec![[0.0; 2]; values(&x).len() / width];
        let outputs = output.par_chunks_mut(ROWS * width).zip(statistics.par_chunks_mut(ROWS));
        let chunks = outputs.zip(values(&x).par_chunks(ROWS * width));
        let bias = bias.map(values);
        chunks.for_each(|((output, statistics), x)| {
            forward(self, x, values(&gain), bias, output, statistics);
        });
        (tensor(output, shape(&x)), (x, gain, Arc::new(statistics)))
    }

    /// Gradients of the input, the gain and the bias.
    fn reverse(self, (x, gain, statistics): Saved, gradient: &FlexTensor) -> [FlexTensor; 3] {
        let width = values(&gain).len();
        let mut output = vec![0.0; values(&x).len()];
        let inputs = values(&x).par_chunks(ROWS * width).zip(statistics.par_chunks(ROWS));
        let inputs = inputs.zip(values(gradient).par_chunks(ROWS * width));
        let chunks = output.par_chunks_mut(ROWS * width).zip(inputs);
        let parts: Vec<Vec<f32>> = chunks
            .map(|(output, ((x, statistics), gradient))| {
                let mut part = vec![0.0; 2 * width];
                let (of_gain, of_bias) = part.split_at_mut(width);
                let weights = [of_gain, of_bias];
                backward(self.kind, x, values(&gain), statistics, gradient, output, weights);
                part
            })
            .collect();
        let mut total = vec![0.0; 2 * width];
        for part in parts {
            for (total, part) in total.iter_mut().zip(part) {
                *total += part;
            }
        }
        let of_bias = total.split_off(width);
        [tensor(output, shape(&x)), tensor(total, [width]), tensor(of_bias, [width])]
    }
}

impl Fused<Flex, 2> for Normalize {
    type Saved = Saved;

    fn forward(&self, [x, gain]: [FlexTensor; 2]) -> (FlexTensor, Saved) {
        self.run(x, gain, None)
    }

    fn backward(&self, saved: Saved, gradient: FlexTensor, _: [bool; 2]) -> [FlexTensor; 2] {
        let [x, gain, _] = self.reverse(saved, &gradient);
        [x, gain]
    }
}

impl Fused<Flex, 3> for Normalize {
    type Saved = Saved;

    fn forward(&self, [x, gain, bias]: [FlexTensor; 3]) -> (FlexTensor, Saved) {
        self.run(x, gain, Some(&bias))
    }

    fn backward(&self, saved: Saved, gradient: FlexTensor, _: [bool; 3]) -> [FlexTensor; 3] {
        self.reverse(saved, &gradient)
    }
}

/// Input, gain, and what the kernel keeps of every row.
type SavedOnGpu = (GpuTensor, GpuTensor, GpuTensor);

impl Fused<Wgpu, 2> for Normalize {
    type Saved = SavedOnGpu;

    fn forward(&self, [x, gain]: [GpuTensor; 2]) -> (GpuTensor, SavedOnGpu) {
        let (output, statistics) = kernels::norm(self.kind, &x, &gain, None, self.epsilon);
        (output, (x, gain, statistics))
    }

    fn backward(
        &self,
        (x, gain, statistics): SavedOnGpu,
        gradient: GpuTensor,
        wanted: [bool; 2],
    ) -> [GpuTensor; 2] {
        let of_gain = if wanted[1] {
            let [of_gain] = kernels::norm_weights(&x, &statistics, &gradient);
            of_gain
        } else {
            gain.clone()
        };
        [kernels::norm_backward(self.kind, &x, &gain, &statistics, &gradient), of_gain]
    }
}

impl Fused<Wgpu, 3> for Normalize {
    type Saved = SavedOnGpu;

    fn forward(&self, [x, gain, bias]: [GpuTensor; 3]) -> (GpuTensor, SavedOnGpu) {
        let (output, statistics) = kernels::norm(self.kind, &x, &gain, Some(&bias), self.epsilon);
        (output, (x, gain, statistics))
    }

    fn backward(
        &self,
        (x, gain, statistics): SavedOnGpu,
        gradient: GpuTensor,
        wanted: [bool; 3],
    ) -> [GpuTensor; 3] {
        let [of_gain, of_bias] = if wanted[1] || wanted[2] {
            kernels::norm_weights(&x, &statistics, &gradient)
        } else {
            [gain.clone(), gain.clone()]
        };
        let of_x = kernels::norm_backward(self.kind, &x, &gain, &statistics, &gradient);
        [of_x, of_gain, of_bias]
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn forward(
    norm: Normalize,
    x: &[f32],
    gain: &[f32],
    bias: Option<&[f32]>,
    output: &mut [f32],
    statistics: &mut [[f32; 2]],
) {
    let width = gain.len();
    let rows = x.chunks_exact(width).zip(output.chunks_exact_mut(width)).zip(statistics);
    for ((x, output), statistics) in rows {
        let mean = match norm.kind {
            Norm::Layer => sum(width, |i| x[i]) / width as f32,
            Norm::Rms => 0.0,
        };
        let variance = sum(width, |i| (x[i] - mean) * (x[i] - mean)) / width as f32;
        let inverse = 1.0 / (variance + norm.epsilon).sqrt();
        for ((output, &x), &gain) in output.iter_mut().zip(x).zip(gain) {
            *output = (x - mean) * inverse * gain;
        }
        if let Some(bias) = bias {
            for (output, &bias) in output.iter_mut().zip(bias) {
                *output += bias;
            }
        }
        *statistics = [mean, inverse];
    }
}

/// With `x̂` the normalized row and `g = gradient·gain`: `(g − mean(g) − x̂·mean(g·x̂))/deviation`, without
/// `mean(g)` where no mean was taken off.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn backward(
    kind: Norm,
    x: &[f32],
    gain: &[f32],
    statistics: &[[f32; 2]],
    gradient: &[f32],
    output: &mut [f32],
    [of_gain, of_bias]: [&mut [f32]; 2],
) {
    let width = gain.len();
    let rows = x.chunks_exact(width).zip(gradient.chunks_exact(width));
    let rows = rows.zip(output.chunks_exact_mut(width)).zip(statistics);
    for (((x, gradient), output), &[mean, inverse]) in rows {
        let mean_g = match kind {
            Norm::Layer => sum(width, |i| gradient[i] * gain[i]) / width as f32,
            Norm::Rms => 0.0,
        };
        let products = sum(width, |i| gradient[i] * gain[i] * ((x[i] - mean) * inverse));
        let mean_product = products / width as f32;
        for i in 0..width {
            let normalized = (x[i] - mean) * inverse;
            output[i] = inverse * (gradient[i] * gain[i] - mean_g - normalized * mean_product);
            of_gain[i] += gradient[i] * normalized;
            of_bias[i] += gradient[i];
        }
    }
}
