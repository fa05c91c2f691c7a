//! A pretrained model as ordered layers, each made from its own weights alone.

use std::sync::Arc;

use burn::tensor::Device;
use trainyard_config::{BadKey, LoraSection};
use trainyard_data::SEGMENTS;
use trainyard_engine::kernels::are_compiled;
use trainyard_engine::{EngineError, ErasedLayer, LayerSpec, Model, erase, no_such_layer};
use trainyard_pretrained::{Architecture, ModelConfig, Pretrained};

use super::adapters::{self, LayerAdapters, Packing};
use super::decoder::{Decoder, decoder};
use super::encoder::{encoder, has_dense};
use super::encoder_task::{EncoderShape, EncoderTask};
use super::ends::{Embed, Head};
use super::heads::Heads;
use super::rope::Rope;
use super::weights::{WeightName, Weights, blocks};
use crate::carried::{KEYS_AND_VALUES, SEGMENTS_SO_FAR};
use crate::nn::PackedWeight;
use crate::weight_init::WeightInit;

/// What layers are made by.
enum Shape {
    Decoder(&'static Decoder),
    Encoder(EncoderShape),
}

/// A model in Hugging Face layout or from a GGUF file: `embed`, `block0` …, `head`.
pub struct HfModel {
    pretrained: Arc<Pretrained>,
    shape: Shape,
    /// In blocks without a window, and in those with one.
    ropes: [Option<Rope>; 2],
    context: usize,
    /// None where all weights train.
    lora: Option<LoraSection>,
    /// Whether frozen matrices are held in blocks.
    is_packed: bool,
    /// Whether a row may hold several samples, of which none sees another.
    has_segments: bool,
}

impl HfModel {
    /// The decoder of some files, for contexts of up to `context` positions; None for an encoder.
    pub fn new(pretrained: Arc<Pretrained>, context: usize) -> Option<Self> {
        let decoder = decoder(pretrained.config.architecture)?;
        Some(Self::of(pretrained, context, Shape::Decoder(decoder)))
    }

    /// The encoder of some files, with a head for a task; None for a decoder.
    pub fn encoder(pretrained: Arc<Pretrained>, context: usize, task: EncoderTask) -> Option<Self> {
        let encoder = encoder(pretrained.config.architecture)?;
        Some(Self::of(pretrained, context, Shape::Encoder(EncoderShape { encoder, task })))
    }

    fn of(pretrained: Arc<Pretrained>, context: usize, shape: Shape) -> Self {
        let rope = |is_windowed| Rope::new(&pretrained.config, is_windowed, context);
        let ropes = [false, true].map(rope);
        Self {
            pretrained,
            shape,
            ropes,
            context,
            lora: None,
            is_packed: false,
            has_segments: false,
        }
    }

    /// The same with its weights frozen, and adapters beside them.
    ///
    /// # Errors
    /// [`BadKey`] of `[lora]` for targets and blocks that it does not have.
    pub fn with_adapters(self, lora: &LoraSection) -> Result<Self, BadKey> {
        adapters::check(lora, self.blocks(), &self.of_block(0))?;
        Ok(Self { lora: Some(lora.clone()), ..self })
    }

    /// Positions it sees at once.
    pub fn context(&self) -> usize {
        self.context
    }

    /// Its adapters, where these train instead of its weights.
    pub fn lora(&self) -> Option<&LoraSection> {
        self.lora.as_ref()
    }

    /// The same with frozen matrices in blocks of few bits, as their files have them or as `[lora]` says.
    #[must_use]
    pub fn packed(self) -> Self {
        Self { is_packed: true, ..self }
    }

    /// The same for rows of several samples: it takes `segments`, `[rows, context]` int, and positions see only
    /// those with the same number. Vectors of positions begin anew with each.
    #[must_use]
    pub fn with_segments(self) -> Self {
        Self { has_segments: true, ..self }
    }

    /// The files that it is made from.
    pub fn pretrained(&self) -> &Pretrained {
        &self.pretrained
    }

    /// Both names of every weight that a layer has of its own, in the order of its files' layout: a tied head's
    /// is the embedding's.
    pub fn names(&self, layer: usize) -> Vec<WeightName> {
        let mut names = self.all_names(layer);
        let is_tied_head = self.config().tied && layer == self.blocks() + 1;
        names.retain(|it| self.pretrained.has(&it.name) && !(is_tied_head && it.path == "weight"));
        names
    }

    /// What it is as an encoder; None for a decoder.
    pub(super) fn as_encoder(&self) -> Option<&EncoderShape> {
        match &self.shape {
            Shape::Encoder(encoder) => Some(encoder),
            Shape::Decoder(_) => None,
        }
    }

    fn all_names(&self, layer: usize) -> Vec<WeightName> {
        let is_tied = self.config().tied;
        match (&self.shape, layer) {
            (Shape::Decoder(it), 0) => it.of_embed(),
            (Shape::Encoder(it), 0) => it.encoder.of_embed(),
            (_, layer) if layer <= self.blocks() => self.of_block(layer - 1),
            (Shape::Decoder(it), _) => it.of_head(is_tied),
            (Shape::Encoder(it), _) => it.of_head(is_tied, has_dense(&self.pretrained)),
        }
    }

    fn of_block(&self, block: usize) -> Vec<WeightName> {
        match &self.shape {
            Shape::Decoder(it) => it.of_block(block),
            Shape::Encoder(it) => it.encoder.of_block(block),
        }
    }

