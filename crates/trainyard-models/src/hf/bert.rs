//! BERT (Devlin et al., arXiv 1810.04805), and `MiniLM` (arXiv 2002.10957), which is one.

use super::encoder::Encoder;

pub(super) const BERT: Encoder = Encoder {
    embed: &[
        ("tokens", "bert.embeddings.word_embeddings.weight"),
        ("positions", "bert.embeddings.position_embeddings.weight"),
        ("types", "bert.embeddings.token_type_embeddings.weight"),
    ],
    embed_norm: "bert.embeddings.LayerNorm",
    blocks: "bert.encoder.layer.",
    block: &[
        ("attention.q", "attention.self.query"),
        ("attention.k", "attention.self.key"),
        ("attention.v", "attention.self.value"),
        ("attention.o", "attention.output.dense"),
        ("attention_norm", "attention.output.LayerNorm"),
        ("mlp.up", "intermediate.dense"),
        ("mlp.down", "output.dense"),
        ("mlp_norm", "output.LayerNorm"),
    ],
    masked: &[
        ("dense", "cls.predictions.transform.dense"),
        ("norm", "cls.predictions.transform.LayerNorm"),
    ],
    decoder: ["cls.predictions.decoder.weight", "cls.predictions.bias"],
    classify: &[("dense", "bert.pooler.dense"), ("classes", "classifier")],
    relu: false,
};
