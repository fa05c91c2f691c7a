//! Floats that several later layers take: their gradients come back from each and are summed in an
//! order that no partition changes.

use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use trainyard_engine::{Layers, MeanSquaredError, MicroBatch};

use crate::partitions::{ROWS, Subject, random};

const WIDTH: usize = 6;

fn linear(device: &Device) -> Linear {
    LinearConfig::new(WIDTH, WIDTH).init(device)
}

/// The first layer gives what later layers take too; a bit of `takers` a layer after the second.
fn skipping(takers: &[bool]) -> Layers {
    let plain = |linear: &Linear, x: Tensor<2>| linear.forward(x).tanh();
    let joined = |linear: &Linear, (x, skip): (Tensor<2>, Tensor<2>)| {
        linear.forward(x).tanh() + skip.clone() * skip
    };
    let start = |linear: &Linear, x: Tensor<2>| {
        let x = linear.forward(x).tanh();
        (x.clone(), x)
    };
    let layers = Layers::new("skipping", "features")
        .layer("start", linear, start)
        .gives(&["x", "skip"])
        .layer("plain", linear, plain);
    takers.iter().enumerate().fold(layers, |layers, (index, &takes)| {
        let name = format!("layer{index}");
        if takes {
            layers.layer(name, linear, joined).takes(&["x", "skip"])
        } else {
            layers.layer(name, linear, plain)
        }
    })
}

pub(crate) fn subject(takers: &[bool]) -> Subject {
    Subject::new(skipping(takers), MeanSquaredError, |step| {
        let [features, targets] = [0, 1].map(|kind| random([ROWS, WIDTH], &[step, kind]));
        MicroBatch::new(ROWS).with("features", features).with("targets", targets)
    })
}

#[test]
fn a_skip_that_two_layers_take_on_every_partition_equals_one_device() {
    subject(&[true, false, true]).equals_one_device(2);
}

#[test]
fn a_skip_that_neighbours_take_on_every_partition_equals_one_device() {
    subject(&[true, true, false]).equals_one_device(2);
}

#[test]
fn a_skip_that_three_layers_take_on_every_partition_equals_one_device() {
    subject(&[true, true, true]).equals_one_device(2);
}
