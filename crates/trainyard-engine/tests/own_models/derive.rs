//! Costs derived from the layers themselves: bytes of weights, of what goes from layer to layer and of
//! what is kept, from running every sort of layer once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use trainyard_engine::optimizer::{GroupedOptimizer, Muon, OptimizerGroup, OptimizerGroups, Sgd};
use trainyard_engine::{
    AdamW, DeriveSettings, EngineError, Layers, MeanSquaredError, MicroBatch, WeightRole,
    WeightSpec, derive_profile,
};
use trainyard_plan::{LayerProfile, ModelProfile, TensorProfile};

use crate::partitions::{ROWS, SEED, Subject, derived, random};
use crate::unet::{CHANNELS, SIDE};
use crate::{batch_norm, initialisers, masks, skips, ties, unet};

/// Every model of these tests.
fn subjects() -> Vec<Subject> {
    vec![
        unet::subject(),
        masks::masked_subject(),
        masks::made_subject(),
        skips::subject(&[true, false, true]),
        ties::tied(),
        batch_norm::subject(),
        initialisers::subject(),
    ]
}

#[test]
fn weights_have_the_bytes_that_the_built_layers_have() {
    for subject in subjects() {
        let profile = subject.costs(ROWS);
        let layers = subject.model.layers();
        assert_eq!(profile.name, subject.model.name());
        assert_eq!(profile.layers.len(), layers.len());
        for (index, (spec, layer)) in layers.iter().zip(&profile.layers).enumerate() {
            assert_eq!((&layer.name, &layer.kind), (&spec.name, &spec.kind));
            let built = subject.model.build(index, SEED, &Device::flex()).unwrap();
            let bytes = |role: WeightRole| -> u64 {
                let weights = built.weights().iter().filter(|weight| weight.role == role);
                weights.map(WeightSpec::bytes).sum()
            };
            let place = format!("{}, {}", profile.name, layer.name);
            assert_eq!(layer.param_bytes, bytes(WeightRole::Trained), "{place}");
            assert_eq!(layer.frozen_bytes, bytes(WeightRole::Frozen), "{place}");
            assert_eq!(layer.buffer_bytes, bytes(WeightRole::Buffer), "{place}");
            let follows = |weight: &&WeightSpec| {
                spec.shares.iter().any(|shared| shared.weight == weight.path)
            };
            let followed: u64 = built.weights().iter().filter(follows).map(WeightSpec::bytes).sum();
            // Two moments of what is trained here.
            let state = 2 * (layer.param_bytes - followed);
            assert_eq!(layer.optimizer_bytes, Some(state), "{place}");
            let owner = spec.shares.first().map(|shared| shared.owner.clone());
            assert_eq!(layer.tied_to, owner, "{place}");
        }
    }
}

#[test]
fn the_largest_tensors_are_known() {
    for subject in subjects() {
        let profile = subject.costs(ROWS);
        for (index, layer) in profile.layers.iter().enumerate() {
            let built = subject.model.build(index, SEED, &Device::flex()).unwrap();
            let largest = built.weights().iter().map(WeightSpec::bytes).max().unwrap_or(0);
            let place = format!("{}, {}", profile.name, layer.name);
            assert_eq!(layer.largest_weight_bytes, largest, "{place}");
            // No smaller than what it gives, and no larger than all together, of which small blocks are not
            // counted.
            let given = layer.gives.iter().map(|tensor| tensor.bytes).max().unwrap_or(0);
            assert!(layer.largest_tensor_bytes >= given.max(1), "{place}");
            let all = layer.input_bytes + layer.output_bytes + layer.saved_bytes;
            let most = all + layer.workspace_bytes + 4096;
            assert!(layer.largest_tensor_bytes <= most, "{place}");
        }
    }
}

