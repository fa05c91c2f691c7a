//! Gemma 2 (arXiv 2408.00118) and the text part of Gemma 3 (arXiv 2503.19786): norms before and after, blocks
//! with and without a window, bounded products.

use burn::module::Module;
use trainyard_engine::{EngineError, ErasedLayer, ForwardContext, Layer, Tensors, erase};
use trainyard_pretrained::ModelConfig;

use super::attention::Attention;
use super::block::{Attends, FeedsForward};
use super::decoder::Decoder;
use super::heads::Heads;
use super::llama::LLAMA;
use super::mlp::GatedMlp;
use super::norm::Norm;
use super::weights::Weights;
use crate::carried::run_block;

pub(super) const GEMMA: Decoder = Decoder {
    block: &[
        ("input_norm", "input_layernorm"),
        ("attention.q", "self_attn.q_proj"),
        ("attention.k", "self_attn.k_proj"),
        ("attention.v", "self_attn.v_proj"),
        ("attention.q_norm", "self_attn.q_norm"),
        ("attention.k_norm", "self_attn.k_norm"),
        ("attention.o", "self_attn.o_proj"),
        ("attention_out_norm", "post_attention_layernorm"),
        ("mlp_norm", "pre_feedforward_layernorm"),
        ("mlp.gate", "mlp.gate_proj"),
        ("mlp.up", "mlp.up_proj"),
        ("mlp.down", "mlp.down_proj"),
        ("mlp_out_norm", "post_feedforward_layernorm"),
    ],
    build,
    ..LLAMA
};

#[derive(Module, Debug)]
struct Block {
    input_norm: Norm,
    attention: Attention,
    attention_out_norm: Norm,
    mlp_norm: Norm,
    mlp: GatedMlp,
    mlp_out_norm: Norm,
}

fn build(
    weights: &Weights<'_>,
    config: &ModelConfig,
    heads: Heads,
) -> Result<ErasedLayer, EngineError> {
    let norm = |name: &str| weights.norm(name, config.width);
    Ok(erase(Block {
        input_norm: norm("input_norm")?,
        attention: Attention::new(weights, config, heads)?,
        attention_out_norm: norm("attention_out_norm")?,
        mlp_norm: norm("mlp_norm")?,
        mlp: GatedMlp::new(weights, config)?,
        mlp_out_norm: norm("mlp_out_norm")?,
    }))
}

impl Layer for Block {
    fn forward(&self, input: Tensors, context: &ForwardContext) -> Result<Tensors, EngineError> {
        run_block(input, context, |x, seen, segments| {
            let normed = self.input_norm.forward(x.clone());
            let (mixed, seen) = self.attention.forward(normed, seen, context, segments);
            let x = x + self.attention_out_norm.forward(mixed);
            let inside = self.mlp.forward(self.mlp_norm.forward(x.clone()));
            (x + self.mlp_out_norm.forward(inside), seen)
        })
    }
}
