//! Phi-3 (arXiv 2404.14219): Llama with joined products.

use burn::module::Module;
use trainyard_engine::{EngineError, ErasedLayer, ForwardContext, Layer, Tensors, erase};
use trainyard_pretrained::ModelConfig;

use super::attention::JoinedAttention;
use super::decoder::{Decoder, run_block};
use super::heads::Heads;
use super::llama::LLAMA;
use super::mlp::JoinedMlp;
use super::norm::Norm;
use super::weights::Weights;

pub(super) const PHI3: Decoder = Decoder {
    block: &[
        ("input_norm", "input_layernorm"),
        ("attention.qkv", "self_attn.qkv_proj"),
        ("attention.o", "self_attn.o_proj"),
        ("mlp_norm", "post_attention_layernorm"),
        ("mlp.gate_up", "mlp.gate_up_proj"),
        ("mlp.down", "mlp.down_proj"),
    ],
    build,
    ..LLAMA
};

#[derive(Module, Debug)]
struct Block {
    input_norm: Norm,
    attention: JoinedAttention,
    mlp_norm: Norm,
    mlp: JoinedMlp,
}

fn build(
    weights: &Weights<'_>,
    config: &ModelConfig,
    heads: Heads,
) -> Result<ErasedLayer, EngineError> {
    Ok(erase(Block {
        input_norm: weights.norm("input_norm", config.width, false)?,
        attention: JoinedAttention::new(weights, config, heads)?,
        mlp_norm: weights.norm("mlp_norm", config.width, false)?,
        mlp: JoinedMlp::new(weights, config)?,
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