    /// The adapters of a layer; None where all of it trains.
    fn adapters(&self, layer: usize, seed: u64) -> Option<LayerAdapters<'_>> {
        let is_head = layer == self.blocks() + 1;
        let trains = matches!(&self.shape, Shape::Encoder(it) if is_head && it.has_own_head());
        let lora = self.lora.as_ref().filter(|_| !trains)?;
        let block = (1..=self.blocks()).contains(&layer).then(|| layer - 1);
        Some(LayerAdapters::new((lora, self.is_packed), block, seed, layer))
    }

    /// Whether the vectors of tokens are held in blocks.
    fn packs_tokens(&self) -> bool {
        let Some(lora) = self.lora.as_ref().filter(|_| self.is_packed) else { return false };
        let names = self.all_names(0);
        let tokens = names.iter().find(|name| name.path == "tokens");
        let packing = Packing::of(lora, false);
        let blocks =
            tokens.and_then(|it| blocks(&self.pretrained, it, self.config().width, packing));
        blocks.is_some()
    }

    fn config(&self) -> &ModelConfig {
        &self.pretrained.config
    }

    fn blocks(&self) -> usize {
        self.config().blocks as usize
    }

    fn heads(&self, block: usize) -> Heads {
        let window = self.config().window_of(block as u64);
        let [whole, windowed] = &self.ropes;
        let rope = if window.is_some() { windowed } else { whole };
        Heads::new(self.config(), window, rope.clone())
    }
}

impl Model for HfModel {
    fn name(&self) -> &str {
        &self.pretrained.name
    }

    fn layers(&self) -> Vec<LayerSpec> {
        if let Shape::Encoder(encoder) = &self.shape {
            let shared = if self.packs_tokens() {
                ["packed.blocks", "packed.blocks"]
            } else {
                ["weight", "tokens"]
            };
            return encoder.layers(self.blocks(), self.config().tied.then_some(shared));
        }
        let embed = LayerSpec::new("embed", "embedding").takes(&["tokens"]).in_slices();
        let has_positions = self.config().architecture == Architecture::Gpt2;
        let embed = if self.has_segments && has_positions {
            embed.takes(&["tokens", SEGMENTS]).carries(&[SEGMENTS_SO_FAR])
        } else {
            embed
        };
        let block = |block| {
            let block = LayerSpec::new(format!("block{block}"), "block");
            if self.has_segments {
                block.takes(&["x", SEGMENTS]).carries(&[KEYS_AND_VALUES, SEGMENTS_SO_FAR])
            } else {
                block.carries(&[KEYS_AND_VALUES])
            }
        };
        let head = LayerSpec::new("head", "head").gives(&["logits"]).in_slices();
        let head = match self.config().tied {
            true if self.packs_tokens() => head.shares("packed.blocks", "embed", "packed.blocks"),
            true => head.shares("weight", "embed", "tokens"),
            false => head,
        };
        [embed].into_iter().chain((0..self.blocks()).map(block)).chain([head]).collect()
    }

    fn frozen_from(&self) -> Option<String> {
        Some(format!("files with the fingerprint {}", self.pretrained.fingerprint()))
    }

    fn builds_tied_frozen(&self) -> bool {
        true
    }

    fn held_as(&self, layer: usize, path: &str) -> Option<String> {
        let product = path.strip_suffix(PackedWeight::PATH)?;
        let path = match (layer, product) {
            (0, "") => "tokens".to_owned(),
            (_, product) => format!("{product}weight"),
        };
        let names = self.all_names(layer);
        let name = names.iter().find(|name| name.path == path)?;
        let packing = self.adapters(layer, 0)?.packing()?;
        let shape = self.pretrained.raw(&name.name).ok()?.shape;
        let columns = if name.turned { shape.first() } else { shape.last() };
        let blocks = blocks(&self.pretrained, name, *columns?, packing)?;
        Some(blocks.element().name().to_owned())
    }

    /// Reads the layer's weights; adapters follow from the seed.
    fn build(&self, layer: usize, seed: u64, device: &Device) -> Result<ErasedLayer, EngineError> {
        let (config, blocks) = (self.config(), self.blocks());
        let is_cpu = device.clone().without_autodiff() == Device::flex();
        if self.is_packed && !is_cpu && !are_compiled() {
            return Err(EngineError::Layer {
                layer: self.pretrained.name.clone(),
                reason: "weights in blocks need shaders that a program with native-shaders does not compile: build it \
                         without --features native-shaders, or take train.method = \"lora\", which holds them as numbers"
                    .to_owned(),
            });
        }
        let name = match layer {
            0 => "embed".to_owned(),
            layer if layer <= blocks => format!("block{}", layer - 1),
            layer if layer == blocks + 1 => "head".to_owned(),
            _ => return Err(no_such_layer(&self.pretrained.name, layer, blocks + 2)),
        };
        let weights = Weights {
            pretrained: &self.pretrained,
            layer: name,
            names: self.all_names(layer),
            device,
            adapters: self.adapters(layer, seed),
        };
        let decoder = match &self.shape {
            Shape::Decoder(decoder) => decoder,
            Shape::Encoder(encoder) => {
                return encoder.build(layer, &weights, &mut WeightInit::new(seed, layer));
            }
        };
        match layer {
            0 => Ok(erase(Embed::new(&weights, config)?)),
            layer if layer <= blocks => (decoder.build)(&weights, config, self.heads(layer - 1)),
            _ => Ok(erase(Head::new(&weights, config)?)),
        }
    }
}
