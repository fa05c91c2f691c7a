//! Attention of all heads, from projected queries, keys and values to the mixed values
//! (Vaswani et al., arXiv 1706.03762, §3.2.1).
//!
//! Works on the projection as it comes, `[batch, context, 3·width]` with the heads side by side,
//! so that nothing is cut out, reshaped or transposed in memory; and leaves out what lies in the
//! future instead of computing and masking it. Keeps the attention matrix for the backward.
//!
//! Groups of heads of queries may share heads of keys and values (Ainslie et al., arXiv 2305.13245), a position may
//! see a window alone, what comes behind it too, or only positions of its own segment.
//!
//! A slice of a context has queries of its own positions alone, behind those of earlier slices, and keys and
//! values of all so far.

use std::sync::Arc;

use burn::backend::flex::FlexTensor;
use burn::backend::{Flex, Wgpu};
use burn::tensor::{Int, Tensor};
use rayon::prelude::*;
use trainyard_engine::kernels::{self, Attended, GpuTensor, Kernel, uses};

pub(crate) use super::attention_kernels::GroupedHeads;
use super::attention_kernels::{Sizes, backward_keys, backward_queries, forward};
use super::sight::Sight;
use super::tile::Strided;
use super::{Fused, apply, apply_on_gpu, input, shape, tensor, values};
use crate::recorded::Input;
use crate::sixteen::{again, kept};

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
    let head_width = queries.dims()[2] / heads;
    grouped_attention(queries, keys_and_values, GroupedHeads::equal(heads, head_width), None)
}

/// The same for heads of which several may share keys and values: `[batch, all positions, 2·key width]`. The
/// queries may be those of all positions. With `segments`, `[batch, all positions]`, positions see only those with
/// the same number.
pub(crate) fn grouped_attention(
    queries: &Tensor<3>,
    keys_and_values: &Tensor<3>,
    heads: GroupedHeads,
    segments: Option<&Tensor<2, Int>>,
) -> Option<Tensor<3>> {
    let inputs: [Option<Input<Flex>>; 2] = [input(queries), input(keys_and_values)];
    // What is on another device is not waited for.
    let on_host = inputs.iter().all(Option::is_some);
    let numbers = |segments: &Tensor<2, Int>| segments.clone().try_into_vec_as::<i32>().ok();
    let numbers = match segments.filter(|_| on_host) {
        Some(segments) => Some(numbers(segments)?.into()),
        None => None,
    };
    let fused = apply(ContinuedAttention { heads, segments: numbers }, inputs);
    let on_gpu = || on_gpu(queries, keys_and_values, heads);
    if segments.is_none() { fused.or_else(on_gpu) } else { fused }
}

/// By the kernel of wgpu devices, which is causal, and has keys and values for each head and one scale. None where
/// it does not fit, or is not to be used.
fn on_gpu(
    queries: &Tensor<3>,
    keys_and_values: &Tensor<3>,
    heads: GroupedHeads,
) -> Option<Tensor<3>> {
    let ([batch, positions, width], all) = (queries.dims(), keys_and_values.dims()[1]);
    let fits = kernels::attends([batch, positions, 3 * width], heads.heads);
    if !(fits && heads.is_causal && all <= heads.window && uses(Kernel::Attention)) {
        return None;
    }
    let equal = GroupedHeads::equal(heads.heads, heads.head_width);
    let queries = if heads.scale.to_bits() == equal.scale.to_bits() {
        queries.clone()
    } else {
        queries.clone().mul_scalar(heads.scale / equal.scale)
    };
    let seen = if heads.group() == 1 {
        keys_and_values.clone()
    } else {
        let each = [batch, all, 2 * heads.key_heads, 1, heads.head_width];
        let shared = [batch, all, 2 * heads.key_heads, heads.group(), heads.head_width];
        keys_and_values.clone().reshape(each).expand(shared).reshape([batch, all, 2 * width])
    };
    let attention = ContinuedAttention { heads: equal, segments: None };
    apply_on_gpu(Kernel::Attention, attention, [input(&queries), input(&seen)])
}

#[derive(Clone, Copy, Debug)]
struct CausalAttention {
    heads: usize,
}

#[derive(Clone, Debug)]
struct ContinuedAttention {
    heads: GroupedHeads,
    /// `[batch, all positions]`
    segments: Option<Arc<[i32]>>,
}

impl CausalAttention {
    fn sizes(self, projected: &FlexTensor) -> Sizes {
        let shape = projected.layout().shape();
        let of = GroupedHeads::equal(self.heads, shape[2] / 3 / self.heads);
        Sizes { before: 0, positions: shape[1], of }
    }
}

