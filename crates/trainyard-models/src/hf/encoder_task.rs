//! An encoder with the head for what it learns: its layers, the names of their weights, and how they are made.

use trainyard_data::SEGMENTS;
use trainyard_engine::{EngineError, ErasedLayer, LayerSpec, erase};
use trainyard_pretrained::{ModelConfig, Pooling, Purpose};

use super::encoder::Encoder;
use super::encoder_embed::EncoderEmbed;
use super::encoder_heads::{ClassHead, MaskedHead, PairHead};
use super::post_norm::PostNormBlock;
use super::weights::{WeightName, Weights};
use crate::weight_init::WeightInit;

/// What an encoder learns, and what rows of the data have.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EncoderTask {
    /// What it learns.
    pub head: EncoderHead,
    /// Share of numbers that training drops: behind the embedding, of what attention and the products beside it
    /// add, and before the product to classes.
    pub dropout: f64,
    /// Whether rows have `segments`; without, a row is one text and all of it.
    pub segments: bool,
    /// Whether they have `token_types`.
    pub types: bool,
}

/// What the last layer of an encoder gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EncoderHead {
    /// For each position, which token it may be: `logits` `[batch, context, vocabulary]`.
    Masked,
    /// The class of a row: `logits` `[batch, classes]`.
    Classes {
        /// How many there are.
        classes: usize,
        /// How a row becomes one vector.
        pooling: Pooling,
    },
    /// How alike the two texts of a row are: `similarity` `[batch]`.
    Pairs {
        /// How a text becomes one vector.
        pooling: Pooling,
    },
}

/// An architecture with a head.
pub(super) struct EncoderShape {
    pub(super) encoder: &'static Encoder,
    pub(super) task: EncoderTask,
}

impl EncoderShape {
    /// Names of the last layer's weights. `has_dense` says whether files have the product of `sentence-transformers`.
    pub(super) fn of_head(&self, is_tied: bool, has_dense: bool) -> Vec<WeightName> {
        match self.task.head {
            EncoderHead::Masked => self.encoder.of_masked(is_tied),
            EncoderHead::Classes { pooling, .. } => self.encoder.of_classify(pooling, has_dense),
            EncoderHead::Pairs { .. } => Vec::new(),
        }
    }

    /// What it is written for; classes have these names.
    pub(super) fn purpose(&self, classes: &[String]) -> Purpose {
        match self.task.head {
            EncoderHead::Masked => Purpose::Masked,
            EncoderHead::Classes { pooling, .. } => {
                Purpose::Classes { names: classes.to_vec(), pooling }
            }
            EncoderHead::Pairs { pooling } => Purpose::Vectors { pooling },
        }
    }

    /// The weights of the last layer as they are written: of its own alone.
    pub(super) fn of_new_head(&self, is_tied: bool) -> Vec<WeightName> {
        let mut names = self.of_head(is_tied, true);
        names.retain(|it| !(is_tied && it.path == "weight"));
        names
    }

    /// The shape of one of the last layer's weights, by its path.
    pub(super) fn shape_in_head(&self, path: &str, config: &ModelConfig) -> Vec<u64> {
        let classes = match self.task.head {
            EncoderHead::Classes { classes, .. } => classes as u64,
            EncoderHead::Masked | EncoderHead::Pairs { .. } => 0,
        };
        match path {
            "dense.weight" => vec![config.width; 2],
            "classes.weight" => vec![classes, config.width],
            "classes.bias" => vec![classes],
            "weight" => vec![config.vocabulary, config.width],
            "bias" => vec![config.vocabulary],
            // The bias of the product, and both of the norm.
            _ => vec![config.width],
        }
    }

    /// Whether the head is of the task, not of the model: it trains where adapters are what else trains.
    pub(super) fn has_own_head(&self) -> bool {
        self.task.head != EncoderHead::Masked
    }

    /// `shared` are the paths of what the head for masked tokens and the embedding have in common.
    pub(super) fn layers(
        &self,
        blocks: usize,
        shared: Option<[&'static str; 2]>,
    ) -> Vec<LayerSpec> {
        let EncoderTask { head, segments, types, .. } = self.task;
        // Where a row has one text its positions are its places.
        let begins_anew = segments && !matches!(head, EncoderHead::Classes { .. });
        let with = |names: &[&'static str], more: &[(&'static str, bool)]| -> Vec<&'static str> {
            let more = more.iter().filter(|(_, is_there)| *is_there).map(|(name, _)| *name);
            names.iter().copied().chain(more).collect()
        };
        let more = [(SEGMENTS, begins_anew), ("token_types", types)];
        let embed = LayerSpec::new("embed", "embedding").takes(&with(&["tokens"], &more));
        let sees = with(&["x"], &[(SEGMENTS, segments)]);
        let block = |block| LayerSpec::new(format!("block{block}"), "block").takes(&sees);
        let last = LayerSpec::new("head", "head");
        let last = match head {
            EncoderHead::Masked => match shared {
                Some([own, of_embed]) => last.gives(&["logits"]).shares(own, "embed", of_embed),
                None => last.gives(&["logits"]),
            },
            EncoderHead::Classes { .. } => last.takes(&sees).gives(&["logits"]),
            EncoderHead::Pairs { .. } => last.takes(&sees).gives(&["similarity"]),
        };
        [embed].into_iter().chain((0..blocks).map(block)).chain([last]).collect()
    }

    /// Makes the layer whose weights are given; what files do not have of it is drawn.
    ///
    /// # Errors
    /// As [`Weights::projection`].
    pub(super) fn build(
        &self,
        layer: usize,
        weights: &Weights<'_>,
        initial: &mut WeightInit,
    ) -> Result<ErasedLayer, EngineError> {
        let (config, dropout) = (weights.config(), self.task.dropout);
        if layer == 0 {
            return Ok(erase(EncoderEmbed::new(weights, config, dropout)?));
        }
        if layer <= config.blocks as usize {
            return Ok(erase(PostNormBlock::new(weights, config, dropout)?));
        }
        Ok(match self.task.head {
            EncoderHead::Masked => erase(MaskedHead::new(weights, config)?),
            EncoderHead::Classes { classes, pooling } => {
                let sort = (classes, pooling, self.encoder.relu);
                erase(ClassHead::new(weights, sort, dropout, initial)?)
            }
            EncoderHead::Pairs { pooling } => erase(PairHead::new(pooling)),
        })
    }
}
