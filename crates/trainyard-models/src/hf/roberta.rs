//! `RoBERTa` (Liu et al., arXiv 1907.11692): BERT with positions behind the one for filling, and other heads.

use super::bert::BERT;
use super::encoder::Encoder;

pub(super) const ROBERTA: Encoder = Encoder {
    embed: &[
        ("tokens", "roberta.embeddings.word_embeddings.weight"),
        ("positions", "roberta.embeddings.position_embeddings.weight"),
        ("types", "roberta.embeddings.token_type_embeddings.weight"),
    ],
    embed_norm: "roberta.embeddings.LayerNorm",
    blocks: "roberta.encoder.layer.",
    masked: &[("dense", "lm_head.dense"), ("norm", "lm_head.layer_norm")],
    decoder: ["lm_head.decoder.weight", "lm_head.bias"],
    classify: &[("dense", "classifier.dense"), ("classes", "classifier.out_proj")],
    ..BERT
};