#[test]
fn what_goes_from_layer_to_layer_has_its_bytes_and_its_takers() {
    const C: usize = CHANNELS;
    let layers = unet::subject().costs(ROWS).layers;
    let bytes = |channels: usize, level: u32| {
        let pixels = (SIDE >> level).pow(2);
        (4 * ROWS * channels * pixels) as u64
    };
    let floats = |name: &str, bytes: u64, to: &str| TensorProfile {
        name: name.to_owned(),
        bytes,
        gradient_bytes: bytes,
        to: vec![to.to_owned()],
    };
    let (down0, level0) = (bytes(C, 1), bytes(C, 0));
    let (down1, level1) = (bytes(2 * C, 2), bytes(2 * C, 1));
    let (bottom, up1, image) = (bytes(2 * C, 2), bytes(C, 1), bytes(1, 0));
    assert_eq!(layers[0].gives, [floats("x", down0, "down1"), floats("level0", level0, "up0")]);
    assert_eq!(layers[1].gives, [floats("x", down1, "bottom"), floats("level1", level1, "up1")]);
    assert_eq!(layers[2].gives, [floats("x", bottom, "up1")]);
    assert_eq!(layers[3].gives, [floats("x", up1, "up0")]);
    assert_eq!(layers[4].gives, []);
    let sizes = |layer: &LayerProfile| (layer.input_bytes, layer.output_bytes);
    let expected = [
        (image, down0 + level0),
        (down0, down1 + level1),
        (down1, bottom),
        (bottom + level1, up1),
        // The loss goes on from the last layer.
        (up1 + level0, 4),
    ];
    assert_eq!(layers.iter().map(sizes).collect::<Vec<_>>(), expected);
    let of_batch: Vec<(&str, u64)> = layers
        .iter()
        .flat_map(|layer| &layer.batch)
        .map(|tensor| (tensor.name.as_str(), tensor.bytes))
        .collect();
    assert_eq!(of_batch, [("image", image)]);
    let skipping = skips::subject(&[true, false, true]).costs(ROWS).layers;
    let takers = |name: &str| {
        let given = skipping[0].gives.iter().find(|tensor| tensor.name == name).unwrap();
        given.to.clone()
    };
    assert_eq!(takers("x"), ["plain"]);
    assert_eq!(takers("skip"), ["layer0", "layer2"]);
}

/// Everything but FLOPs, which follow from a time.
fn sizes(mut profile: ModelProfile) -> ModelProfile {
    for layer in &mut profile.layers {
        layer.forward_flops = 0;
    }
    profile
}

#[test]
fn sizes_are_the_same_every_time() {
    for subject in subjects() {
        let derive = |rows: usize| {
            let sample = crate::partitions::cut(&subject.batch(1), &[rows]).remove(0);
            sizes(derived(&*subject.model, &*subject.objective, &sample))
        };
        let first = derive(ROWS);
        assert_eq!(derive(ROWS), first);
        let half = derive(ROWS / 2);
        for (whole, half) in first.layers.iter().zip(&half.layers) {
            assert_eq!(whole.param_bytes, half.param_bytes, "{}", whole.name);
            assert_eq!(whole.input_bytes, 2 * half.input_bytes, "{}", whole.name);
        }
    }
}

/// Alike blocks between two layers that are not, and how often any block ran.
fn blocks(count: usize, width: usize) -> (Layers, Arc<AtomicUsize>) {
    let runs = Arc::new(AtomicUsize::new(0));
    let linear = move |device: &Device| LinearConfig::new(width, width).init(device);
    let plain = |linear: &Linear, x: Tensor<2>| linear.forward(x);
    let counted = Arc::clone(&runs);
    let model = Layers::new("blocks", "features")
        .layer("first", linear, plain)
        .repeat("block", count, |layers, name, _| {
            let runs = Arc::clone(&counted);
            layers.layer(name, linear, move |linear: &Linear, x: Tensor<2>| {
                runs.fetch_add(1, Ordering::Relaxed);
                linear.forward(x)
            })
        })
        .layer("last", linear, plain);
    (model, runs)
}

fn sample(rows: usize, width: usize) -> MicroBatch {
    let [features, targets] = [0, 1].map(|kind| random([rows, width], &[kind]));
    MicroBatch::new(rows).with("features", features).with("targets", targets)
}

#[test]
fn layers_that_are_alike_are_run_once_and_share_the_result() {
    let derive = |count: usize| {
        let (model, runs) = blocks(count, 8);
        let profile = derived(&model, &MeanSquaredError, &sample(ROWS, 8));
        (profile.layers, runs.load(Ordering::Relaxed))
    };
    let (_, of_one) = derive(1);
    let (layers, of_many) = derive(9);
    assert!(of_one > 0);
    assert_eq!(of_many, of_one);
    for (index, layer) in layers[1..10].iter().enumerate() {
        assert_eq!(layer.name, format!("block{index}"));
        let next = if index == 8 { "last".to_owned() } else { format!("block{}", index + 1) };
        assert_eq!(layer.gives[0].to, [next]);
        let same = |layer: &LayerProfile| {
            let gives = Vec::new();
            LayerProfile { name: String::new(), gives, ..layer.clone() }
        };
        assert_eq!(same(layer), same(&layers[1]));
    }
}

