//! What a model's config says: its architecture and sizes.

mod gguf;
mod hugging_face;
mod options;

use serde::Serialize;

use crate::architecture::Architecture;
use crate::weight::Element;

pub(crate) use gguf::from_gguf;
pub(crate) use hugging_face::from_json;

/// A transformer, as its config describes it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ModelConfig {
    /// What it computes.
    pub architecture: Architecture,
    /// Numbers that describe a position.
    pub width: u64,
    /// Blocks.
    pub blocks: u64,
    /// Heads of queries.
    pub heads: u64,
    /// Heads of keys and values; fewer than `heads` where groups of queries share them.
    pub key_value_heads: u64,
    /// Numbers of a head.
    pub head_width: u64,
    /// Numbers inside the two or three products beside attention.
    pub feed_forward: u64,
    /// Tokens.
    pub vocabulary: u64,
    /// The most positions it was made for.
    pub context: u64,
    /// Kinds of segments of an encoder; 0 where it knows none.
    pub segments: u64,
    /// Whether the head shares the weights of the embedding.
    pub tied: bool,
    /// Which products have biases.
    pub biases: Biases,
    /// Rotation of queries and keys by their positions; None where positions have vectors of their own.
    pub rope: Option<Rope>,
    /// How far back a position sees, where that is limited.
    pub window: Option<u64>,
    /// How the config says that weights are stored.
    pub element: Element,
}

/// The products of a block that have biases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Biases {
    /// Those to queries, keys and values.
    pub attention: bool,
    /// That out of attention.
    pub output: bool,
    /// Those beside attention.
    pub mlp: bool,
}

/// Rotary position embedding (Su et al., arXiv 2104.09864).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rope {
    /// The base of the frequencies.
    pub theta: f64,
    /// The part of a head that is turned.
    pub share: f64,
    /// How frequencies are changed for longer contexts: `linear` or `llama3`.
    pub scaling: Option<String>,
}
