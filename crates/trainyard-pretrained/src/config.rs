//! What a model's config says: its architecture and sizes, and all else that its forward needs.

mod gguf;
mod gguf_positions;
mod hugging_face;
mod options;
mod positions;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use crate::architecture::Architecture;
use crate::error::PretrainedError;
use crate::weight::Element;

pub(crate) use gguf::from_gguf;
pub(crate) use hugging_face::from_json;

/// No model has a size beyond this; what is larger is a mistake.
const LARGEST: u64 = 1 << 32;
/// Nor so many blocks: the weights of each are listed by name, a few kilobytes a block.
const MOST_BLOCKS: u64 = 1 << 14;

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
    /// The token whose vector learns nothing from where it is looked up (`padding_idx` of PyTorch).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filling: Option<u64>,
    /// The row of the first position among the vectors of positions: `RoBERTa`'s come behind the one for filling.
    pub first_position: u64,
    /// Kinds of segments of an encoder; 0 where it knows none.
    pub segments: u64,
    /// The classes of a classifier, in the order of their numbers; empty where they have no names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// Whether the head shares the weights of the embedding.
    pub tied: bool,
    /// Which products have biases.
    pub biases: Biases,
    /// The function inside the products beside attention.
    pub activation: Activation,
    /// What norms add to a variance, or to a mean of squares.
    pub epsilon: f64,
    /// Rotation of queries and keys by their positions; None where positions have vectors of their own.
    pub rope: Option<Rope>,
    /// How many positions a position sees, itself among them, where that is limited.
    pub window: Option<u64>,
    /// The blocks for which that holds.
    pub windowed: Windowed,
    /// What products of queries and keys are multiplied by.
    pub attention_scale: f64,
    /// The bound of these products, `cap·tanh(x/cap)`.
    pub attention_cap: Option<f64>,
    /// The same of logits.
    pub logit_cap: Option<f64>,
    /// Whether attention and what is beside it take the same input and are added to it together.
    pub parallel_residual: bool,
    /// The dropout that the config of a decoder asks for, by its keys. Decoders train without.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub dropout: BTreeMap<&'static str, f64>,
    /// How the config says that weights are stored.
    pub element: Element,
}

impl ModelConfig {
    /// Refuses sizes that no model has or that do not go together, before anything is made of them.
    fn checked(self, path: &Path) -> Result<Self, PretrainedError> {
        let wrong = self.too_large().or_else(|| self.wrong_heads()).or_else(|| self.wrong_rope());
        match wrong {
            None => Ok(self),
            Some(reason) => Err(PretrainedError::bad_file(path, reason)),
        }
    }

    fn too_large(&self) -> Option<String> {
        let sizes = [
            ("blocks", self.blocks, MOST_BLOCKS),
            ("numbers a position", self.width, LARGEST),
            ("heads", self.heads, LARGEST),
            ("heads of keys and values", self.key_value_heads, LARGEST),
            ("numbers a head", self.head_width, LARGEST),
            ("numbers between two products", self.feed_forward, LARGEST),
            ("tokens", self.vocabulary, LARGEST),
            ("positions", self.context, LARGEST),
        ];
        let (what, size, most) = sizes.into_iter().find(|(_, size, most)| size > most)?;
        Some(format!("it has {size} {what}, and no model has more than {most}"))
    }

    fn wrong_heads(&self) -> Option<String> {
        let (heads, shared) = (self.heads, self.key_value_heads);
        (!heads.is_multiple_of(shared))
            .then(|| format!("{heads} heads cannot share {shared} heads of keys and values"))
    }

