//! Llama (Touvron et al., arXiv 2302.13971), Mistral (arXiv 2310.06825), Qwen2 (arXiv 2407.10671) and Qwen3
//! (arXiv 2505.09388): norms before, rotated positions and gated products. The config says what tells them apart.

use super::attention::Attention;
use super::block::Block;
use super::decoder::Decoder;
use super::mlp::GatedMlp;

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
    build: Block::<Attention, GatedMlp>::build,
};
