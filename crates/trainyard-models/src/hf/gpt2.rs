//! GPT-2 (Radford et al. 2019): positions with vectors of their own, products stored the other way round.

use burn::module::Module;
use trainyard_engine::{EngineError, ErasedLayer, ForwardContext, Layer, Tensors, erase};
use trainyard_pretrained::ModelConfig;

use super::attention::JoinedAttention;
use super::decoder::{Decoder, run_block};
use super::heads::Heads;
use super::mlp::Mlp;
use super::norm::Norm;
use super::weights::Weights;

pub(super) const GPT2: Decoder = Decoder {
    embed: &[("tokens", "transformer.wte.weight"), ("positions", "transformer.wpe.weight")],
    blocks: "transformer.h.",
    block: &[
        ("input_norm", "ln_1"),
        ("attention.qkv", "attn.c_attn"),
        ("attention.o", "attn.c_proj"),
        ("mlp_norm", "ln_2"),
        ("mlp.up", "mlp.c_fc"),
        ("mlp.down", "mlp.c_proj"),
    ],
    norm: "transformer.ln_f",
    head: "lm_head.weight",
    turned: true,
    build,
};

#[derive(Module, Debug)]
struct Block {
    input_norm: Norm,
    attention: JoinedAttention,
    mlp_norm: Norm,
    mlp: Mlp,
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
    }))
}

impl Layer for Block {
    fn forward(&self, input: Tensors, context: &ForwardContext) -> Result<Tensors, EngineError> {
        run_block(input, context, |x, seen| {
            let normed = self.input_norm.forward(x.clone());
            let (mixed, seen) = self.attention.forward(normed, seen, context);
            let x = x + mixed;
            let inside = self.mlp.forward(self.mlp_norm.forward(x.clone()));
            (x + inside, seen)
        })
    }
}
