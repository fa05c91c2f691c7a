//! Causal attention of all heads, from projected queries, keys and values to the mixed values
//! (Vaswani et al., arXiv 1706.03762, §3.2.1).
//!
//! Works on the projection as it comes, `[batch, context, 3·width]` with the heads side by side,
//! so that nothing is cut out, reshaped or transposed in memory; and leaves out what lies in the
//! future instead of computing and masking it. Keeps the attention matrix for the backward.
//!
//! A slice of a context has queries of its own positions alone, behind those of earlier slices, and keys and
//! values of all so far.

use std::sync::Arc;

use burn::backend::flex::FlexTensor;
use burn::backend::{Flex, Wgpu};
use burn::tensor::Tensor;
use rayon::prelude::*;
use trainyard_engine::kernels::{self, Attended, GpuTensor, Kernel};

use super::attention_kernels::{Sizes, backward_keys, backward_queries, forward};
use super::tile::Strided;
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

/// From `[batch, positions, width]` and `[batch, all positions, 2·width]` to `[batch, positions, width]`: the
/// queries of the last positions, and keys and values side by side of all. None where there is no kernel for it.
pub(crate) fn continued_attention(
    queries: &Tensor<3>,
    keys_and_values: &Tensor<3>,
    heads: usize,
) -> Option<Tensor<3>> {
    let attention = ContinuedAttention { heads };
    let on_gpu = || {
        let [batch, positions, width] = queries.dims();
        let fits = kernels::attends([batch, positions, 3 * width], heads);
        let inputs = || [input(queries), input(keys_and_values)];
        fits.then(|| apply_on_gpu(Kernel::Attention, attention, inputs())).flatten()
    };
    apply(attention, [input(queries), input(keys_and_values)]).or_else(on_gpu)
}

#[derive(Clone, Copy, Debug)]
struct CausalAttention {
    heads: usize,
}

#[derive(Clone, Copy, Debug)]
struct ContinuedAttention {
    heads: usize,
}

impl CausalAttention {
    fn sizes(self, projected: &FlexTensor) -> Sizes {
        let shape = projected.layout().shape();
        let head_width = shape[2] / 3 / self.heads;
        Sizes { before: 0, positions: shape[1], heads: self.heads, head_width }
    }
}

impl ContinuedAttention {
    fn sizes(self, queries: &FlexTensor, keys_and_values: &FlexTensor) -> Sizes {
        let (shape, all) = (queries.layout().shape(), keys_and_values.layout().shape()[1]);
        let (positions, head_width) = (shape[1], shape[2] / self.heads);
        Sizes { before: all - positions, positions, heads: self.heads, head_width }
    }
}

/// Where the rows of one head begin, side by side with others of `width` numbers.
fn head_of(values: &[f32], part: usize, head: usize, sizes: Sizes, row: usize) -> Strided<'_> {
    let at = part * sizes.width() + head * sizes.head_width;
    Strided { values: &values[at..], rows: row, columns: 1 }
}

impl Fused<Flex, 1> for CausalAttention {
    /// The projection, and the attention matrices `[batch, heads, context, context]`.
    type Saved = (FlexTensor, Arc<Vec<f32>>);

