//! A small U-Net: what the way down makes on a level goes straight to the way up on that level, over
//! as many stages as lie between.

use burn::module::Module;
use burn::nn::PaddingConfig2d;
use burn::nn::conv::{Conv2d, Conv2dConfig, ConvTranspose2d, ConvTranspose2dConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use trainyard_engine::{Layers, MeanSquaredError, MicroBatch};
use trainyard_plan::{ActionKind, Lane, Recompute};

use crate::partitions::{ROWS, Subject, cpus, options, plan, random};

/// Pixels of a side.
pub(crate) const SIDE: usize = 8;
/// Channels of the first level.
pub(crate) const CHANNELS: usize = 3;

/// Convolutions on a level, and to half its size.
#[derive(Module, Debug)]
struct Down {
    level: Conv2d,
    half: Conv2d,
}

impl Down {
    fn new(channels: [usize; 2], device: &Device) -> Self {
        let half = Conv2dConfig::new([channels[1]; 2], [2, 2]).with_stride([2, 2]);
        Self { level: same_size(channels, device), half: half.init(device) }
    }

    /// What goes down, and what stays on the level.
    fn forward(&self, x: Tensor<4>) -> (Tensor<4>, Tensor<4>) {
        let level = relu(self.level.forward(x));
        (relu(self.half.forward(level.clone())), level)
    }
}

/// To double the size, and a convolution over that and what stayed on the level.
#[derive(Module, Debug)]
struct Up {
    double: ConvTranspose2d,
    level: Conv2d,
}

impl Up {
    fn new([below, beside, out]: [usize; 3], device: &Device) -> Self {
        let double = ConvTranspose2dConfig::new([below, beside], [2, 2]).with_stride([2, 2]);
        Self { double: double.init(device), level: same_size([2 * beside, out], device) }
    }

    fn forward(&self, below: Tensor<4>, beside: Tensor<4>) -> Tensor<4> {
        self.level.forward(Tensor::cat(vec![self.double.forward(below), beside], 1))
    }
}

fn same_size(channels: [usize; 2], device: &Device) -> Conv2d {
    let padding = PaddingConfig2d::Explicit(1, 1, 1, 1);
    Conv2dConfig::new(channels, [3, 3]).with_padding(padding).init(device)
}

fn unet() -> Layers {
    const C: usize = CHANNELS;
    let down = |down: &Down, x: Tensor<4>| down.forward(x);
    Layers::new("unet", "image")
        .layer("down0", |device| Down::new([1, C], device), down)
        .gives(&["x", "level0"])
        .layer("down1", |device| Down::new([C, 2 * C], device), down)
        .gives(&["x", "level1"])
        .layer(
            "bottom",
            |device| same_size([2 * C; 2], device),
            |conv: &Conv2d, x| relu(conv.forward(x)),
        )
        .layer(
            "up1",
            |device| Up::new([2 * C, 2 * C, C], device),
            |up: &Up, (x, level)| relu(up.forward(x, level)),
        )
        .takes(&["x", "level1"])
        .layer(
            "up0",
            |device| Up::new([C, C, 1], device),
            |up: &Up, (x, level)| up.forward(x, level),
        )
        .takes(&["x", "level0"])
}

/// The U-Net, which learns to mirror noise.
pub(crate) fn subject() -> Subject {
    Subject::new(unet(), MeanSquaredError, |step| {
        let image = random([ROWS, 1, SIDE, SIDE], &[step]);
        let pixels = image.as_slice::<f32>().unwrap();
        let mirrored: Vec<f32> =
            pixels.chunks(SIDE).flat_map(|row| row.iter().rev().copied()).collect();
        let targets = burn::tensor::TensorData::new(mirrored, [ROWS, 1, SIDE, SIDE]);
        MicroBatch::new(ROWS).with("image", image).with("targets", targets)
    })
}

#[test]
fn a_unet_on_every_partition_equals_one_device() {
    subject().equals_one_device(2);
}

#[test]
fn what_skips_stages_goes_straight_to_the_one_that_takes_it() {
    const C: usize = CHANNELS;
    let subject = subject();
    let plan = plan(&[1, 2, 3, 4, 5], "1f1b", 2, Recompute::None);
    let mut pipeline = subject.distribute(&plan, cpus(5), options());
    let result = pipeline.step(1, 0.01, subject.micro_batches(1, 2)).unwrap();
    // By sending stage and kind, the bytes of every message of a step.
    let sent = |stage: usize, kind: ActionKind| {
        let events = result.measured.events.iter();
        let mut sent: Vec<u64> = events
            .filter(|event| event.lane == Lane::TransferOut)
            .filter(|event| (event.action.stage, event.action.kind) == (stage, kind))
            .map(|event| event.bytes)
            .collect();
        sent.sort_unstable();
        sent
    };
    // A tensor of so many channels on a level, for one micro-batch.
    let bytes = |channels: usize, level: u32| {
        let pixels = (SIDE >> level).pow(2);
        (4 * (ROWS / 2) * channels * pixels) as u64
    };
    let twice = |sizes: &[u64]| {
        let mut sizes = [sizes, sizes].concat();
        sizes.sort_unstable();
        sizes
    };
    let [down0, level0] = [bytes(C, 1), bytes(C, 0)];
    let [down1, level1, bottom] = [bytes(2 * C, 2), bytes(2 * C, 1), bytes(2 * C, 2)];
    let up1 = bytes(C, 1);
    // Two micro-batches; one message to each stage that takes anything.
    assert_eq!(sent(0, ActionKind::SendForward), twice(&[down0, level0]));
    assert_eq!(sent(1, ActionKind::SendForward), twice(&[down1, level1]));
    assert_eq!(sent(2, ActionKind::SendForward), twice(&[bottom]));
    assert_eq!(sent(3, ActionKind::SendForward), twice(&[up1]));
    assert!(sent(4, ActionKind::SendForward).is_empty());
    // Gradients go back the same way.
    assert_eq!(sent(4, ActionKind::SendBackward), twice(&[up1, level0]));
    assert_eq!(sent(3, ActionKind::SendBackward), twice(&[bottom, level1]));
    assert_eq!(sent(2, ActionKind::SendBackward), twice(&[down1]));
    assert_eq!(sent(1, ActionKind::SendBackward), twice(&[down0]));
    assert!(sent(0, ActionKind::SendBackward).is_empty());
}