#[test]
fn progress_is_told_layer_by_layer() {
    let (model, _) = blocks(3, 8);
    let told = std::sync::Mutex::new(Vec::new());
    let optimizer = Sgd { momentum: 0.0, ..Sgd::default() }.into();
    let settings = DeriveSettings { seed: SEED, optimizer: &optimizer, portable: false };
    let progress = |done: usize, of: usize| told.lock().unwrap().push((done, of));
    let profile =
        derive_profile(&model, &MeanSquaredError, &sample(ROWS, 8), &settings, &progress).unwrap();
    assert_eq!(*told.lock().unwrap(), [1, 2, 3, 4, 5].map(|done| (done, 5)));
    assert!(profile.layers.iter().all(|layer| layer.optimizer_bytes == Some(0)));
}

fn grouped(group: OptimizerGroup) -> Result<ModelProfile, EngineError> {
    let groups = OptimizerGroups(vec![group]);
    let optimizer = GroupedOptimizer { groups, ..Muon::default().into() };
    let settings = DeriveSettings { seed: SEED, optimizer: &optimizer, portable: false };
    derive_profile(&blocks(3, 8).0, &MeanSquaredError, &sample(ROWS, 8), &settings, &|_, _| {})
}

#[test]
fn layers_that_are_alike_may_be_of_unlike_groups() {
    let profile =
        grouped(OptimizerGroup { matrices: false, ..OptimizerGroup::new("block1/*") }).unwrap();
    let state: Vec<_> = profile.layers.iter().map(|layer| layer.optimizer_bytes).collect();
    // Muon keeps a momentum of a matrix, and two moments of a bias and of what is not to be one.
    let (matrix, vector) = (4 * 64 + 8 * 8, 8 * 64 + 8 * 8);
    assert_eq!(state, [matrix, matrix, vector, matrix, matrix].map(Some));
}

#[test]
fn a_group_that_no_weight_is_of_is_refused_with_some_names() {
    let error = grouped(OptimizerGroup::new("blok*")).unwrap_err().to_string();
    assert_eq!(
        error,
        "optimizer.group.0.pattern is \"blok*\", but must be a pattern of names of weights, such as \
         first/weight, block0/weight, block1/weight, block2/weight, last/weight"
    );
}

#[test]
fn what_is_kept_is_what_was_counted() {
    const WIDTH: usize = 128;
    const LONG: usize = 96;
    let (model, _) = blocks(2, WIDTH);
    let layers = derived(&model, &MeanSquaredError, &sample(LONG, WIDTH)).layers;
    let tensor = (4 * LONG * WIDTH) as u64;
    // A product needs its input again, and there are the nodes of the graph.
    assert_eq!(layers[0].saved_bytes, tensor + tensor / 100);
    assert_eq!(layers[1].saved_bytes, tensor + tensor / 100);
    for layer in &layers {
        let workspace = layer.workspace_bytes;
        assert!((tensor..8 * tensor).contains(&workspace), "{}: {workspace}", layer.name);
        assert!(layer.forward_flops > 0, "{}", layer.name);
    }
}

#[test]
fn a_layer_that_does_not_run_is_named() {
    let (model, _) = blocks(2, 8);
    let optimizer = AdamW::default().into();
    let settings = DeriveSettings { seed: SEED, optimizer: &optimizer, portable: false };
    // Rows of another width, which Burn refuses, and none at all.
    for (sample, words) in
        [(sample(ROWS, 9), &["first"][..]), (MicroBatch::new(ROWS), &["first", "features"][..])]
    {
        let failed = derive_profile(&model, &MeanSquaredError, &sample, &settings, &|_, _| {});
        let text = failed.unwrap_err().to_string();
        for word in words {
            assert!(text.contains(word), "'{word}' is not in: {text}");
        }
    }
}

#[test]
fn equal_modules_that_run_by_other_functions_are_told_apart() {
    let init = |device: &Device| LinearConfig::new(4, 4).init(device);
    let model = Layers::new("halving", "features")
        .layer("linear1", init, |linear: &Linear, x: Tensor<2>| linear.forward(x))
        .layer("linear2", init, |linear: &Linear, x: Tensor<2>| {
            linear.forward(x).slice([0..1, 0..4])
        })
        .layer("linear3", init, |linear: &Linear, x: Tensor<2>| linear.forward(x).repeat(&[4, 1]));
    let sample = MicroBatch::new(2)
        .with("features", random([2, 4], &[1]))
        .with("targets", random([4, 4], &[2]));
    let profile = derived(&model, &MeanSquaredError, &sample);
    let outputs: Vec<u64> = profile.layers.iter().map(|layer| layer.output_bytes).collect();
    // Two rows of four numbers, one, and the loss.
    assert_eq!(outputs, [2 * 16, 16, 4]);
}
