//! Burn's own `Dropout`: its masks follow from the seed, the step, the micro-batch and the layer.

use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig, Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use trainyard_engine::{Layers, MeanSquaredError, MicroBatch};

use crate::partitions::{ROWS, Subject, random, whole};

const WIDTH: usize = 6;

#[derive(Module, Debug)]
struct Block {
    linear: Linear,
    dropout: Dropout,
}

impl Block {
    fn init(prob: f64, device: &Device) -> Self {
        Self {
            linear: LinearConfig::new(WIDTH, WIDTH).init(device),
            dropout: DropoutConfig::new(prob).init(),
        }
    }

    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.dropout.forward(self.linear.forward(x).tanh())
    }
}

fn subject(prob: f64) -> Subject {
    let model = Layers::new("dropouts", "features").repeat("block", 4, |layers, name, _| {
        layers.layer(name, move |device| Block::init(prob, device), Block::forward)
    });
    Subject::new(model, MeanSquaredError, |step| {
        let [features, targets] = [0, 1].map(|kind| random([ROWS, WIDTH], &[step, kind]));
        MicroBatch::new(ROWS).with("features", features).with("targets", targets)
    })
}

#[test]
fn dropout_is_the_same_on_every_partition() {
    let steps = |prob| subject(prob).outcome(&whole(4, 2), 2).steps;
    assert_ne!(steps(0.5), steps(0.0), "nothing was dropped");
    subject(0.5).equals_one_device(2);
}
