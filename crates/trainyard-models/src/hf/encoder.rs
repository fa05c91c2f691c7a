//! What tells one architecture of encoders from another: the names of its weights.

use trainyard_pretrained::{Architecture, DENSE, Pooling, Pretrained};

use super::decoder::Names;
use super::weights::WeightName;
use super::{bert, distilbert, roberta};

/// An architecture.
pub(super) struct Encoder {
    /// Names of the embedding's tables.
    pub(super) embed: Names,
    /// That of its norm, without `.weight` and `.bias`.
    pub(super) embed_norm: &'static str,
    /// What is before the number of a block.
    pub(super) blocks: &'static str,
    /// Names of a block's products and norms behind its number, without `.weight` and `.bias`.
    pub(super) block: Names,
    /// Those of the head that finds masked tokens, likewise.
    pub(super) masked: Names,
    /// The weight of its product to logits where it shares none, and its bias.
    pub(super) decoder: [&'static str; 2],
    /// Those of the head for classes, without `.weight` and `.bias`.
    pub(super) classify: Names,
    /// Whether the product before the one to classes is bent by a `ReLU`, instead of a hyperbolic tangent.
    pub(super) relu: bool,
}

/// The encoder of an architecture; None for a decoder.
pub(super) fn encoder(architecture: Architecture) -> Option<&'static Encoder> {
    match architecture {
        Architecture::Bert => Some(&bert::BERT),
        Architecture::Roberta => Some(&roberta::ROBERTA),
        Architecture::DistilBert => Some(&distilbert::DISTILBERT),
        _ => None,
    }
}

impl Encoder {
    /// Names of the embedding's weights.
    pub(super) fn of_embed(&self) -> Vec<WeightName> {
        let tables = self.embed.iter().map(|(path, name)| WeightName::new(path, name));
        tables.chain(WeightName::both_ends("norm", self.embed_norm)).collect()
    }

    /// Those of a block's.
    pub(super) fn of_block(&self, block: usize) -> Vec<WeightName> {
        let of = |(path, name): &(&str, &str)| {
            WeightName::both_ends(path, &format!("{}{block}.{name}", self.blocks))
        };
        self.block.iter().flat_map(of).collect()
    }

    /// Those of the head that finds masked tokens, which may share the embedding's weight.
    pub(super) fn of_masked(&self, is_tied: bool) -> Vec<WeightName> {
        let [own, bias] = self.decoder;
        let shared = self.embed.first().map_or(own, |(_, name)| name);
        let logits = [
            WeightName::new("weight", if is_tied { shared } else { own }),
            WeightName::new("bias", bias),
        ];
        self.masked
            .iter()
            .flat_map(|(path, name)| WeightName::both_ends(path, name))
            .chain(logits)
            .collect()
    }

    /// Those of the head for classes from one vector of a text: where it is the mean of all, that of the product of
    /// `sentence-transformers`, if that is there.
    pub(super) fn of_classify(&self, pooling: Pooling, has_dense: bool) -> Vec<WeightName> {
        if pooling == Pooling::Mean && has_dense {
            return WeightName::both_ends("classes", &format!("{DENSE}linear")).to_vec();
        }
        let is_used = |path: &str| pooling == Pooling::First || path != "dense";
        let own = self.classify.iter().filter(|(path, _)| is_used(path));
        own.flat_map(|(path, name)| WeightName::both_ends(path, name)).collect()
    }
}

/// Whether files have the product of `sentence-transformers`.
pub(super) fn has_dense(pretrained: &Pretrained) -> bool {
    pretrained.has(&format!("{DENSE}linear.weight"))
}
