//! Layers whose backward can be split, in models of one's own: what they cost, and that a pipeline gives
//! what one device gives.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails at once and says why"
)]

mod common;

use burn::module::Module;
use burn::nn::{BatchNorm, BatchNormConfig, PaddingConfig2d};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use trainyard_engine::{Layers, MeanSquaredError, MicroBatch, Model};
use trainyard_models::nn::{
    Conv1d, Conv1dConfig, Conv2d, Conv2dConfig, ConvTranspose2d, ConvTranspose2dConfig, LayerNorm,
    LayerNormConfig, Linear, LinearConfig,
};
use trainyard_plan::ModelProfile;

use common::partitions::{ROWS, Subject, random};
use common::{gpt, mlp};

const SIDE: usize = 6;
const CHANNELS: usize = 4;

/// A convolution, a norm of Burn's, and the same convolution again.
#[derive(Module, Debug)]
struct Twice {
    conv: Conv2d,
    norm: BatchNorm,
}

impl Twice {
    fn new(device: &Device) -> Self {
        let conv = Conv2dConfig::new([CHANNELS; 2], [3, 3]).with_padding(PaddingConfig2d::Same);
        Self { conv: conv.init(device), norm: BatchNormConfig::new(CHANNELS).init(device) }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let once = relu(self.norm.forward(self.conv.forward(x.clone())));
        // An operation of Burn's own has a gradient of the same weight.
        let decay = self.conv.weight.val().square().sum().mul_scalar(1e-2).reshape([1, 1, 1, 1]);
        x + self.conv.forward(once) + decay
    }
}

/// A convolution along a line, a norm and a linear layer.
#[derive(Module, Debug)]
struct Line {
    conv: Conv1d,
    norm: LayerNorm,
    linear: Linear,
}

impl Line {
    fn new(device: &Device) -> Self {
        let width = SIDE * SIDE;
        Self {
            conv: Conv1dConfig::new(CHANNELS, CHANNELS, 3).init(device),
            norm: LayerNormConfig::new(width - 2).init(device),
            linear: LinearConfig::new(width - 2, 3).init(device),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<3> {
        self.linear.forward(relu(self.norm.forward(self.conv.forward(x.flatten(2, 3)))))
    }
}

fn network() -> Layers {
    let stem = Conv2dConfig::new([1, CHANNELS], [2, 2]).with_stride([2, 2]);
    let up = ConvTranspose2dConfig::new([CHANNELS; 2], [2, 2]).with_stride([2, 2]);
    Layers::new("network", "image")
        .layer(
            "stem",
            move |device| stem.init(device),
            |stem: &Conv2d, image: Tensor<4>| relu(stem.forward(image)),
        )
        .layer(
            "up",
            move |device| up.init(device),
            |up: &ConvTranspose2d, x: Tensor<4>| up.forward(x),
        )
        .layer("twice", Twice::new, Twice::forward)
        .layer("line", Line::new, Line::forward)
}

fn subject() -> Subject {
    Subject::new(network(), MeanSquaredError, |step| {
        let image = random([ROWS, 1, SIDE, SIDE], &[step, 0]);
        let targets = random([ROWS, CHANNELS, 3], &[step, 1]);
        MicroBatch::new(ROWS).with("image", image).with("targets", targets)
    })
}

/// Layer by layer: whether it splits, and elements of the gradients that cannot wait.
fn facts(costs: &ModelProfile) -> Vec<(bool, u64)> {
    let fact = |layer: &trainyard_plan::LayerProfile| {
        (layer.weight_saved_bytes != Some(0), layer.fresh_bytes.unwrap() / 4)
    };
    costs.layers.iter().map(fact).collect()
}

#[test]
fn every_schedule_gives_what_one_device_gives() {
    subject().equals_one_device(2);
}

#[test]
fn what_cannot_wait_is_what_other_operations_give() {
    let (channels, width) = (CHANNELS as u64, (SIDE * SIDE) as u64);
    let norm = 2 * channels;
    let of_decay = 9 * channels * channels;
    let expected = [(true, 0), (true, 0), (true, norm + of_decay), (true, 2 * (width - 2))];
    assert_eq!(facts(&subject().costs(ROWS)), expected);
    // Linear layers can wait with everything.
    assert_eq!(facts(&mlp().costs(ROWS)), [(true, 0); 4]);
    // A GPT cannot with positions and norms: two a block, one in the head.
    let (context, width) = (common::CONTEXT as u64, common::WIDTH as u64);
    let gpt = facts(&gpt(true, false, 0.0).costs(ROWS));
    let block = (true, 2 * width);
    assert_eq!(gpt, [(true, context * width), block, block, (true, width)]);
}

/// Nothing to go back through: numbers that no weight has made.
#[test]
fn a_first_layer_without_weights_has_nothing_to_wait_for() {
    let model = Layers::new("scaled", "features")
        .layer(
            "scale",
            |_| burn::nn::Relu::new(),
            |relu: &burn::nn::Relu, x: Tensor<2>| relu.forward(x).mul_scalar(0.5),
        )
        .layer(
            "linear",
            |device| LinearConfig::new(5, 5).init(device),
            |l: &Linear, x: Tensor<2>| l.forward(x),
        );
    let subject = Subject::new(model, MeanSquaredError, |step| {
        let [features, targets] = [0, 1].map(|kind| random([ROWS, 5], &[step, kind]));
        MicroBatch::new(ROWS).with("features", features).with("targets", targets)
    });
    assert_eq!(facts(&subject.costs(ROWS)), [(false, 0), (true, 0)]);
    subject.equals_one_device(2);
}

#[test]
fn layers_of_burn_alone_do_not_split() {
    let model = Layers::new("burns", "features").repeat("linear", 2, |layers, name, _| {
        layers.layer(
            name,
            |device| burn::nn::LinearConfig::new(5, 5).with_bias(false).init(device),
            |linear: &burn::nn::Linear, x: Tensor<2>| linear.forward(x),
        )
    });
    assert_eq!(model.layers().len(), 2);
    let subject = Subject::new(model, MeanSquaredError, |step| {
        let [features, targets] = [0, 1].map(|kind| random([ROWS, 5], &[step, kind]));
        MicroBatch::new(ROWS).with("features", features).with("targets", targets)
    });
    assert_eq!(facts(&subject.costs(ROWS)), [(false, 25); 2]);
    subject.equals_one_device(2);
}
