//! Frozen weights: a backward ends where nothing before trains, nothing is kept for it and nothing goes back,
//! on every partition as on one device; and checkpoints can leave out what a model makes each time.

use std::collections::{BTreeMap, BTreeSet};

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use trainyard_engine::checkpoint::{SaveAs, read_manifest};
use trainyard_engine::{EngineError, Layers, MeanSquaredError, MicroBatch, Pipeline};
use trainyard_plan::{ActionKind, Lane, Recompute, Schedule};

use crate::partitions::{
    Held, ROWS, Subject, cpus, of_budgets, of_kind, options, plan, random, splits_for, tensors,
};

const WIDTH: usize = 6;
const LAYERS: usize = 4;

fn linear(device: &Device, trains: bool) -> Linear {
    let linear = LinearConfig::new(WIDTH, WIDTH).init(device);
    if trains { linear } else { linear.no_grad() }
}

/// A layer whose weight is frozen and beside which a small one trains, as adapters do.
#[derive(Module, Debug)]
struct Adapted {
    base: Linear,
    down: Linear,
    up: Linear,
}

impl Adapted {
    fn new(device: &Device) -> Self {
        let [down, up] = [[WIDTH, 2], [2, WIDTH]]
            .map(|[inputs, outputs]| LinearConfig::new(inputs, outputs).init(device));
        Self { base: linear(device, false), down, up }
    }

    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.base.forward(x.clone()) + self.up.forward(self.down.forward(x))
    }
}

/// Which layers train: the last takes what the first gives, too.
fn model(trains: [bool; LAYERS]) -> Layers {
    let [first, second, third, last] = trains;
    let plain = |linear: &Linear, x: Tensor<2>| x.clone() + linear.forward(x).tanh();
    Layers::new("frozen", "features")
        .layer(
            "first",
            move |device| linear(device, first),
            |linear: &Linear, x: Tensor<2>| {
                let x = linear.forward(x).tanh();
                (x.clone(), x)
            },
        )
        .gives(&["x", "skip"])
        .layer("second", move |device| linear(device, second), plain)
        .layer("third", move |device| linear(device, third), plain)
        .layer(
            "last",
            move |device| linear(device, last),
            |linear: &Linear, (x, skip): (Tensor<2>, Tensor<2>)| linear.forward(x) + skip,
        )
        .takes(&["x", "skip"])
}

/// Adapters in all layers but the first two.
fn adapted() -> Layers {
    let plain = |linear: &Linear, x: Tensor<2>| linear.forward(x).tanh();
    Layers::new("adapted", "features")
        .layer("embed", |device| linear(device, false), plain)
        .layer("block0", |device| linear(device, false), plain)
        .layer("block1", Adapted::new, |block: &Adapted, x: Tensor<2>| block.forward(x).tanh())
        .layer("head", Adapted::new, |head: &Adapted, x: Tensor<2>| head.forward(x))
}

fn subject_of(model: Layers) -> Subject {
    Subject::new(model, MeanSquaredError, |step| {
        let [features, targets] = [0, 1].map(|kind| random([ROWS, WIDTH], &[step, kind]));
        MicroBatch::new(ROWS).with("features", features).with("targets", targets)
    })
}

#[test]
fn frozen_first_layers_on_every_partition_equal_one_device() {
    subject_of(model([false, false, true, true])).equals_one_device(2);
}

#[test]
fn a_frozen_first_layer_that_others_take_from_on_every_partition_equals_one_device() {
    subject_of(model([false, true, true, false])).equals_one_device(2);
}

#[test]
fn frozen_middle_layers_on_every_partition_equal_one_device() {
    subject_of(model([true, false, false, true])).equals_one_device(2);
}

#[test]
fn adapters_on_every_partition_equal_one_device() {
    subject_of(adapted()).equals_one_device(2);
}

