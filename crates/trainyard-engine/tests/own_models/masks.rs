//! Tensors that are no floats: a mask of the batch that all layers take, and what an early layer
//! makes for later ones, over any links.

use burn::nn::{Embedding, EmbeddingConfig, Linear, LinearConfig};
use burn::tensor::{Bool, Int, Tensor, TensorData};
use trainyard_engine::{CrossEntropy, Device, Layers, MeanSquaredError, MicroBatch, discover};
use trainyard_plan::Recompute;

use crate::adapter;
use crate::partitions::{ROWS, Subject, options, plan, random, random_ints, whole};

const WIDTH: usize = 6;
const POSITIONS: usize = 5;
const TOKENS: usize = 7;
const LAST_TOKEN: i32 = 6;

/// Five linear layers, each of which blanks what the batch's mask says.
fn masked() -> Layers {
    Layers::new("masked", "features").repeat("linear", 5, |layers, name, index| {
        let takes = [if index == 0 { "features" } else { "x" }, "mask"];
        layers
            .layer(
                name,
                |device| LinearConfig::new(WIDTH, WIDTH).init(device),
                |linear: &Linear, (x, mask): (Tensor<2>, Tensor<2, Bool>)| {
                    linear.forward(x).tanh().mask_fill(mask, 0.25)
                },
            )
            .takes(&takes)
    })
}

pub(crate) fn masked_subject() -> Subject {
    Subject::new(masked(), MeanSquaredError, |step| {
        let [features, targets] = [0, 1].map(|kind| random([ROWS, WIDTH], &[step, kind]));
        let chosen = random_ints([ROWS, WIDTH], 3, &[step, 2]);
        let mask: Vec<bool> = chosen.as_slice::<i32>().unwrap().iter().map(|&n| n == 0).collect();
        MicroBatch::new(ROWS)
            .with("features", features)
            .with("mask", TensorData::new(mask, [ROWS, WIDTH]))
            .with("targets", targets)
    })
}

/// The first layer makes a mask and numbers beside its floats; later layers take them.
fn made() -> Layers {
    let mix = |linear: &Linear, (x, mask): (Tensor<3>, Tensor<3, Bool>)| {
        let y = linear.forward(x.clone()).tanh();
        x + y.mask_fill(mask, 0.0)
    };
    Layers::new("made", "tokens")
        .layer(
            "embed",
            |device| EmbeddingConfig::new(TOKENS, WIDTH).init(device),
            |embedding: &Embedding, tokens: Tensor<2, Int>| {
                let x = embedding.forward(tokens.clone());
                let mask = tokens.clone().equal_elem(0).unsqueeze_dim::<3>(2);
                let mask: Tensor<3, Bool> = mask.expand([x.dims()[0], POSITIONS, WIDTH]);
                let other = tokens.mul_scalar(-1).add_scalar(LAST_TOKEN);
                (x, mask, other)
            },
        )
        .gives(&["x", "mask", "other"])
        .layer("mix0", |device| LinearConfig::new(WIDTH, WIDTH).init(device), mix)
        .takes(&["x", "mask"])
        .layer(
            "again",
            |device| EmbeddingConfig::new(TOKENS, WIDTH).init(device),
            |embedding: &Embedding, (x, other): (Tensor<3>, Tensor<2, Int>)| {
                x + embedding.forward(other)
            },
        )
        .takes(&["x", "other"])
        .layer("mix1", |device| LinearConfig::new(WIDTH, WIDTH).init(device), mix)
        .takes(&["x", "mask"])
        .layer(
            "head",
            |device| LinearConfig::new(WIDTH, TOKENS).init(device),
            |linear: &Linear, (x, other): (Tensor<3>, Tensor<2, Int>)| {
                linear.forward(x) + other.float().unsqueeze_dim::<3>(2)
            },
        )
        .takes(&["x", "other"])
        .gives(&["logits"])
}

pub(crate) fn made_subject() -> Subject {
    Subject::new(made(), CrossEntropy::tokens(), |step| {
        let [tokens, targets] =
            [0, 1].map(|kind| random_ints([ROWS, POSITIONS], TOKENS, &[step, kind]));
        MicroBatch::new(ROWS).with("tokens", tokens).with("targets", targets)
    })
}

