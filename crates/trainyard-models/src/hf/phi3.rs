//! Phi-3 (arXiv 2404.14219): Llama with joined products.

use super::attention::JoinedAttention;
use super::block::Block;
use super::decoder::Decoder;
use super::llama::LLAMA;
use super::mlp::JoinedMlp;

pub(super) const PHI3: Decoder = Decoder {
    block: &[
        ("input_norm", "input_layernorm"),
        ("attention.qkv", "self_attn.qkv_proj"),
        ("attention.o", "self_attn.o_proj"),
        ("mlp_norm", "post_attention_layernorm"),
        ("mlp.gate_up", "mlp.gate_up_proj"),
        ("mlp.down", "mlp.down_proj"),
    ],
    build: Block::<JoinedAttention, JoinedMlp>::build,
    ..LLAMA
};
