//! Self-attention with its products: one for each of queries, keys and values, or one for all three.

use burn::module::Module;
use burn::tensor::{Int, Tensor};
use trainyard_engine::{EngineError, ForwardContext};
use trainyard_pretrained::{Architecture, ModelConfig};

use super::block::Attends;
use super::heads::Heads;
use super::norm::Norm;
use super::projection::Projection;
use super::weights::Weights;

/// What attention gives: mixed values, and the keys and values to carry.
pub(super) type Attended = (Tensor<3>, Option<Tensor<3>>);

/// Queries, keys and values from a product each, with norms of queries and keys head by head where the
/// architecture has them.
#[derive(Module, Debug)]
pub(super) struct Attention {
    q: Projection,
    k: Projection,
    v: Projection,
    o: Projection,
    q_norm: Option<Norm>,
    k_norm: Option<Norm>,
    #[module(skip)]
    heads: Heads,
}

impl Attends for Attention {
    fn new(weights: &Weights<'_>, config: &ModelConfig, heads: Heads) -> Result<Self, EngineError> {
        let (width, biases) = (config.width, config.biases);
        let queries = config.heads.saturating_mul(config.head_width);
        let keys = config.key_value_heads.saturating_mul(config.head_width);
        let of = |name: &str, outputs| {
            weights.projection(&format!("attention.{name}"), [width, outputs], biases.attention)
        };
        let has_norms = matches!(config.architecture, Architecture::Qwen3 | Architecture::Gemma3);
        let norm = |name: &str| {
            let norm = || weights.norm(&format!("attention.{name}"), config.head_width);
            has_norms.then(norm).transpose()
        };
        Ok(Self {
            q: of("q", queries)?,
            k: of("k", keys)?,
            v: of("v", keys)?,
            o: weights.projection("attention.o", [queries, width], biases.output)?,
            q_norm: norm("q_norm")?,
            k_norm: norm("k_norm")?,
            heads,
        })
    }

    fn forward(
        &self,
        x: Tensor<3>,
        seen: Option<Tensor<3>>,
        context: &ForwardContext,
        segments: Option<Tensor<2, Int>>,
    ) -> Attended {
        let x = Projection::input_of([&self.q, &self.k, &self.v], x);
        let queries = self.normed(self.q_norm.as_ref(), self.q.forward(x.clone()));
        let keys = self.normed(self.k_norm.as_ref(), self.k.forward(x.clone()));
        let values = self.v.forward(x);
        let (mixed, seen) = self.heads.attend([queries, keys, values], seen, context, segments);
        (self.o.forward(mixed), seen)
    }
}

impl Attention {
    fn normed(&self, norm: Option<&Norm>, x: Tensor<3>) -> Tensor<3> {
        let Some(norm) = norm else { return x };
        let [batch, positions, width] = x.dims();
        let head_width = self.heads.sizes.head_width;
        let heads = x.reshape([batch, positions * (width / head_width), head_width]);
        norm.forward(heads).reshape([batch, positions, width])
    }
}

/// Queries, keys and values from one product, side by side: each of all heads, or all three of each head.
#[derive(Module, Debug)]
pub(super) struct JoinedAttention {
    qkv: Projection,
    o: Projection,
    /// Whether the three of a head lie together.
    by_head: bool,
    #[module(skip)]
    heads: Heads,
}

impl Attends for JoinedAttention {
    fn new(weights: &Weights<'_>, config: &ModelConfig, heads: Heads) -> Result<Self, EngineError> {
        let (width, biases) = (config.width, config.biases);
        let all = config.heads.saturating_add(config.key_value_heads.saturating_mul(2));
        let all = all.saturating_mul(config.head_width);
        let mixed = config.heads.saturating_mul(config.head_width);
        Ok(Self {
            qkv: weights.projection("attention.qkv", [width, all], biases.attention)?,
            o: weights.projection("attention.o", [mixed, width], biases.output)?,
            by_head: config.architecture == Architecture::GptNeox,
            heads,
        })
    }

    fn forward(
        &self,
        x: Tensor<3>,
        seen: Option<Tensor<3>>,
        context: &ForwardContext,
        segments: Option<Tensor<2, Int>>,
    ) -> Attended {
        let joined = self.qkv.forward(x);
        let ([batch, positions, _], sizes) = (joined.dims(), self.heads.sizes);
        let (queries, keys) = (sizes.width(), sizes.key_width());
        let parts = if self.by_head {
            let heads = joined.reshape([batch, positions, sizes.heads, 3 * sizes.head_width]);
            [0, 1, 2].map(|part| {
                let part = heads.clone().narrow(3, part * sizes.head_width, sizes.head_width);
                part.reshape([batch, positions, queries])
            })
        } else {
            [(0, queries), (queries, keys), (queries + keys, keys)]
                .map(|(first, width)| joined.clone().narrow(2, first, width))
        };
        let (mixed, seen) = self.heads.attend(parts, seen, context, segments);
        (self.o.forward(mixed), seen)
    }
}