/// Every layer takes what an early one makes of its own floats: a mask, and numbers.
fn of_floats() -> Layers {
    let layers = Layers::new("of-floats", "features")
        .layer(
            "mark",
            |device| LinearConfig::new(WIDTH, WIDTH).init(device),
            |linear: &Linear, x: Tensor<2>| {
                let y = linear.forward(x).tanh();
                let (is_high, sign) = (y.clone().greater_elem(0.2), y.clone().sign().int());
                (y, is_high, sign)
            },
        )
        .gives(&["x", "is_high", "sign"]);
    layers.repeat("linear", 3, |layers, name, _| {
        layers
            .layer(
                name,
                |device| LinearConfig::new(WIDTH, WIDTH).init(device),
                |linear: &Linear,
                 (x, is_high, sign): (Tensor<2>, Tensor<2, Bool>, Tensor<2, Int>)| {
                    let y = linear.forward(x).tanh().mask_fill(is_high, 0.25);
                    y + sign.float().mul_scalar(0.1)
                },
            )
            .takes(&["x", "is_high", "sign"])
    })
}

pub(crate) fn of_floats_subject() -> Subject {
    Subject::new(of_floats(), MeanSquaredError, |step| {
        let [features, targets] = [0, 1].map(|kind| random([ROWS, WIDTH], &[step, kind]));
        MicroBatch::new(ROWS).with("features", features).with("targets", targets)
    })
}

#[test]
fn a_mask_and_numbers_that_follow_from_floats_on_every_partition_equal_one_device() {
    of_floats_subject().equals_one_device(2);
}

#[test]
fn masks_and_numbers_go_to_every_adapter_and_back() {
    let adapters = adapter::known();
    let names = ["mask of the batch", "mask of tokens", "mask of floats"];
    for (name, subject) in
        names.into_iter().zip([masked_subject(), made_subject(), of_floats_subject()])
    {
        let layers = subject.layers();
        let expected = subject.train(&mut subject.on_cpus(&whole(layers, 2)), 1..=2);
        let cpu = discover::cpu();
        let beside_cpus = adapters.iter().map(|(words, info)| (*words, [&cpu, info, &cpu]));
        let pairs = adapters.windows(2).map(|pair| (pair[1].0, [&pair[0].1, &pair[1].1, &cpu]));
        for (words, hardware) in beside_cpus.chain(pairs) {
            let open = |(at, info)| Device::open(format!("d{at}"), info, 1 << 30, 1).unwrap();
            let devices = hardware.into_iter().enumerate().map(open).collect();
            let plan = plan(&[1, layers - 1, layers], "1f1b", 2, Recompute::None);
            let mut pipeline = subject.distribute(&plan, devices, options());
            let found = subject.train(&mut pipeline, 1..=2);
            for (found, expected) in found.iter().flatten().zip(expected.iter().flatten()) {
                let apart = (found - expected).abs();
                assert!(apart <= 1e-3 * expected, "{name}, {words}: {found}, CPU: {expected}");
            }
        }
    }
}

#[test]
fn a_mask_of_the_batch_that_all_layers_take_on_every_partition_equals_one_device() {
    masked_subject().equals_one_device(2);
}

#[test]
fn a_mask_and_numbers_that_an_early_layer_makes_on_every_partition_equal_one_device() {
    made_subject().equals_one_device(2);
}

#[test]
fn a_mask_is_planned_with_its_bytes_and_without_a_gradient() {
    let of_batch = masked_subject().costs(ROWS);
    for layer in &of_batch.layers {
        let mask = layer.batch.iter().find(|tensor| tensor.name == "mask").unwrap();
        assert_eq!(mask.bytes, (ROWS * WIDTH) as u64, "{}", layer.name);
        assert!(layer.gives.iter().all(|tensor| tensor.name == "x"), "{layer:?}");
    }
    let of_layer = made_subject().costs(ROWS);
    let gives: Vec<(&str, u64, u64, Vec<&str>)> = of_layer.layers[0]
        .gives
        .iter()
        .map(|tensor| {
            let to = tensor.to.iter().map(String::as_str).collect();
            (tensor.name.as_str(), tensor.bytes, tensor.gradient_bytes, to)
        })
        .collect();
    let floats = (4 * ROWS * POSITIONS * WIDTH) as u64;
    let mask = (ROWS * POSITIONS * WIDTH) as u64;
    let [x, given_mask, other] = gives.as_slice() else { panic!("{gives:?}") };
    assert_eq!(x, &("x", floats, floats, vec!["mix0"]));
    assert_eq!(given_mask, &("mask", mask, 0, vec!["mix0", "mix1"]));
    // A device's integers have 4 bytes or 8.
    let numbers = (ROWS * POSITIONS) as u64;
    assert!([4 * numbers, 8 * numbers].contains(&other.1), "{other:?}");
    assert_eq!((other.0, other.2, &other.3), ("other", 0, &vec!["again", "head"]));
}
