//! A transformer by its sizes.

use serde::{Deserialize, Serialize};

/// A transformer by its sizes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Transformer {
    /// Its name.
    pub name: String,
    /// Numbers that describe a position.
    pub width: u64,
    /// Heads of queries.
    pub heads: u64,
    /// Numbers of all queries of a position.
    pub queries: u64,
    /// Numbers of all keys and values of a position.
    pub keys_and_values: u64,
    /// Numbers inside the products beside attention.
    pub feed_forward: u64,
    /// Whether one of these products is a gate for another.
    pub gated: bool,
    /// Norms over the width in a block.
    pub norms: u64,
    /// Whether queries and keys have norms of their own.
    pub norms_heads: bool,
    /// Whether a position sees only those before it.
    pub causal: bool,
    /// Numbers that the head gives for a position: those of tokens; 0 where it gives a few a row.
    pub logits: u64,
    /// The most positions it was made for.
    pub context: u64,
    /// Its layers, in order.
    pub layers: Vec<TransformerLayer>,
    /// What it is taken to learn, where that changes its sizes, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assumes: Option<String>,
}

/// The weights of a layer of a transformer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TransformerLayer {
    /// Its name, such as `block2`.
    pub name: String,
    /// What it computes.
    pub kind: TransformerPart,
    /// The products of a block.
    pub products: Vec<Product>,
    /// What their blocks of few bits are called, such as `q4_1`, each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub packed_as: Vec<String>,
    /// Numbers of all other weights.
    pub others: u64,
    /// Numbers of the largest of these.
    pub largest_other: u64,
    /// One of these that is in blocks of few bits where frozen weights are: vectors of tokens, or the head's weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packed: Option<Product>,
    /// The layer whose vectors of tokens are its output weights too; these are among `others`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tied_to: Option<String>,
}

/// A part of a transformer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TransformerPart {
    /// From tokens to vectors.
    Embedding,
    /// Attention, and products beside it.
    #[default]
    Block,
    /// From vectors to an answer, and the loss.
    Head,
}

impl TransformerPart {
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Embedding => "embedding",
            Self::Block => "block",
            Self::Head => "head",
        }
    }
}

/// A product with a matrix.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Product {
    /// Numbers that come in.
    pub inputs: u64,
    /// Numbers that go out.
    pub outputs: u64,
    /// Its weights in blocks of few bits, in bytes.
    pub packed_bytes: u64,
}

impl Product {
    /// Its weights.
    pub(super) fn numbers(self) -> u64 {
        self.inputs.saturating_mul(self.outputs)
    }

    /// Numbers of an adapter beside it.
    pub(super) fn adapter(self, rank: u64) -> u64 {
        self.inputs.saturating_add(self.outputs).saturating_mul(rank)
    }
}
