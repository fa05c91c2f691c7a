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
        let pack = |format| {
            let numbers = base.weight.val().transpose().into_data().try_to_vec::<f32>().unwrap();
            PackedWeight::of_numbers(format, [outputs, inputs], &numbers, device).unwrap()
        };
        drop(base.weight.val());
        let packed = model.packing.map(pack);
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
struct Head {
    norm: RmsNorm,
    linear: Linear,
}

/// From tokens to logits.
pub(crate) fn adapted(model: Adapted) -> Layers {
    let Adapted { width, blocks, vocabulary, first, .. } = model;
    let embed =
        move |device: &Device| EmbeddingConfig::new(vocabulary, width).init(device).no_grad();
    let head = move |device: &Device| {
        let linear = LinearConfig::new(width, vocabulary).with_bias(false).init(device);
        Head { norm: RmsNormConfig::new(width).init(device), linear }.no_grad()
    };
    Layers::new("adapted", "tokens")
        .layer("embed", embed, |embed: &Embedding, tokens: Tensor<2, Int>| embed.forward(tokens))
        .repeat("block", blocks, |layers, name, block| {
            let make = move |device: &Device| Block::new(model, block >= first, device);
            layers.layer(name, make, Block::forward)
        })
        .layer("head", head, |head: &Head, x: Tensor<3>| head.linear.forward(head.norm.forward(x)))
        .gives(&["logits"])
        .rebuilds_frozen()
}
