//! GPT-NeoX (Black et al., arXiv 2204.06745) and Pythia: attention and the products beside it take the same
//! input, a part of each head is turned, and queries, keys and values of a head lie together.

use super::attention::JoinedAttention;
use super::block::Block;
use super::decoder::Decoder;
use super::mlp::Mlp;

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
    build: Block::<JoinedAttention, Mlp>::build,
};
