//! Causal attention of all heads, from projected queries, keys and values to the mixed values
//! (Vaswani et al., arXiv 1706.03762, §3.2.1).
//!
//! Works on the projection as it comes, `[batch, context, 3·width]` with the heads side by side,
//! so that nothing is cut out, reshaped or transposed in memory; and leaves out what lies in the
//! future instead of computing and masking it. Keeps the attention matrix for the backward.

use std::sync::Arc;

use burn::backend::flex::FlexTensor;
use burn::backend::{Flex, Wgpu};
use burn::tensor::Tensor;
use multiversion::multiversion;
use rayon::prelude::*;
use trainyard_engine::kernels::{self, Attended, GpuTensor, Kernel};

use super::simd::{exp, largest, sum};
use super::tile::{Product, Strided, TALL, band};
use super::{Fused, apply, apply_on_gpu, input, shape, tensor, values};

/// From `[batch, context, 3·width]` to `[batch, context, width]`; None where there is no kernel for it.
pub(crate) fn causal_attention(projected: &Tensor<3>, heads: usize) -> Option<Tensor<3>> {
    let attention = CausalAttention { heads };
    let on_gpu = || {
        let fits = kernels::attends(projected.dims(), heads);
        fits.then(|| apply_on_gpu(Kernel::Attention, attention, [input(projected)])).flatten()
    };
    apply(attention, [input(projected)]).or_else(on_gpu)
}

#[derive(Clone, Copy, Debug)]
struct CausalAttention {
    heads: usize,
}

/// Sizes of one sequence.
#[derive(Clone, Copy)]
struct Sizes {
    context: usize,
    heads: usize,
    head_width: usize,
}

impl Sizes {
    fn width(self) -> usize {
        self.heads * self.head_width
    }

    fn scale(self) -> f32 {
        (1.0 / (self.head_width as f64).sqrt()) as f32
    }
}

impl CausalAttention {
    fn sizes(self, projected: &FlexTensor) -> Sizes {
        let shape = projected.layout().shape();
        Sizes { context: shape[1], heads: self.heads, head_width: shape[2] / 3 / self.heads }
    }
}

impl Fused<Flex, 1> for CausalAttention {
    /// The projection, and the attention matrices `[batch, heads, context, context]`.
    type Saved = (FlexTensor, Arc<Vec<f32>>);

    fn forward(&self, [projected]: [FlexTensor; 1]) -> (FlexTensor, Self::Saved) {
        let sizes = self.sizes(&projected);
        let (context, width) = (sizes.context, sizes.width());
        let batch = shape(&projected)[0];
        let mut output = vec![0.0; batch * context * width];
        let mut weights = vec![0.0; batch * sizes.heads * context * context];
        let outputs = output.par_chunks_mut(context * width);
        let outputs = outputs.zip(weights.par_chunks_mut(sizes.heads * context * context));
        let sequences = outputs.zip(values(&projected).par_chunks(context * 3 * width));
        sequences.for_each(|((output, weights), projected)| {
            let mut turned = vec![0.0; sizes.head_width * context];
            forward(sizes, projected, &mut turned, weights, output);
        });
        (tensor(output, [batch, context, width]), (projected, Arc::new(weights)))
    }

    fn backward(
        &self,
        (projected, weights): Self::Saved,
        gradient: FlexTensor,
        _: [bool; 1],
    ) -> [FlexTensor; 1] {
        let sizes = self.sizes(&projected);
        let (context, width) = (sizes.context, sizes.width());
        let mut output = vec![0.0; values(&projected).len()];
        let inputs = values(&projected).par_chunks(context * 3 * width);
        let inputs = inputs.zip(weights.par_chunks(sizes.heads * context * context));
        let inputs = inputs.zip(values(&gradient).par_chunks(context * width));
        let sequences = output.par_chunks_mut(context * 3 * width).zip(inputs);
        sequences.for_each(|(output, ((projected, weights), gradient))| {
            let mut turned = vec![0.0; sizes.head_width * context];
            let mut of_scores = vec![0.0; context * context];
            backward(sizes, projected, weights, gradient, &mut turned, &mut of_scores, output);
        });
        [tensor(output, shape(&projected))]
    }
}

impl Fused<Wgpu, 1> for CausalAttention {
    /// The projection, and what the kernel gave: the attention matrices are not kept.
    type Saved = (GpuTensor, Attended);

    fn forward(&self, [projected]: [GpuTensor; 1]) -> (GpuTensor, Self::Saved) {
        let attended = kernels::causal_attention(&projected, self.heads);
        (attended.mixed.clone(), (projected, attended))
    }

    fn backward(
        &self,
        (projected, attended): Self::Saved,
        gradient: GpuTensor,
        _: [bool; 1],
    ) -> [GpuTensor; 1] {
        [kernels::causal_attention_backward(&projected, &attended, &gradient, self.heads)]
    }
}

