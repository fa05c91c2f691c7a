//! Which products of a layer get an adapter, and how these begin.

use std::cell::RefCell;

use burn::tensor::Device;
use trainyard_config::{BadKey, BlockFormat, LoraSection, LoraTarget};
use trainyard_engine::{EngineError, mix};

use super::weights::WeightName;
use crate::nn::{Lora, LoraConfig};
use crate::weight_init::WeightInit;

/// Tells the source of adapters' weights from that of others.
const SEED: u64 = 0x6C6F_7261;

/// How frozen matrices are held in blocks of few bits: as their file has them, or else in these, or where there are
/// none as numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Packing(pub(super) Option<BlockFormat>);

impl Packing {
    /// That of the products of blocks, or of the first layer and the last.
    pub(super) fn of(lora: &LoraSection, is_block: bool) -> Self {
        Self(if is_block { Some(lora.packing) } else { lora.embedding_packing })
    }
}

/// The adapters of one layer.
pub(super) struct LayerAdapters<'a> {
    lora: &'a LoraSection,
    /// Whether frozen products are held in blocks.
    is_packed: bool,
    /// None in the first layer and the last, which have none.
    block: Option<usize>,
    initial: RefCell<WeightInit>,
}

impl<'a> LayerAdapters<'a> {
    /// Those of a layer, whose weights follow from the run's seed and its number.
    pub(super) fn new(
        (lora, is_packed): (&'a LoraSection, bool),
        block: Option<usize>,
        seed: u64,
        layer: usize,
    ) -> Self {
        let initial = RefCell::new(WeightInit::new(mix(&[seed, SEED]), layer));
        Self { lora, is_packed, block, initial }
    }

    /// How its frozen matrices are held in blocks; None where they are held as numbers.
    pub(super) fn packing(&self) -> Option<Packing> {
        let packing = Packing::of(self.lora, self.block.is_some());
        self.is_packed.then_some(packing)
    }

    /// The adapter of a product with a path in the layer and a name in Hugging Face layout, of `[inputs, outputs]`
    /// numbers; None where it gets none.
    ///
    /// # Errors
    /// [`EngineError::LayerTooLarge`] where it is larger than the memory that is free.
    pub(super) fn of(
        &self,
        path: &str,
        name: &str,
        [inputs, outputs]: [usize; 2],
        device: &Device,
    ) -> Result<Option<Lora>, EngineError> {
        let Some(block) = self.block else { return Ok(None) };
        let (names, is_attention) = names(path, name);
        if !self.lora.adapts(block, &LoraTarget { names: &names, is_attention }) {
            return Ok(None);
        }
        let LoraSection { rank, alpha, dropout, .. } = *self.lora;
        let config = LoraConfig::new(inputs, outputs).with_rank(rank);
        let config = config.with_alpha(alpha).with_dropout(dropout);
        config.drawn(&mut self.initial.borrow_mut(), device).map(Some)
    }
}

/// Names by which run files may call a product, such as `q` and `q_proj`, and whether it is a part of attention.
fn names<'a>(path: &'a str, name: &'a str) -> ([&'a str; 2], bool) {
    fn last(name: &str) -> &str {
        name.rsplit('.').next().unwrap_or(name)
    }
    let name = name.strip_suffix(".weight").unwrap_or(name);
    ([last(path), last(name)], path.starts_with("attention"))
}

/// Refuses `[lora]` targets and blocks that a model does not have. `of_block` are the weights of a block.
///
/// # Errors
/// [`BadKey`] of `[lora]`.
pub(super) fn check(
    lora: &LoraSection,
    blocks: usize,
    of_block: &[WeightName],
) -> Result<(), BadKey> {
    let products = of_block.iter().filter(|it| !it.path.contains("norm"));
    let named = products.filter_map(|it| Some(names(it.path.strip_suffix(".weight")?, &it.name)));
    let named: Vec<([&str; 2], bool)> = named.collect();
    let known: Vec<LoraTarget<'_>> = named
        .iter()
        .map(|(names, is_attention)| LoraTarget { names, is_attention: *is_attention })
        .collect();
    lora.check_model(blocks, &known)
}
