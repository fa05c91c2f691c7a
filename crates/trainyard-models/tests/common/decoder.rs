//! A small decoder of the layers that `nn` has and `gpt` does without.

use burn::module::Module;
use burn::tensor::{Device, Int, Tensor};
use trainyard_engine::Layers;
use trainyard_models::nn::{
    Dropout, DropoutConfig, Embedding, EmbeddingConfig, Linear, LinearConfig, RmsNorm,
    RmsNormConfig, SwiGlu, SwiGluConfig,
};

use super::{LAYERS, VOCABULARY, WIDTH};

#[derive(Module, Debug)]
struct Block {
    norm: RmsNorm,
    widen: SwiGlu,
    narrow: Linear,
    dropout: Dropout,
}

impl Block {
    fn init(device: &Device) -> Self {
        Self {
            norm: RmsNormConfig::new(WIDTH).init(device),
            widen: SwiGluConfig::new(WIDTH, 2 * WIDTH).init(device),
            narrow: LinearConfig::new(2 * WIDTH, WIDTH).with_bias(false).init(device),
            dropout: DropoutConfig::new(0.1).init(),
        }
    }

    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let wide = self.widen.forward(self.norm.forward(x.clone()));
        x + self.dropout.forward(self.narrow.forward(wide))
    }
}

/// As many layers as the others have, from tokens to logits.
pub(crate) fn decoder() -> Layers {
    let embed = |device: &Device| EmbeddingConfig::new(VOCABULARY, WIDTH).init(device);
    let head = |device: &Device| LinearConfig::new(WIDTH, VOCABULARY).init(device);
    Layers::new("decoder", "tokens")
        .layer("embed", embed, |embed: &Embedding, tokens: Tensor<2, Int>| embed.forward(tokens))
        .repeat("block", LAYERS - 2, |layers, name, _| {
            layers.layer(name, Block::init, Block::forward)
        })
        .layer("head", head, |head: &Linear, x: Tensor<3>| head.forward(x))
        .gives(&["logits"])
}