/// The stages between which gradients went in a step of a layer a stage, and the names of the layers of which
/// the profile says that no backward comes to them.
fn gone_back(model: Layers, schedule: &str) -> (BTreeSet<(usize, usize)>, Vec<String>) {
    let subject = subject_of(model);
    let ends: Vec<usize> = (1..=LAYERS).collect();
    let mut pipeline = subject.on_cpus(&plan(&ends, schedule, 2, Recompute::None));
    let step = pipeline.step(1, 0.01, subject.micro_batches(1, 2)).unwrap();
    let sent = step.measured.events.iter().filter(|event| {
        event.lane == Lane::TransferOut && event.action.kind == ActionKind::SendBackward
    });
    let ends = sent.map(|event| (event.action.stage, event.other_end().unwrap().stage));
    let forward_only = subject.costs(ROWS / 2).layers.into_iter().filter(|it| it.forward_only);
    (ends.collect(), forward_only.map(|layer| layer.name).collect())
}

#[test]
fn nothing_goes_back_where_nothing_before_trains() {
    for schedule in ["1f1b", "zb-h1"] {
        let found = |trains| gone_back(model(trains), schedule);
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        // The third gives no gradient: what it takes nothing trained has a part in.
        let expected = ([(3, 2)].into(), names(&["first", "second"]));
        assert_eq!(found([false, false, true, true]), expected, "{schedule}");
        // The last trains nothing, and what it takes of the first has no gradient.
        let expected = ([(3, 2), (2, 1)].into(), names(&["first"]));
        assert_eq!(found([false, true, false, false]), expected, "{schedule}");
        let expected = ([(3, 2), (2, 1), (1, 0), (3, 0)].into(), names(&[]));
        assert_eq!(found([true, false, false, false]), expected, "{schedule}");
        let expected = ([].into(), names(&["first", "second", "third"]));
        assert_eq!(found([false, false, false, true]), expected, "{schedule}");
    }
}

#[test]
fn a_profile_counts_nothing_for_a_backward_that_does_not_come() {
    let costs = subject_of(model([false, false, true, false])).costs(ROWS);
    let weight = 4 * (WIDTH * WIDTH + WIDTH) as u64;
    for layer in &costs.layers {
        let trains = layer.name == "third";
        assert_eq!((layer.param_bytes == weight, layer.frozen_bytes == weight), (trains, !trains));
        assert_eq!(layer.optimizer_bytes, Some(if trains { 2 * weight } else { 0 }));
        let kept = [layer.saved_bytes, layer.output_saved_bytes, layer.input_saved_bytes];
        if layer.forward_only {
            assert_eq!((kept, layer.fresh_bytes), ([0; 3], Some(0)), "{}", layer.name);
        }
        let has_gradient = layer.gives.iter().any(|tensor| tensor.gradient_bytes > 0);
        assert_eq!(has_gradient, layer.name == "third", "{}", layer.name);
    }
    assert_eq!(costs.gives_gradients(), [false, false, false, true]);
    // A frozen layer behind one that trains gives its input's gradient and no weights'.
    assert_eq!(costs.layers[3].weight_saved_bytes, Some(0));
}

/// The frozen weights, by layer and path.
fn frozen(all: &BTreeMap<String, Held>) -> Vec<String> {
    let weights = of_kind(all, "weight").into_keys();
    weights.filter(|name| name.contains("base") || name.starts_with("embed")).collect()
}

