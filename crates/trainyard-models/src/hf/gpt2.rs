//! GPT-2 (Radford et al. 2019): positions with vectors of their own, products stored the other way round.

use super::attention::JoinedAttention;
use super::block::Block;
use super::decoder::Decoder;
use super::mlp::Mlp;

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
    build: Block::<JoinedAttention, Mlp>::build,
};