    fn forward(&self, [projected]: [FlexTensor; 1]) -> (FlexTensor, Self::Saved) {
        let sizes = self.sizes(&projected);
        let (context, width) = (sizes.positions, sizes.width());
        let batch = shape(&projected)[0];
        let mut output = vec![0.0; batch * context * width];
        let mut weights = vec![0.0; batch * sizes.matrices()];
        let outputs = output.par_chunks_mut(context * width);
        let outputs = outputs.zip(weights.par_chunks_mut(sizes.matrices()));
        let sequences = outputs.zip(values(&projected).par_chunks(context * 3 * width));
        sequences.for_each(|((output, weights), projected)| {
            let mut turned = vec![0.0; sizes.head_width * context];
            for (head, weights) in weights.chunks_mut(sizes.matrix()).enumerate() {
                let part = |part| head_of(projected, part, head, sizes, 3 * width);
                let inputs = [part(0), part(1), part(2)];
                forward(
                    sizes,
                    inputs,
                    &mut turned,
                    weights,
                    &mut output[head * sizes.head_width..],
                );
            }
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
        let (context, width) = (sizes.positions, sizes.width());
        let row = 3 * width;
        let mut output = vec![0.0; values(&projected).len()];
        let inputs = values(&projected).par_chunks(context * row);
        let inputs = inputs.zip(weights.par_chunks(sizes.matrices()));
        let inputs = inputs.zip(values(&gradient).par_chunks(context * width));
        let sequences = output.par_chunks_mut(context * row).zip(inputs);
        sequences.for_each(|(output, ((projected, weights), gradient))| {
            let mut turned = vec![0.0; sizes.head_width * context];
            let mut of_scores = vec![0.0; sizes.matrix()];
            for (head, weights) in weights.chunks(sizes.matrix()).enumerate() {
                let part = |part| head_of(projected, part, head, sizes, row);
                let gradient = head_of(gradient, 0, head, sizes, width);
                let at = |part: usize| part * width + head * sizes.head_width;
                let (of_queries, inputs) = (&mut output[at(0)..], [part(1), part(2), gradient]);
                backward_queries(
                    sizes,
                    inputs,
                    weights,
                    &mut turned,
                    &mut of_scores,
                    of_queries,
                    row,
                );
                let inputs = [part(0), gradient];
                let of_keys = &mut output[at(1)..];
                backward_keys(sizes, inputs, weights, &of_scores, of_keys, row);
            }
        });
        [tensor(output, shape(&projected))]
    }
}

impl Fused<Flex, 2> for ContinuedAttention {
    /// The inputs, and the attention matrices `[batch, heads, positions, all positions]`.
    type Saved = (FlexTensor, FlexTensor, Arc<Vec<f32>>);

    fn forward(&self, [queries, seen]: [FlexTensor; 2]) -> (FlexTensor, Self::Saved) {
        let sizes = self.sizes(&queries, &seen);
        let (own, all, width) = (sizes.positions, sizes.all(), sizes.width());
        let batch = shape(&queries)[0];
        let mut output = vec![0.0; batch * own * width];
        let mut weights = vec![0.0; batch * sizes.matrices()];
        let outputs = output.par_chunks_mut(own * width);
        let outputs = outputs.zip(weights.par_chunks_mut(sizes.matrices()));
        let inputs = values(&queries).par_chunks(own * width);
        let inputs = inputs.zip(values(&seen).par_chunks(all * 2 * width));
        outputs.zip(inputs).for_each(|((output, weights), (queries, seen))| {
            let mut turned = vec![0.0; sizes.head_width * all];
            for (head, weights) in weights.chunks_mut(sizes.matrix()).enumerate() {
                let part = |part| head_of(seen, part, head, sizes, 2 * width);
                let inputs = [head_of(queries, 0, head, sizes, width), part(0), part(1)];
                forward(
                    sizes,
                    inputs,
                    &mut turned,
                    weights,
                    &mut output[head * sizes.head_width..],
                );
            }
        });
        (tensor(output, [batch, own, width]), (queries, seen, Arc::new(weights)))
    }

    fn backward(
        &self,
        (queries, seen, weights): Self::Saved,
        gradient: FlexTensor,
        _: [bool; 2],
    ) -> [FlexTensor; 2] {
        let sizes = self.sizes(&queries, &seen);
        let (own, all, width) = (sizes.positions, sizes.all(), sizes.width());
        let mut of_queries = vec![0.0; values(&queries).len()];
        let mut of_seen = vec![0.0; values(&seen).len()];
        let outputs = of_queries.par_chunks_mut(own * width);
        let outputs = outputs.zip(of_seen.par_chunks_mut(all * 2 * width));
        let inputs = values(&queries).par_chunks(own * width);
        let inputs = inputs.zip(values(&seen).par_chunks(all * 2 * width));
        let inputs = inputs.zip(weights.par_chunks(sizes.matrices()));
        let inputs = inputs.zip(values(&gradient).par_chunks(own * width));
        let sequences = outputs.zip(inputs);
        sequences.for_each(|((of_queries, of_seen), (((queries, seen), weights), gradient))| {
            let mut turned = vec![0.0; sizes.head_width * all];
            let mut of_scores = vec![0.0; sizes.matrix()];
            for (head, weights) in weights.chunks(sizes.matrix()).enumerate() {
                let part = |part| head_of(seen, part, head, sizes, 2 * width);
                let gradient = head_of(gradient, 0, head, sizes, width);
                let at = head * sizes.head_width;
                let (output, inputs) = (&mut of_queries[at..], [part(0), part(1), gradient]);
                backward_queries(
                    sizes,
                    inputs,
                    weights,
                    &mut turned,
                    &mut of_scores,
                    output,
                    width,
                );
                let inputs = [head_of(queries, 0, head, sizes, width), gradient];
                let output = &mut of_seen[at..];
                backward_keys(sizes, inputs, weights, &of_scores, output, 2 * width);
            }
        });
        [tensor(of_queries, shape(&queries)), tensor(of_seen, shape(&seen))]
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

impl Fused<Wgpu, 2> for ContinuedAttention {
    /// The inputs, and what the kernel gave.
    type Saved = (GpuTensor, GpuTensor, Attended);

    fn forward(&self, [queries, seen]: [GpuTensor; 2]) -> (GpuTensor, Self::Saved) {
        let attended = kernels::continued_attention(&queries, &seen, self.heads);
        (attended.mixed.clone(), (queries, seen, attended))
    }

    fn backward(
        &self,
        (queries, seen, attended): Self::Saved,
        gradient: GpuTensor,
        _: [bool; 2],
    ) -> [GpuTensor; 2] {
        let inputs = [&queries, &seen];
        kernels::continued_attention_backward(inputs, &attended, &gradient, self.heads)
    }
}
