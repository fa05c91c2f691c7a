//! What tells one architecture of decoders from another: the names of its weights, and its block.

use trainyard_engine::{EngineError, ErasedLayer};
use trainyard_pretrained::{Architecture, ModelConfig};

use super::heads::Heads;
use super::weights::{WeightName, Weights};
use super::{gemma, gpt_neox, gpt2, llama, phi3};

/// Paths in a layer of ours, and the names in Hugging Face layout.
pub(super) type Names = &'static [(&'static str, &'static str)];

/// An architecture.
pub(super) struct Decoder {
    /// Names of the embedding's weights.
    pub(super) embed: Names,
    /// What is before the number of a block.
    pub(super) blocks: &'static str,
    /// Names of a block's products and norms behind its number, without `.weight` and `.bias`.
    pub(super) block: Names,
    /// The last norm, likewise.
    pub(super) norm: &'static str,
    /// The head's weight, where it has one of its own.
    pub(super) head: &'static str,
    /// Whether products are stored as `[inputs, outputs]`.
    pub(super) turned: bool,
    /// Makes a block.
    pub(super) build: fn(&Weights<'_>, &ModelConfig, Heads) -> Result<ErasedLayer, EngineError>,
}

/// The decoder of an architecture; None for an encoder.
pub(super) fn decoder(architecture: Architecture) -> Option<&'static Decoder> {
    match architecture {
        Architecture::Llama | Architecture::Mistral | Architecture::Qwen2 | Architecture::Qwen3 => {
            Some(&llama::LLAMA)
        }
        Architecture::Gemma2 | Architecture::Gemma3 => Some(&gemma::GEMMA),
        Architecture::Phi3 => Some(&phi3::PHI3),
        Architecture::Gpt2 => Some(&gpt2::GPT2),
        Architecture::GptNeox => Some(&gpt_neox::GPT_NEOX),
        Architecture::Bert | Architecture::Roberta | Architecture::DistilBert => None,
    }
}

impl Decoder {
    /// Names of the embedding's weights.
    pub(super) fn of_embed(&self) -> Vec<WeightName> {
        self.embed.iter().map(|(path, name)| WeightName::new(path, name)).collect()
    }

    /// Those of a block's, with biases that it may not have.
    pub(super) fn of_block(&self, block: usize) -> Vec<WeightName> {
        let of = |(path, name): &(&str, &str)| {
            let [mut weight, bias] =
                WeightName::both_ends(path, &format!("{}{block}.{name}", self.blocks));
            let is_product = !path.ends_with("norm");
            weight.turned = self.turned && is_product;
            [weight, bias]
        };
        self.block.iter().flat_map(of).collect()
    }

    /// Those of the head's, which may share the embedding's.
    pub(super) fn of_head(&self, is_tied: bool) -> Vec<WeightName> {
        let shared = self.embed.first().map_or(self.head, |(_, name)| name);
        let weight = WeightName::new("weight", if is_tied { shared } else { self.head });
        WeightName::both_ends("norm", self.norm).into_iter().chain([weight]).collect()
    }
}