impl ContinuedAttention {
    fn sizes(&self, queries: &FlexTensor, keys_and_values: &FlexTensor) -> Sizes {
        let all = keys_and_values.layout().shape()[1];
        let positions = queries.layout().shape()[1];
        Sizes { before: all - positions, positions, of: self.heads }
    }

    /// What the positions of one of the sequences see.
    fn sight(&self, sizes: Sizes, sequence: usize) -> Sight<'_> {
        let mut sequences = self.segments.iter().flat_map(|all| all.chunks(sizes.all().max(1)));
        Sight::new(sizes, sequences.nth(sequence))
    }
}

/// Rows of `row` numbers, from one of their columns on.
fn columns(values: &[f32], first: usize, row: usize) -> Strided<'_> {
    Strided { values: &values[first..], rows: row, columns: 1 }
}

impl Fused<Flex, 1> for CausalAttention {
    /// The projection, and the attention matrices `[batch, heads, context, context]`.
    type Saved = (FlexTensor, Arc<Vec<f32>>);

    fn forward(&self, [projected]: [FlexTensor; 1]) -> (FlexTensor, Self::Saved) {
        let sizes = self.sizes(&projected);
        let (context, width, head_width) = (sizes.positions, sizes.of.width(), sizes.of.head_width);
        let batch = shape(&projected)[0];
        let mut output = vec![0.0; batch * context * width];
        let mut weights = vec![0.0; batch * sizes.matrices()];
        let outputs = output.par_chunks_mut(context * width);
        let outputs = outputs.zip(weights.par_chunks_mut(sizes.matrices()));
        let sequences = outputs.zip(values(&projected).par_chunks(context * 3 * width));
        let sight = Sight::new(sizes, None);
        sequences.for_each(|((output, weights), projected)| {
            let mut turned = vec![0.0; head_width * context];
            for (head, weights) in weights.chunks_mut(sizes.matrix()).enumerate() {
                let at = head * head_width;
                let inputs = [0, 1, 2].map(|part| columns(projected, part * width + at, 3 * width));
                forward(&sight, inputs, &mut turned, weights, &mut output[at..]);
            }
        });
        (tensor(output, [batch, context, width]), (kept::<Flex>(projected), Arc::new(weights)))
    }