/// Copies `[context, head_width]` out of rows of some length as `[head_width, context]`.
#[inline(always)]
fn turn(sizes: Sizes, rows: &[f32], row: usize, turned: &mut [f32]) {
    for (position, values) in rows.chunks(row).take(sizes.context).enumerate() {
        for (dimension, &value) in values.iter().take(sizes.head_width).enumerate() {
            turned[dimension * sizes.context + position] = value;
        }
    }
}

/// Rows `0..context` in bands.
#[inline(always)]
fn bands(context: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
    (0..context).step_by(TALL).map(move |start| start..context.min(start + TALL))
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn forward(
    sizes: Sizes,
    projected: &[f32],
    turned: &mut [f32],
    weights: &mut [f32],
    output: &mut [f32],
) {
    let Sizes { context, heads, head_width } = sizes;
    let width = sizes.width();
    for head in 0..heads {
        let part = |part: usize| &projected[part * width + head * head_width..];
        let of_rows = |values| Strided { values, rows: 3 * width, columns: 1 };
        let weights = &mut weights[head * context * context..(head + 1) * context * context];
        turn(sizes, part(1), 3 * width, turned);
        let keys = Strided { values: &*turned, rows: context, columns: 1 };
        for rows in bands(context) {
            // Columns after the band's last row are in every row's future, and stay zero.
            let (queries, seen) = (of_rows(part(0)), rows.end);
            let scores =
                Product { left: queries, right: keys, steps: 0..head_width, scale: sizes.scale() };
            band(&scores, rows.clone(), seen, weights, context);
            for row in rows.clone() {
                let scores = &mut weights[row * context..row * context + seen];
                let (seen, future) = scores.split_at_mut(row + 1);
                let most = largest(seen);
                for score in seen.iter_mut() {
                    *score = exp(*score - most);
                }
                let inverse = 1.0 / sum(seen.len(), |i| seen[i]);
                for score in seen.iter_mut() {
                    *score *= inverse;
                }
                future.fill(0.0);
            }
            let left = Strided { values: &*weights, rows: context, columns: 1 };
            let output = &mut output[head * head_width..];
            let mixed = Product { left, right: of_rows(part(2)), steps: 0..seen, scale: 1.0 };
            band(&mixed, rows, head_width, output, width);
        }
    }
}

/// With `P` the weights, `S` the scores and `∂` the gradient of the output: `∂V = Pᵀ·∂`,
/// `∂P = ∂·Vᵀ`, `∂S = P·(∂P − Σ P·∂P)`, `∂Q = ∂S·K·scale`, `∂K = ∂Sᵀ·Q·scale`.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn backward(
    sizes: Sizes,
    projected: &[f32],
    weights: &[f32],
    gradient: &[f32],
    turned: &mut [f32],
    of_scores: &mut [f32],
    output: &mut [f32],
) {
    let Sizes { context, heads, head_width } = sizes;
    let width = sizes.width();
    for head in 0..heads {
        let at = |part: usize| part * width + head * head_width;
        let of_rows = |values| Strided { values, rows: 3 * width, columns: 1 };
        let weights = &weights[head * context * context..(head + 1) * context * context];
        let gradient = Strided { values: &gradient[head * head_width..], rows: width, columns: 1 };
        turn(sizes, &projected[at(2)..], 3 * width, turned);
        let turned_values = Strided { values: &*turned, rows: context, columns: 1 };
        for rows in bands(context) {
            let seen = rows.end;
            let of_weights =
                Product { left: gradient, right: turned_values, steps: 0..head_width, scale: 1.0 };
            band(&of_weights, rows.clone(), seen, of_scores, context);
            for row in rows.clone() {
                let weights = &weights[row * context..row * context + seen];
                let of_weights = &mut of_scores[row * context..row * context + seen];
                let mean = sum(seen, |i| weights[i] * of_weights[i]);
                // In the future the weight is zero, and so is what comes out.
                for (of_weight, &weight) in of_weights.iter_mut().zip(weights) {
                    *of_weight = weight * (*of_weight - mean);
                }
            }
            let left = Strided { values: &*of_scores, rows: context, columns: 1 };
            let keys = of_rows(&projected[at(1)..]);
            let of_queries = Product { left, right: keys, steps: 0..seen, scale: sizes.scale() };
            band(&of_queries, rows, head_width, &mut output[at(0)..], 3 * width);
        }
        for rows in bands(context) {
            // A key and its value are seen by their own row and those below.
            let below = rows.start..context;
            let left = |values| Strided { values, rows: 1, columns: context };
            let (steps, scale) = (below.clone(), sizes.scale());
            let queries = of_rows(&projected[at(0)..]);
            let of_keys = Product { left: left(&*of_scores), right: queries, steps, scale };
            band(&of_keys, rows.clone(), head_width, &mut output[at(1)..], 3 * width);
            let of_values =
                Product { left: left(weights), right: gradient, steps: below, scale: 1.0 };
            band(&of_values, rows, head_width, &mut output[at(2)..], 3 * width);
        }
    }
}