    fn wrong_rope(&self) -> Option<String> {
        let rope = self.rope.as_ref()?;
        let (share, turned) = (rope.share, self.turned());
        let width = self.head_width;
        if !(share > 0.0 && share <= 1.0 && turned > 0) {
            return Some(format!(
                "a share of {share} of each head's {width} numbers is turned by positions, but it must be above 0 \
                 and at most 1"
            ));
        }
        if turned.next_multiple_of(2) > width {
            return Some(format!("each head's {width} numbers cannot be turned two by two"));
        }
        let Some(RopeScaling::Factors { factors }) = &rope.scaling else { return None };
        let (found, needed) = (factors.len() as u64, turned.div_ceil(2));
        let is_sound = factors.iter().all(|factor| factor.is_finite() && *factor > 0.0);
        (found != needed || !is_sound).then(|| {
            format!(
                "rope_freqs.weight has {found} factors for {needed} frequencies, or some that are not above 0"
            )
        })
    }

    /// How many positions a position of a block sees; None where it sees all before it.
    pub fn window_of(&self, block: u64) -> Option<u64> {
        self.window.filter(|_| self.windowed.has(block))
    }

    /// How many numbers of a head are turned by their position, two by two. Of an odd number one more is turned, and
    /// frequencies are those of the odd one.
    pub fn turned(&self) -> u64 {
        let share = self.rope.as_ref().map_or(0.0, |rope| rope.share);
        // A share that is not exact in binary may be a hair below.
        (self.head_width as f64 * share + 1e-6) as u64
    }

    /// The rotation in blocks with a window or without: the base of its frequencies, and how they are changed.
    pub fn rotation(&self, is_windowed: bool) -> Option<(f64, Option<&RopeScaling>)> {
        let rope = self.rope.as_ref()?;
        Some(match rope.local_theta.filter(|_| is_windowed) {
            Some(theta) => (theta, None),
            None => (rope.theta, rope.scaling.as_ref()),
        })
    }
}

/// Whether the embedding of `transformers` keeps the vector of the token for filling as it is. (Encoders' does, too, but
/// nobody sees that token there, so that there is nothing to leave out.)
fn leaves_out_filling(architecture: Architecture) -> bool {
    !architecture.is_encoder()
        && !matches!(architecture, Architecture::Gpt2 | Architecture::GptNeox)
}

/// The token for filling where nothing is said.
fn usual_filling(architecture: Architecture) -> Option<u64> {
    match architecture {
        Architecture::Gemma2 | Architecture::Gemma3 => Some(0),
        Architecture::Phi3 => Some(32_000),
        _ => None,
    }
}

/// A function of one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// `x/(1 + e⁻ˣ)`
    Silu,
    /// `x·Φ(x)`
    Gelu,
    /// The same by a hyperbolic tangent.
    GeluTanh,
}

/// Which blocks have the window, where there is one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Windowed {
    /// Every block.
    All,
    /// All but every one of so many: the last of each such number.
    AllButEvery(u64),
    /// This block, counted from 0, and those after it.
    From(u64),
    /// As said block by block.
    Listed(Vec<bool>),
}

impl Windowed {
    /// Whether it has a block, counted from 0.
    pub fn has(&self, block: u64) -> bool {
        match self {
            Self::All => true,
            Self::AllButEvery(every) => !block.saturating_add(1).is_multiple_of(*every),
            Self::From(first) => block >= *first,
            Self::Listed(blocks) => {
                usize::try_from(block).is_ok_and(|block| blocks.get(block) == Some(&true))
            }
        }
    }
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
    /// That of blocks with a window, where it is another; their frequencies are not changed.
    pub local_theta: Option<f64>,
    /// The part of a head that is turned.
    pub share: f64,
    /// How frequencies are changed for longer contexts.
    pub scaling: Option<RopeScaling>,
}

/// A change of a rotation's frequencies.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum RopeScaling {
    /// All are divided.
    Linear {
        /// By this.
        factor: f64,
    },
    /// Low ones are divided, high ones stay, and those between are in between (Llama 3.1).
    Llama3 {
        /// What low ones are divided by.
        factor: f64,
        /// Turns in the original context up to which a frequency is low.
        low_freq_factor: f64,
        /// Turns from which it is high.
        high_freq_factor: f64,
        /// Positions the model was made for first.
        original_context: u64,
    },
    /// Each is divided by a number of its own.
    Factors {
        /// These.
        factors: Vec<f32>,
    },
}
