//! `DistilBERT` (Sanh et al., arXiv 1910.01108): BERT of fewer blocks, without types of tokens.

use super::encoder::Encoder;

pub(super) const DISTILBERT: Encoder = Encoder {
    embed: &[
        ("tokens", "distilbert.embeddings.word_embeddings.weight"),
        ("positions", "distilbert.embeddings.position_embeddings.weight"),
    ],
    embed_norm: "distilbert.embeddings.LayerNorm",
    blocks: "distilbert.transformer.layer.",
    block: &[
        ("attention.q", "attention.q_lin"),
        ("attention.k", "attention.k_lin"),
        ("attention.v", "attention.v_lin"),
        ("attention.o", "attention.out_lin"),
        ("attention_norm", "sa_layer_norm"),
        ("mlp.up", "ffn.lin1"),
        ("mlp.down", "ffn.lin2"),
        ("mlp_norm", "output_layer_norm"),
    ],
    masked: &[("dense", "vocab_transform"), ("norm", "vocab_layer_norm")],
    decoder: ["vocab_projector.weight", "vocab_projector.bias"],
    classify: &[("dense", "pre_classifier"), ("classes", "classifier")],
    relu: true,
};
