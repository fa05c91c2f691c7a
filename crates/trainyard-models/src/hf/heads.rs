//! Attention between heads: from projected queries, keys and values to mixed values, with rotated positions,
//! carried keys and values, shared heads of keys, windows, bounds and segments.

use burn::tensor::activation::softmax;
use burn::tensor::{Bool, Device, Int, Tensor, TensorData};
use trainyard_engine::ForwardContext;
use trainyard_pretrained::ModelConfig;

use super::rope::Rope;
use crate::fused::{self, GroupedHeads};

/// What a block's attention is beside its weights.
#[derive(Clone, Debug)]
pub(super) struct Heads {
    pub(super) sizes: GroupedHeads,
    /// The bound of products of queries and keys.
    pub(super) cap: Option<f64>,
    pub(super) rope: Option<Rope>,
}

impl Heads {
    /// Those of a decoder's block.
    pub(super) fn new(config: &ModelConfig, window: Option<u64>, rope: Option<Rope>) -> Self {
        let window = window.and_then(|window| usize::try_from(window).ok());
        let sizes = GroupedHeads {
            heads: config.heads as usize,
            key_heads: config.key_value_heads as usize,
            head_width: config.head_width as usize,
            scale: config.attention_scale as f32,
            window: window.unwrap_or(usize::MAX).max(1),
            is_causal: true,
        };
        Self { sizes, cap: config.attention_cap, rope }
    }

    /// From queries `[batch, positions, heads·head width]`, and keys and values `[batch, positions, key
    /// heads·head width]`, to mixed values like the queries. `seen` are turned keys and values of the positions
    /// before, side by side, `[batch, seen, 2·key width]`; in all but the last slice of a context those of these
    /// positions too come out. With the `segments` of all positions so far, `[batch, positions]`, a position sees
    /// only those with its own number.
    pub(super) fn attend(
        &self,
        [queries, keys, values]: [Tensor<3>; 3],
        seen: Option<Tensor<3>>,
        context: &ForwardContext,
        segments: Option<Tensor<2, Int>>,
    ) -> (Tensor<3>, Option<Tensor<3>>) {
        let before = context.offset;
        let (queries, own) = match &self.rope {
            Some(rope) => (rope.turn(queries, before), rope.join(keys, values, before)),
            None => (queries, Tensor::cat(vec![keys, values], 2)),
        };
        let all = match seen {
            // As a node of its own, so that its gradients are summed before they go on.
            Some(seen) => fused::appended(seen, own),
            None => own,
        };
        let mixed = self.mix(queries, &all, segments);
        (mixed, (!context.slice.is_last()).then_some(all))
    }

    fn mix(
        &self,
        queries: Tensor<3>,
        keys_and_values: &Tensor<3>,
        segments: Option<Tensor<2, Int>>,
    ) -> Tensor<3> {
        let fused =
            || fused::grouped_attention(&queries, keys_and_values, self.sizes, segments.as_ref());
        let fused = if self.cap.is_none() { fused() } else { None };
        fused.unwrap_or_else(|| self.composed(queries, keys_and_values, segments))
    }

    /// By Burn's operations, on any device. Heads of queries that share keys are rows of one product.
    fn composed(
        &self,
        queries: Tensor<3>,
        keys_and_values: &Tensor<3>,
        segments: Option<Tensor<2, Int>>,
    ) -> Tensor<3> {
        let GroupedHeads { heads, key_heads, head_width, scale, .. } = self.sizes;
        let ([batch, own, width], all) = (queries.dims(), keys_and_values.dims()[1]);
        let (group, key_width) = (heads / key_heads, key_heads * head_width);
        let queries = queries.mul_scalar(scale).reshape([batch, own, key_heads, group, head_width]);
        let queries = queries.permute([0, 2, 3, 1, 4]);
        let queries = queries.reshape([batch, key_heads, group * own, head_width]);
        let [keys, values] = [0, 1].map(|part| {
            let part = keys_and_values.clone().narrow(2, part * key_width, key_width);
            part.reshape([batch, all, key_heads, head_width]).swap_dims(1, 2)
        });
        let scores = queries.matmul(keys.transpose());
        let scores = match self.cap {
            Some(cap) => scores.div_scalar(cap).tanh().mul_scalar(cap),
            None => scores,
        };
        let scores = scores.reshape([batch, heads, own, all]);
        let hidden = [
            self.hidden(own, all, &keys_and_values.device()),
            segments.map(|segments| of_other_segments(&segments, own)),
        ];
        let hide = |scores: Tensor<4>, hidden| scores.mask_fill(hidden, f32::NEG_INFINITY);
        let weights = softmax(hidden.into_iter().flatten().fold(scores, hide), 3);
        let mixed = weights.reshape([batch, key_heads, group * own, all]).matmul(values);
        let mixed = mixed.reshape([batch, key_heads, group, own, head_width]);
        mixed.permute([0, 3, 1, 2, 4]).reshape([batch, own, width])
    }

    /// True where one of the last `own` of `all` positions does not see another, whatever their segments:
    /// `[1, 1, own, all]`. None where each sees all.
    fn hidden(&self, own: usize, all: usize, device: &Device) -> Option<Tensor<4, Bool>> {
        let GroupedHeads { window, is_causal, .. } = self.sizes;
        if !is_causal && window >= all {
            return None;
        }
        let is_hidden = |i: usize| {
            let (from, to) = (all - own + i / all, i % all);
            is_causal && to > from || from.abs_diff(to) >= window
        };
        let mask: Vec<bool> = (0..own * all).map(is_hidden).collect();
        let device = device.clone().without_autodiff();
        Some(Tensor::from_data(TensorData::new(mask, [1, 1, own, all]), &device))
    }
}

/// True where one of the last `own` positions is of another segment than another: `[batch, 1, own, all]`.
fn of_other_segments(segments: &Tensor<2, Int>, own: usize) -> Tensor<4, Bool> {
    let [batch, all] = segments.dims();
    let to = segments.clone().reshape([batch, 1, 1, all]);
    let from = segments.clone().narrow(1, all - own, own).reshape([batch, 1, own, 1]);
    let shape = [batch, 1, own, all];
    from.expand(shape).not_equal(to.expand(shape))
}
