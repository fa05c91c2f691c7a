//! Weights that follow others: declared once, by the layer that follows, and refused in words where
//! the declaration cannot be.

use std::sync::Arc;

use burn::nn::{Linear, LinearConfig};
use burn::tensor::Tensor;
use trainyard_engine::{EngineError, Layers, MeanSquaredError, MicroBatch, Model, Pipeline};
use trainyard_plan::{LayerProfile, ModelProfile, Recompute};

use crate::partitions::{
    ROWS, Subject, cpus, of_budgets, of_kind, options, plan, random, splits, tensors,
};

const WIDTH: usize = 6;

/// Three linear layers; `last` is `[inputs, outputs]` of the third, to which `tie` is done.
fn three(last: [usize; 2], tie: impl Fn(Layers) -> Layers) -> Layers {
    let sizes = [[WIDTH, WIDTH], [WIDTH, last[0]], last];
    let names = ["first", "middle", "last"];
    let layers = names.into_iter().zip(sizes).fold(
        Layers::new("three", "features"),
        |layers, (name, [inputs, outputs])| {
            layers.layer(
                name,
                move |device| LinearConfig::new(inputs, outputs).init(device),
                |linear: &Linear, x: Tensor<2>| linear.forward(x).tanh(),
            )
        },
    );
    tie(layers)
}

pub(crate) fn tied() -> Subject {
    let model = three([WIDTH; 2], |layers| layers.shares("weight", "first", "weight"));
    Subject::new(model, MeanSquaredError, |step| {
        let [features, targets] = [0, 1].map(|kind| random([ROWS, WIDTH], &[step, kind]));
        MicroBatch::new(ROWS).with("features", features).with("targets", targets)
    })
}

#[test]
fn tied_weights_on_every_partition_equal_one_device() {
    tied().equals_one_device(2);
}

#[test]
fn tied_weights_start_equal_and_stay_equal_on_every_partition() {
    let subject = tied();
    for ends in splits(3) {
        let mut pipeline = subject.on_cpus(&plan(&ends, "1f1b", 2, Recompute::None));
        let mut before = Vec::new();
        for step in 1..=3 {
            let all = tensors(&mut pipeline);
            let weights = of_kind(&all, "weight");
            assert_eq!(weights["last/weight"], weights["first/weight"], "{ends:?}, step {step}");
            assert_ne!(weights["last/weight"].1, before, "{ends:?}, step {step}");
            before.clone_from(&weights["last/weight"].1);
            // The owner has the state for both.
            let with_state = of_kind(&all, "first");
            assert!(!with_state.contains_key("last/weight"), "{ends:?}");
            assert_eq!(with_state.contains_key("first/weight"), step > 1, "{ends:?}");
            subject.train(&mut pipeline, [step]);
        }
    }
}

/// What is said of a tie, on one device and on one a layer.
fn refusals(model: &Layers) -> Vec<String> {
    let layer = |name: &str| LayerProfile { name: name.to_owned(), ..LayerProfile::default() };
    let model_profile = ModelProfile {
        name: "three".to_owned(),
        optimizer_bytes_per_param_byte: 0,
        fresh_bytes_per_param_byte: 0,
        kernels: None,
        layers: ["first", "middle", "last"].map(layer).to_vec(),
    };
    let refused = |ends: &[usize]| {
        let plan = plan(ends, "1f1b", 1, Recompute::None);
        let devices = cpus(ends.len());
        let profile = of_budgets(model_profile.clone(), &devices, 1);
        let (model, objective) = (Arc::new(model.clone()), Arc::new(MeanSquaredError));
        let distributed =
            Pipeline::distribute(model, objective, &profile, &plan, devices, options());
        let error: EngineError = distributed.err().unwrap();
        assert!(!matches!(error, EngineError::NeighbourStopped), "{ends:?}: {error}");
        error.to_string()
    };
    [&[3][..], &[2, 3], &[1, 2, 3]].map(refused).to_vec()
}

fn assert_says(model: &Layers, words: &[&str]) {
    for refusal in refusals(model) {
        for word in words {
            assert!(refusal.contains(word), "'{word}' is not in: {refusal}");
        }
    }
}

#[test]
fn a_wrong_owner_is_refused() {
    // The names of no layer, of a later layer and of the layer itself.
    for owner in ["frist", "last"] {
        let model = three([WIDTH; 2], |layers| layers.shares("weight", owner, "weight"));
        assert_says(&model, &["'last'", "'weight'", &format!("'{owner}'")]);
    }
    let later = Layers::new("three", "features")
        .layer("first", |device| LinearConfig::new(2, 2).init(device), forward)
        .shares("weight", "middle", "weight")
        .layer("middle", |device| LinearConfig::new(2, 2).init(device), forward)
        .layer("last", |device| LinearConfig::new(2, 2).init(device), forward);
    assert_says(&later, &["'first'", "'middle'"]);
    assert_eq!(later.layers().len(), 3);
}

fn forward(linear: &Linear, x: Tensor<2>) -> Tensor<2> {
    linear.forward(x)
}

#[test]
fn a_wrong_path_is_refused_with_those_there_are() {
    let of_owner = three([WIDTH; 2], |layers| layers.shares("weight", "first", "wieght"));
    assert_says(&of_owner, &["'first'", "'wieght'", "weight, bias"]);
    let of_follower = three([WIDTH; 2], |layers| layers.shares("wieght", "first", "weight"));
    assert_says(&of_follower, &["'last'", "'wieght'", "weight, bias"]);
}

#[test]
fn a_wrong_shape_is_refused() {
    let shorter = three([WIDTH, 3], |layers| layers.shares("weight", "first", "weight"));
    assert_says(&shorter, &["'last'", "'weight'", "shape"]);
    // As many numbers, in another order.
    let turned = three([4, 9], |layers| layers.shares("weight", "first", "weight"));
    assert_says(&turned, &["'last'", "'weight'", "shape"]);
    let bias = three([WIDTH; 2], |layers| layers.shares("bias", "first", "weight"));
    assert_says(&bias, &["'last'", "'bias'", "shape"]);
}
