//! A decoder whose weights are frozen, with adapters in its blocks.

use burn::module::Module;
use burn::tensor::activation::silu;
use burn::tensor::{Device, Int, Tensor};
use trainyard_config::BlockFormat;
use trainyard_engine::Layers;
use trainyard_models::nn::{
    Embedding, EmbeddingConfig, Linear, LinearConfig, Lora, LoraConfig, PackedWeight, RmsNorm,
    RmsNormConfig,
};

/// Sizes of the model and of its adapters.
#[derive(Clone, Copy)]
pub(crate) struct Adapted {
    pub(crate) width: usize,
    pub(crate) blocks: usize,
    pub(crate) vocabulary: usize,
    pub(crate) rank: usize,
    pub(crate) dropout: f64,
    /// Blocks before this one have none.
    pub(crate) first: usize,
    /// How frozen products are held that are no numbers.
    pub(crate) packing: Option<BlockFormat>,
    /// Whether vectors of tokens and the head's weights are held so too.
    pub(crate) packs_ends: bool,
}

impl Adapted {
    /// How vectors of tokens and the head's weights are held.
    fn packing_of_ends(self) -> Option<BlockFormat> {
        self.packing.filter(|_| self.packs_ends)
    }
}

/// A frozen matrix of `[rows, columns]` in blocks.
fn pack(format: BlockFormat, matrix: Tensor<2>, device: &Device) -> PackedWeight {
    let shape = matrix.dims();
    let numbers = matrix.into_data().try_to_vec::<f32>().unwrap();
    PackedWeight::of_numbers(format, shape, &numbers, device).unwrap()
}

/// A frozen product, and what it learns.
#[derive(Module, Debug)]
struct Projection {
    base: Option<Linear>,
    packed: Option<PackedWeight>,
    lora: Option<Lora>,
}

impl Projection {
    fn new(sizes: [usize; 2], model: Adapted, has_adapter: bool, device: &Device) -> Self {
        let [inputs, outputs] = sizes;
        let base = LinearConfig::new(inputs, outputs).with_bias(false).init(device).no_grad();
        drop(base.weight.val());
        let packed = model.packing.map(|it| pack(it, base.weight.val().transpose(), device));
        let base = packed.is_none().then_some(base);
        let lora = LoraConfig::new(inputs, outputs)
            .with_rank(model.rank)
            .with_alpha(2.0 * model.rank as f64)
            .with_dropout(model.dropout);
        let lora = has_adapter.then(|| lora.init(device));
        // Drawn in this order whether the base is packed, which draws it at once, or not.
        if let Some(lora) = &lora {
            drop((lora.a.val(), lora.b.val()));
        }
        Self { base, packed, lora }
    }

    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let base = match (&self.base, &self.packed) {
            (Some(base), _) => base.forward(x.clone()),
            (None, packed) => packed.as_ref().unwrap().linear(x.clone()),
        };
        match &self.lora {
            Some(lora) => base + lora.forward(x),
            None => base,
        }
    }
}

#[derive(Module, Debug)]
struct Block {
    norm: RmsNorm,
    gate: Projection,
    up: Projection,
    down: Projection,
}

impl Block {
    fn new(model: Adapted, has_adapters: bool, device: &Device) -> Self {
        let (width, wide) = (model.width, 3 * model.width);
        let make = |sizes| Projection::new(sizes, model, has_adapters, device);
        Self {
            norm: RmsNormConfig::new(width).init(device).no_grad(),
            gate: make([width, wide]),
            up: make([width, wide]),
            down: make([wide, width]),
        }
    }

    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let normed = self.norm.forward(x.clone());
        let wide = silu(self.gate.forward(normed.clone())) * self.up.forward(normed);
        x + self.down.forward(wide)
    }
}

#[derive(Module, Debug)]
struct Embed {
    vectors: Option<Embedding>,
    packed: Option<PackedWeight>,
}

impl Embed {
    fn new(model: Adapted, device: &Device) -> Self {
        let vectors = EmbeddingConfig::new(model.vocabulary, model.width).init(device).no_grad();
        let packed = model.packing_of_ends().map(|it| pack(it, vectors.weight.val(), device));
        Self { vectors: packed.is_none().then_some(vectors), packed }
    }

    fn forward(&self, tokens: Tensor<2, Int>) -> Tensor<3> {
        match &self.vectors {
            Some(vectors) => vectors.forward(tokens),
            None => self.packed.as_ref().unwrap().rows(tokens),
        }
    }
}

#[derive(Module, Debug)]
struct Head {
    norm: RmsNorm,
    linear: Option<Linear>,
    packed: Option<PackedWeight>,
}

impl Head {
    fn new(model: Adapted, device: &Device) -> Self {
        let linear = LinearConfig::new(model.width, model.vocabulary).with_bias(false);
        let linear = linear.init(device).no_grad();
        let packed =
            model.packing_of_ends().map(|it| pack(it, linear.weight.val().transpose(), device));
        let norm = RmsNormConfig::new(model.width).init(device).no_grad();
        Self { norm, linear: packed.is_none().then_some(linear), packed }
    }

    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let x = self.norm.forward(x);
        match &self.linear {
            Some(linear) => linear.forward(x),
            None => self.packed.as_ref().unwrap().linear(x),
        }
    }
}

/// From tokens to logits.
pub(crate) fn adapted(model: Adapted) -> Layers {
    let Adapted { blocks, first, .. } = model;
    let embed = move |device: &Device| Embed::new(model, device);
    let head = move |device: &Device| Head::new(model, device);
    Layers::new("adapted", "tokens")
        .layer("embed", embed, Embed::forward)
        .repeat("block", blocks, |layers, name, block| {
            let make = move |device: &Device| Block::new(model, block >= first, device);
            layers.layer(name, make, Block::forward)
        })
        .layer("head", head, Head::forward)
        .gives(&["logits"])
        .rebuilds_frozen()
}
