//! Where in a model a weight belongs, by its name.

use serde::Serialize;

/// The part of a model that has a weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// What comes before the blocks.
    Embed,
    /// A block, from 0.
    Block(u64),
    /// What comes after the blocks.
    Head,
}

/// What a weight is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Vectors of tokens, positions and kinds of segments.
    Embedding,
    /// Queries, keys, values, and the way out of attention.
    Attention,
    /// The two or three products of a block beside attention.
    Mlp,
    /// Gains and biases of norms, and factors of layers.
    Norm,
    /// From the last block's numbers to an answer.
    Head,
}

impl Role {
    /// All of them, in the order of a model.
    pub const ALL: [Self; 5] =
        [Self::Embedding, Self::Attention, Self::Mlp, Self::Norm, Self::Head];

    /// In one word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Embedding => "embedding",
            Self::Attention => "attention",
            Self::Mlp => "mlp",
            Self::Norm => "norm",
            Self::Head => "head",
        }
    }
}

/// Part and role of a weight. The names of all architectures follow one habit, in Hugging Face layout and
/// in GGUF files: blocks are numbered, and words in the name tell the rest.
pub(crate) fn place(name: &str) -> (Part, Role) {
    let has = |words: &[&str]| words.iter().any(|word| name.contains(word));
    let number = name.split('.').find_map(|word| word.parse::<u64>().ok());
    let is_norm = has(&["norm", "LayerNorm", "ln_"]);
    if let Some(number) = number {
        // BERT's `attention.output.dense` is attention, its `output.dense` is not.
        let role = match () {
            () if is_norm => Role::Norm,
            () if has(&["attn", "attention"]) => Role::Attention,
            () => Role::Mlp,
        };
        return (Part::Block(number), role);
    }
    let is_embedding =
        has(&["embed_tokens", "embed_in", "embeddings", "token_embd", "position_embd"])
            || has(&["token_types", "token_embd_norm", "wte", "wpe"]);
    match (is_embedding, is_norm) {
        (true, true) => (Part::Embed, Role::Norm),
        (true, false) => (Part::Embed, Role::Embedding),
        // The norm in a head for masked words belongs to that head.
        (false, true) if !has(&["cls.", "lm_head."]) => (Part::Head, Role::Norm),
        (false, _) => (Part::Head, Role::Head),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_where_a_weight_belongs() {
        let expected = [
            ("model.embed_tokens.weight", Part::Embed, Role::Embedding),
            ("transformer.wpe.weight", Part::Embed, Role::Embedding),
            ("bert.embeddings.LayerNorm.bias", Part::Embed, Role::Norm),
            ("token_embd.weight", Part::Embed, Role::Embedding),
            ("token_embd_norm.weight", Part::Embed, Role::Norm),
            ("model.layers.11.self_attn.q_proj.bias", Part::Block(11), Role::Attention),
            ("model.layers.0.self_attn.q_norm.weight", Part::Block(0), Role::Norm),
            ("model.layers.3.mlp.gate_up_proj.weight", Part::Block(3), Role::Mlp),
            ("blk.7.attn_output.weight", Part::Block(7), Role::Attention),
            ("blk.7.ffn_norm.weight", Part::Block(7), Role::Norm),
            ("blk.7.ffn_down.weight", Part::Block(7), Role::Mlp),
            ("h.2.ln_1.weight", Part::Block(2), Role::Norm),
            ("h.2.attn.c_proj.weight", Part::Block(2), Role::Attention),
            ("encoder.layer.5.attention.output.dense.weight", Part::Block(5), Role::Attention),
            ("encoder.layer.5.attention.output.LayerNorm.weight", Part::Block(5), Role::Norm),
            ("encoder.layer.5.output.dense.weight", Part::Block(5), Role::Mlp),
            ("transformer.layer.1.ffn.lin1.weight", Part::Block(1), Role::Mlp),
            ("transformer.layer.1.sa_layer_norm.weight", Part::Block(1), Role::Norm),
            ("model.norm.weight", Part::Head, Role::Norm),
            ("output_norm.weight", Part::Head, Role::Norm),
            ("transformer.ln_f.weight", Part::Head, Role::Norm),
            ("lm_head.weight", Part::Head, Role::Head),
            ("output.weight", Part::Head, Role::Head),
            ("pooler.dense.weight", Part::Head, Role::Head),
            ("cls.predictions.transform.LayerNorm.weight", Part::Head, Role::Head),
        ];
        for (name, part, role) in expected {
            assert_eq!(place(name), (part, role), "{name}");
        }
    }
}
