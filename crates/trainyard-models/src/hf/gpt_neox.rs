//! GPT-NeoX (Black et al., arXiv 2204.06745) and Pythia: attention and the products beside it take the same
//! input, a part of each head is turned, and queries, keys and values of a head lie together.

use burn::module::Module;
use trainyard_engine::{EngineError, ErasedLayer, ForwardContext, Layer, Tensors, erase};
use trainyard_pretrained::ModelConfig;

use super::attention::JoinedAttention;
use super::decoder::{Decoder, run_block};
use super::heads::Heads;
use super::mlp::Mlp;
use super::norm::Norm;
use super::weights::Weights;

pub(super) const GPT_NEOX: Decoder = Decoder {
    embed: &[("tokens", "gpt_neox.embed_in.weight")],
    blocks: "gpt_neox.layers.",
    block: &[
        ("input_norm", "input_layernorm"),
        ("attention.qkv", "attention.query_key_value"),
        ("attention.o", "attention.dense"),
        ("mlp_norm", "post_attention_layernorm"),
        ("mlp.up", "mlp.dense_h_to_4h"),
        ("mlp.down", "mlp.dense_4h_to_h"),
    ],
    norm: "gpt_neox.final_layer_norm",
    head: "embed_out.weight",
    turned: false,
    build,
};

#[derive(Module, Debug)]
struct Block {
    input_norm: Norm,
    attention: JoinedAttention,
    mlp_norm: Norm,
    mlp: Mlp,
    /// Whether both take what came in.
    is_parallel: bool,
}

fn build(
    weights: &Weights<'_>,
    config: &ModelConfig,
    heads: Heads,
) -> Result<ErasedLayer, EngineError> {
    Ok(erase(Block {
        input_norm: weights.norm("input_norm", config.width, true)?,
        attention: JoinedAttention::new(weights, config, heads)?,
        mlp_norm: weights.norm("mlp_norm", config.width, true)?,
        mlp: Mlp::new(weights, config)?,
        is_parallel: config.parallel_residual,
    }))
}

impl Layer for Block {
    fn forward(&self, input: Tensors, context: &ForwardContext) -> Result<Tensors, EngineError> {
        run_block(input, context, |x, seen| {
            let normed = self.input_norm.forward(x.clone());
            let (mixed, seen) = self.attention.forward(normed, seen, context);
            let both = x.clone() + mixed;
            let taken = if self.is_parallel { x } else { both.clone() };
            let inside = self.mlp.forward(self.mlp_norm.forward(taken));
            (both + inside, seen)
        })
    }
}