#[test]
fn checkpoints_leave_out_what_the_model_makes_each_time() {
    let folder = tempfile::tempdir().unwrap();
    let [with, without] = ["with", "without"].map(|name| folder.path().join(name));
    let (kept, rebuilt) = (subject_of(adapted()), subject_of(adapted().rebuilds_frozen()));
    let whole = plan(&[LAYERS], "1f1b", 2, Recompute::None);
    let about = || SaveAs { step: 2, ..SaveAs::default() };
    let mut outcomes = Vec::new();
    for (subject, place) in [(&kept, &with), (&rebuilt, &without)] {
        let mut pipeline = subject.on_cpus(&whole);
        subject.train(&mut pipeline, 1..=2);
        pipeline.save(place, about()).unwrap();
        outcomes.push(subject.train(&mut pipeline, 3..=4));
        assert_eq!(frozen(&tensors(&mut pipeline)).is_empty(), place == &without);
    }
    assert_eq!(outcomes[0], outcomes[1]);
    let left_out: Vec<Vec<String>> =
        read_manifest(&without).unwrap().layers.into_iter().map(|layer| layer.left_out).collect();
    let base = ["base.weight", "base.bias"];
    assert_eq!(
        left_out,
        [vec!["weight", "bias"], vec!["weight", "bias"], base.into(), base.into()]
    );
    // A model that makes them reads both, one that does not the older sort alone, on any partition.
    for ends in splits_for("zb-h1", LAYERS) {
        let plan = plan(&ends, "zb-h1", 2, Recompute::None);
        for (subject, place) in [(&rebuilt, &without), (&rebuilt, &with), (&kept, &with)] {
            let mut pipeline = subject.on_cpus(&plan);
            pipeline.load(place).unwrap();
            assert_eq!(subject.train(&mut pipeline, 3..=4), outcomes[0], "{ends:?}");
            pipeline.load_weights(place).unwrap();
        }
    }
    // Where they train they must be there.
    let trained = |device: &Device| Adapted { base: linear(device, true), ..Adapted::new(device) };
    let plain = |linear: &Linear, x: Tensor<2>| linear.forward(x).tanh();
    let full = Layers::new("adapted", "features")
        .layer("embed", |device| linear(device, false), plain)
        .layer("block0", |device| linear(device, false), plain)
        .layer("block1", trained, |block: &Adapted, x: Tensor<2>| block.forward(x).tanh())
        .layer("head", Adapted::new, |head: &Adapted, x: Tensor<2>| head.forward(x))
        .rebuilds_frozen();
    let mut pipeline = subject_of(full).on_cpus(&whole);
    let refused = pipeline.load(&without).unwrap_err();
    assert!(matches!(refused, EngineError::Checkpoint { .. }), "{refused}");
    let said = refused.to_string();
    assert!(said.contains("'base.weight', which was frozen when it was saved"), "{said}");
}

/// The first layer's weight and the last's are one.
fn tied(trains: [bool; 2]) -> Layers {
    let plain = |linear: &Linear, x: Tensor<2>| linear.forward(x).tanh();
    let [first, last] = trains;
    Layers::new("tied", "features")
        .layer("first", move |device| linear(device, first), plain)
        .layer("middle", |device| linear(device, true), plain)
        .layer("last", move |device| linear(device, last), plain)
        .shares("weight", "first", "weight")
}

#[test]
fn frozen_ties_begin_equal_and_are_left_alone_on_every_partition() {
    let subject = subject_of(tied([false; 2]));
    subject.equals_one_device(2);
    let mut pipeline = subject.on_cpus(&plan(&[1, 3], "1f1b", 2, Recompute::None));
    subject.train(&mut pipeline, 1..=2);
    let weights = of_kind(&tensors(&mut pipeline), "weight");
    assert_eq!(weights["last/weight"], weights["first/weight"]);
}

#[test]
fn a_tie_of_a_frozen_weight_to_a_trained_one_is_refused() {
    for trains in [[true, false], [false, true]] {
        let subject = subject_of(tied(trains));
        let devices = cpus(2);
        let plan = plan(&[1, 3], "1f1b", 2, Recompute::None);
        let profile = of_budgets(subject.costs(ROWS / 2), &devices, 2);
        let made = Pipeline::distribute(
            subject.model.clone(),
            subject.objective.clone(),
            &profile,
            &plan,
            devices,
            options(),
        );
        let refused = made.err().unwrap().to_string();
        assert!(refused.contains("freeze both or none"), "{refused}");
    }
}

#[test]
fn a_frozen_model_has_a_loss_and_nothing_to_update() {
    let subject = subject_of(model([false; LAYERS]));
    for schedule in Schedule::names() {
        for ends in splits_for(schedule, LAYERS).take(3) {
            let mut pipeline = subject.on_cpus(&plan(&ends, schedule, 2, Recompute::Full));
            let before = tensors(&mut pipeline);
            for [loss, norm] in subject.train(&mut pipeline, 1..=2) {
                assert!(loss.is_finite() && norm == 0.0, "{schedule}: {loss}, {norm}");
            }
            assert_eq!(tensors(&mut pipeline), before, "{schedule}");
        }
    }
}