    fn backward(
        &self,
        (projected, weights): Self::Saved,
        gradient: FlexTensor,
        _: [bool; 1],
    ) -> [FlexTensor; 1] {
        let projected = again::<Flex>(projected);
        let sizes = self.sizes(&projected);
        let (context, width, head_width) = (sizes.positions, sizes.of.width(), sizes.of.head_width);
        let row = 3 * width;
        let mut output = vec![0.0; values(&projected).len()];
        let inputs = values(&projected).par_chunks(context * row);
        let inputs = inputs.zip(weights.par_chunks(sizes.matrices()));
        let inputs = inputs.zip(values(&gradient).par_chunks(context * width));
        let sequences = output.par_chunks_mut(context * row).zip(inputs);
        let sight = Sight::new(sizes, None);
        sequences.for_each(|(output, ((projected, weights), gradient))| {
            let mut turned = vec![0.0; head_width * context];
            let of_scores = &mut vec![0.0; sizes.matrix()];
            for (head, weights) in weights.chunks(sizes.matrix()).enumerate() {
                let at = |part: usize| part * width + head * head_width;
                let [queries, keys, values] = [0, 1, 2].map(|it| columns(projected, at(it), row));
                let gradient = columns(gradient, at(0), width);
                let (inputs, output_of) = ([keys, values, gradient], &mut output[at(0)..]);
                backward_queries(&sight, inputs, weights, &mut turned, of_scores, output_of, row);
                let output_of = &mut output[at(1)..];
                backward_keys(&sight, [queries, gradient], weights, of_scores, output_of, row);
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
        let (own, all, of) = (sizes.positions, sizes.all(), sizes.of);
        let (width, row) = (of.width(), 2 * of.key_width());
        let batch = shape(&queries)[0];
        let mut output = vec![0.0; batch * own * width];
        let mut weights = vec![0.0; batch * sizes.matrices()];
        let outputs = output.par_chunks_mut(own * width);
        let outputs = outputs.zip(weights.par_chunks_mut(sizes.matrices()));
        let inputs = values(&queries).par_chunks(own * width);
        let inputs = inputs.zip(values(&seen).par_chunks(all * row));
        let sequences = outputs.zip(inputs).enumerate();
        sequences.for_each(|(sequence, ((output, weights), (queries, seen)))| {
            let sight = self.sight(sizes, sequence);
            let mut turned = vec![0.0; of.head_width * all];
            for (head, weights) in weights.chunks_mut(sizes.group()).enumerate() {
                let (at, key) = (head * of.group() * of.head_width, head * of.head_width);
                let queries = columns(queries, at, width);
                let [keys, values] = [key, of.key_width() + key].map(|it| columns(seen, it, row));
                let inputs = [queries, keys, values];
                forward(&sight, inputs, &mut turned, weights, &mut output[at..]);
            }
        });
        let [queries, seen] = [queries, seen].map(kept::<Flex>);
        (tensor(output, [batch, own, width]), (queries, seen, Arc::new(weights)))
    }

    fn backward(
        &self,
        (queries, seen, weights): Self::Saved,
        gradient: FlexTensor,
        _: [bool; 2],
    ) -> [FlexTensor; 2] {
        let [queries, seen] = [queries, seen].map(again::<Flex>);
        let sizes = self.sizes(&queries, &seen);
        let (own, all, of) = (sizes.positions, sizes.all(), sizes.of);
        let (width, row) = (of.width(), 2 * of.key_width());
        let mut of_queries = vec![0.0; values(&queries).len()];
        let mut of_seen = vec![0.0; values(&seen).len()];
        let outputs = of_queries.par_chunks_mut(own * width);
        let outputs = outputs.zip(of_seen.par_chunks_mut(all * row));
        let inputs = values(&queries).par_chunks(own * width);
        let inputs = inputs.zip(values(&seen).par_chunks(all * row));
        let inputs = inputs.zip(weights.par_chunks(sizes.matrices()));
        let inputs = inputs.zip(values(&gradient).par_chunks(own * width));
        let sequences = outputs.zip(inputs).enumerate();
        sequences.for_each(|(sequence, (outputs, (((queries, seen), weights), gradient)))| {
            let (of_queries, of_seen) = outputs;
            let sight = self.sight(sizes, sequence);
            let mut turned = vec![0.0; of.head_width * all];
            let of_scores = &mut vec![0.0; sizes.group()];
            for (head, weights) in weights.chunks(sizes.group()).enumerate() {
                let (at, key) = (head * of.group() * of.head_width, head * of.head_width);
                let [keys, values] = [key, of.key_width() + key].map(|it| columns(seen, it, row));
                let gradient = columns(gradient, at, width);
                let (inputs, output) = ([keys, values, gradient], &mut of_queries[at..]);
                backward_queries(&sight, inputs, weights, &mut turned, of_scores, output, width);
                let (inputs, output) =
                    ([columns(queries, at, width), gradient], &mut of_seen[key..]);
                backward_keys(&sight, inputs, weights, of_scores, output, row);
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
        (attended.mixed.clone(), (kept::<Wgpu>(projected), attended.map_mixed(kept::<Wgpu>)))
    }

    fn backward(
        &self,
        (projected, attended): Self::Saved,
        gradient: GpuTensor,
        _: [bool; 1],
    ) -> [GpuTensor; 1] {
        let (projected, attended) = (again::<Wgpu>(projected), attended.map_mixed(again::<Wgpu>));
        [kernels::causal_attention_backward(&projected, &attended, &gradient, self.heads)]
    }
}

impl Fused<Wgpu, 2> for ContinuedAttention {
    /// The inputs, and what the kernel gave.
    type Saved = (GpuTensor, GpuTensor, Attended);

    fn forward(&self, [queries, seen]: [GpuTensor; 2]) -> (GpuTensor, Self::Saved) {
        let attended = kernels::continued_attention(&queries, &seen, self.heads.heads);
        let mixed = attended.mixed.clone();
        let [queries, seen] = [queries, seen].map(kept::<Wgpu>);
        (mixed, (queries, seen, attended.map_mixed(kept::<Wgpu>)))
    }

    fn backward(
        &self,
        (queries, seen, attended): Self::Saved,
        gradient: GpuTensor,
        _: [bool; 2],
    ) -> [GpuTensor; 2] {
        let [queries, seen] = [queries, seen].map(again::<Wgpu>);
        let (inputs, attended) = ([&queries, &seen], attended.map_mixed(again::<Wgpu>));
        kernels::continued_attention_backward(inputs, &attended, &gradient, self.heads.heads)
    }
}
