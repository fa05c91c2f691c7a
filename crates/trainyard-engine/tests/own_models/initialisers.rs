//! Burn's own initialisers: a layer's weights follow from the seed and the layer alone, whatever the
//! partition, the threads and the kind of device.

use burn::nn::attention::{MhaInput, MultiHeadAttention, MultiHeadAttentionConfig};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{
    BatchNorm, BatchNormConfig, Embedding, EmbeddingConfig, LayerNorm, LayerNormConfig, Linear,
    LinearConfig, PaddingConfig2d,
};
use burn::tensor::{Device as BurnDevice, Int, Tensor};
use trainyard_engine::{CrossEntropy, Device, ErasedLayer, Layers, MicroBatch, Model};
use trainyard_plan::Recompute;

use crate::adapter;
use crate::partitions::{
    ROWS, SEED, Subject, cpus, of_kind, options, plan, random_ints, splits, tensors, whole,
};

const WIDTH: usize = 8;
const POSITIONS: usize = 4;
const TOKENS: usize = 9;

/// A layer of each of Burn's modules that have weights of their own kind, two of some.
fn zoo() -> Layers {
    let padding = PaddingConfig2d::Explicit(1, 1, 1, 1);
    let norm = |norm: &LayerNorm, x: Tensor<3>| norm.forward(x);
    Layers::new("zoo", "tokens")
        .layer(
            "embed",
            |device| EmbeddingConfig::new(TOKENS, WIDTH).init(device),
            |embedding: &Embedding, tokens: Tensor<2, Int>| embedding.forward(tokens),
        )
        .layer("norm0", |device| LayerNormConfig::new(WIDTH).init(device), norm)
        .layer(
            "attention",
            |device| MultiHeadAttentionConfig::new(WIDTH, 2).with_dropout(0.0).init(device),
            |attention: &MultiHeadAttention, x: Tensor<3>| {
                x.clone() + attention.forward(MhaInput::self_attn(x)).context
            },
        )
        .layer(
            "conv",
            move |device| {
                Conv2dConfig::new([1, 2], [3, 3]).with_padding(padding.clone()).init(device)
            },
            |conv: &Conv2d, x: Tensor<3>| conv.forward(x.unsqueeze_dim(1)),
        )
        .layer(
            "batch-norm",
            |device| BatchNormConfig::new(2).init(device),
            |norm: &BatchNorm, x: Tensor<4>| norm.forward(x).mean_dim(1).squeeze_dim::<3>(1),
        )
        .layer("norm1", |device| LayerNormConfig::new(WIDTH).init(device), norm)
        .layer(
            "head",
            |device| LinearConfig::new(WIDTH, TOKENS).init(device),
            |linear: &Linear, x: Tensor<3>| linear.forward(x),
        )
}

pub(crate) fn subject() -> Subject {
    Subject::new(zoo(), CrossEntropy::tokens(), |step| {
        let [tokens, targets] =
            [0, 1].map(|kind| random_ints([ROWS, POSITIONS], TOKENS, &[step, kind]));
        MicroBatch::new(ROWS).with("tokens", tokens).with("targets", targets)
    })
}

/// The values of a layer's weights, bit by bit.
fn bits(layer: &ErasedLayer) -> Vec<Vec<u32>> {
    let values = layer.weight_values().into_iter();
    let bits = |value: Tensor<1>| {
        let values = value.try_into_vec_as::<f32>().unwrap();
        values.into_iter().map(f32::to_bits).collect()
    };
    values.map(bits).collect()
}

#[test]
fn weights_are_the_same_on_every_partition() {
    let subject = subject();
    let expected = tensors(&mut subject.on_cpus(&whole(subject.layers(), 1)));
    let weights = of_kind(&expected, "weight");
    for layer in ["embed/weight", "attention/query.weight", "conv/weight", "head/weight"] {
        let (_, values) = &weights[layer];
        assert!(
            values.iter().any(|value| value.to_bits() != values[0].to_bits()),
            "{layer}: {values:?}"
        );
    }
    for ends in splits(subject.layers()) {
        let mut pipeline = subject.on_cpus(&plan(&ends, "1f1b", 1, Recompute::None));
        assert_eq!(tensors(&mut pipeline), expected, "{ends:?}");
    }
}

#[test]
fn every_layer_and_every_seed_has_weights_of_its_own() {
    let linear = |device: &BurnDevice| LinearConfig::new(4, 4).init(device);
    let model = Layers::new("alike", "features").repeat("linear", 2, |layers, name, _| {
        layers.layer(name, linear, |linear: &Linear, x: Tensor<2>| linear.forward(x))
    });
    let made = |layer, seed| bits(&model.build(layer, seed, &BurnDevice::flex()).unwrap());
    assert_eq!(made(0, 1), made(0, 1));
    assert_ne!(made(0, 1), made(1, 1));
    assert_ne!(made(0, 1), made(0, 2));
}

#[test]
fn weights_are_the_same_whatever_other_threads_make_meanwhile() {
    let model = zoo();
    let layers = model.layers().len();
    let make = |layer: usize| bits(&model.build(layer, SEED, &BurnDevice::flex()).unwrap());
    let expected: Vec<_> = (0..layers).map(make).collect();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (make, expected) = (&make, &expected);
            scope.spawn(move || {
                for turn in 0..5 * layers {
                    // Every thread in an order of its own.
                    let layer = (turn * (thread + 1) + thread) % layers;
                    assert_eq!(make(layer), expected[layer], "thread {thread}, layer {layer}");
                }
            });
        }
    });
}

#[test]
fn every_module_trains_the_same_on_every_partition() {
    let subject = subject();
    let layers = subject.layers();
    let expected = subject.outcome(&whole(layers, 2), 2);
    for ends in splits(layers).into_iter().filter(|ends| ends.len() <= 3 || ends.len() == layers) {
        for recompute in [Recompute::None, Recompute::Full] {
            let plan = plan(&ends, "1f1b", 2, recompute);
            assert_eq!(subject.outcome(&plan, 2), expected, "{ends:?} {recompute:?}");
        }
    }
}

#[test]
fn weights_on_an_adapter_are_those_on_the_cpu() {
    let subject = subject();
    let layers = subject.layers();
    let expected = tensors(&mut subject.on_cpus(&whole(layers, 1)));
    for (words, info) in adapter::known() {
        let device = |id: &str| Device::open(id, &info, 1 << 30, 1).unwrap();
        let mut alone = subject.distribute(&whole(layers, 1), vec![device("d0")], options());
        assert_eq!(tensors(&mut alone), expected, "{words}");
        let mut devices = cpus(1);
        devices.push(device("d1"));
        let halves = plan(&[3, layers], "1f1b", 1, Recompute::None);
        let mut beside = subject.distribute(&halves, devices, options());
        assert_eq!(tensors(&mut beside), expected, "{words} beside the CPU");
    }
}
