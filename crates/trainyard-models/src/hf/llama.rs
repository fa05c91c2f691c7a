//! Llama (Touvron et al., arXiv 2302.13971), Mistral (arXiv 2310.06825), Qwen2 (arXiv 2407.10671) and Qwen3
//! (arXiv 2505.09388): norms before, rotated positions and gated products. The config says what tells them apart.

use burn::module::Module;
use trainyard_engine::{EngineError, ErasedLayer, ForwardContext, Layer, Tensors, erase};
use trainyard_pretrained::ModelConfig;

use super::attention::Attention;
use super::decoder::{Decoder, run_block};
use super::heads::Heads;
use super::mlp::GatedMlp;
use super::norm::Norm;
use super::weights::Weights;

pub(super) const LLAMA: Decoder = Decoder {
    embed: &[("tokens", "model.embed_tokens.weight")],
    blocks: "model.layers.",
    block: &[
        ("input_norm", "input_layernorm"),
        ("attention.q", "self_attn.q_proj"),
        ("attention.k", "self_attn.k_proj"),
        ("attention.v", "self_attn.v_proj"),
        ("attention.q_norm", "self_attn.q_norm"),
        ("attention.k_norm", "self_attn.k_norm"),
        ("attention.o", "self_attn.o_proj"),
        ("mlp_norm", "post_attention_layernorm"),
        ("mlp.gate", "mlp.gate_proj"),
        ("mlp.up", "mlp.up_proj"),
        ("mlp.down", "mlp.down_proj"),
    ],
    norm: "model.norm",
    head: "lm_head.weight",
    turned: false,
    build,
};

#[derive(Module, Debug)]
struct Block {
    input_norm: Norm,
    attention: Attention,
    mlp_norm: Norm,
    mlp: GatedMlp,
}

fn build(
    weights: &Weights<'_>,
    config: &ModelConfig,
    heads: Heads,
) -> Result<ErasedLayer, EngineError> {
    Ok(erase(Block {
        input_norm: weights.norm("input_norm", config.width, false)?,
        attention: Attention::new(weights, config, heads)?,
        mlp_norm: weights.norm("mlp_norm", config.width, false)?,
        mlp: GatedMlp::new(weights, config)?,
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
