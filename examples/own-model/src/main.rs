//! A model of one's own with Trainyard: a small convolutional network that tells three shapes apart.
//!
//!     cargo run --release -p own-model -- train examples/own-model/run.toml

use std::process::ExitCode;

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use trainyard::prelude::*;

keys! {
    /// A residual network for small images.
    pub struct Options in "model" {
        /// Channels of every block.
        channels: usize = 8, in 1..=512;
        /// Residual blocks.
        blocks: usize = 3, in 1..=100;
    }
}

/// `relu(x + norm(conv(x)))`
#[derive(Module, Debug)]
struct Block {
    conv: Conv2d,
    norm: BatchNorm,
}

impl Block {
    fn new(channels: usize, device: &Device) -> Self {
        let conv = Conv2dConfig::new([channels; 2], [3, 3]).with_padding(PaddingConfig2d::Same);
        Self { conv: conv.init(device), norm: BatchNormConfig::new(channels).init(device) }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        relu(x.clone() + self.norm.forward(self.conv.forward(x)))
    }
}

fn layers(options: &Options) -> Layers {
    let Options { channels, blocks } = *options;
    Layers::new("shapes", "image")
        .layer(
            "stem",
            move |device| Conv2dConfig::new([1, channels], [3, 3]).init(device),
            |stem: &Conv2d, image: Tensor<4>| relu(stem.forward(image)),
        )
        .repeat("block", blocks, move |layers, name, _| {
            layers.layer(name, move |device| Block::new(channels, device), Block::forward)
        })
        .layer(
            "head",
            move |device| LinearConfig::new(channels, 3).init(device),
            |head: &Linear, x: Tensor<4>| head.forward(x.mean_dims(&[2, 3]).flatten::<2>(1, 3)),
        )
}

/// A line, a cross or a square somewhere in 12 × 12 pixels: the image of a number.
fn shape(number: u64) -> (Vec<f32>, i32) {
    let (class, x, y) = (number % 3, 2 + number / 3 % 5, 2 + number / 15 % 5);
    let on = |column: u64, row: u64| match class {
        0 => row == y && (x..x + 4).contains(&column),
        1 => {
            (row == y + 2 || column == x + 2) && column.abs_diff(x + 2).max(row.abs_diff(y + 2)) < 3
        }
        _ => (x..x + 4).contains(&column) && (y..y + 4).contains(&row),
    };
    let pixels = (0..144).map(|at| if on(at % 12, at / 12) { 1.0 } else { 0.0 });
    (pixels.collect(), i32::try_from(class).unwrap_or(0))
}

fn main() -> ExitCode {
    let data = |_: &Options| Samples::images("shapes", [1, 12, 12], 75, shape);
    main_with(OwnRecipe::new("shapes", layers).data(data))
}
