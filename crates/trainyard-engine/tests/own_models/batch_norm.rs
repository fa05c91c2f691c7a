//! Batch norms and frozen weights: running statistics are state that only training's forwards
//! change, and frozen weights change never.

use std::collections::BTreeMap;

use burn::module::Module;
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig};
use burn::tensor::{Device, Tensor, TensorData};
use trainyard_engine::checkpoint::SaveAs;
use trainyard_engine::{
    EngineError, Layers, MeanSquaredError, MicroBatch, Model, Pipeline, WeightRole,
};
use trainyard_plan::{Plan, Recompute, Schedule};

use crate::partitions::{
    Held, ROWS, Subject, assert_close, fingerprint, of_kind, plan, random, splits, splits_for,
    tensors, whole,
};

const WIDTH: usize = 6;
const MOMENTUM: f64 = 0.3;
const LAYERS: usize = 5;

/// A linear part that trains, after one that does not.
#[derive(Module, Debug)]
struct Tuned {
    base: Linear,
    tip: Linear,
}

fn linear(device: &Device) -> Linear {
    LinearConfig::new(WIDTH, WIDTH).init(device)
}

fn batch_norm(device: &Device) -> BatchNorm {
    BatchNormConfig::new(WIDTH).with_momentum(MOMENTUM).init(device)
}

/// The first batch norm sees the data as they are.
fn normed() -> Layers {
    let norm = |norm: &BatchNorm, x: Tensor<2>| norm.forward(x);
    Layers::new("normed", "features")
        .layer("norm0", batch_norm, norm)
        .layer("linear", linear, |linear: &Linear, x: Tensor<2>| linear.forward(x).tanh())
        .layer(
            "frozen",
            |device| linear(device).no_grad(),
            |linear: &Linear, x: Tensor<2>| x.clone() + linear.forward(x).tanh(),
        )
        .layer("norm1", batch_norm, norm)
        .layer(
            "tuned",
            |device| Tuned { base: linear(device).no_grad(), tip: linear(device) },
            |tuned: &Tuned, x: Tensor<2>| tuned.tip.forward(tuned.base.forward(x).tanh()),
        )
}

pub(crate) fn subject() -> Subject {
    Subject::new(normed(), MeanSquaredError, batch)
}

fn batch(step: u64) -> MicroBatch {
    let [features, targets] = [0, 1].map(|kind| random([ROWS, WIDTH], &[step, kind]));
    MicroBatch::new(ROWS).with("features", features).with("targets", targets)
}

fn halves(recompute: Recompute) -> Plan {
    plan(&[2, LAYERS], "1f1b", 2, recompute)
}

/// The running statistics and the weights that are frozen.
fn untouched(pipeline: &mut Pipeline) -> [BTreeMap<String, Held>; 2] {
    let weights = of_kind(&tensors(pipeline), "weight");
    let pick = |words: &[&str]| {
        let named = weights.iter().filter(|(name, _)| words.iter().any(|word| name.contains(word)));
        named.map(|(name, held)| (name.clone(), held.clone())).collect()
    };
    [pick(&["running_"]), pick(&["frozen/", "base."])]
}

#[test]
fn every_weight_has_its_role() {
    use WeightRole::{Buffer, Frozen, Trained};
    let roles = |layer: usize| -> Vec<(String, WeightRole)> {
        let layer = normed().build(layer, 1, &Device::flex()).unwrap();
        layer.weights().iter().map(|weight| (weight.path.clone(), weight.role)).collect()
    };
    let expected = |pairs: &[(&str, WeightRole)]| -> Vec<(String, WeightRole)> {
        pairs.iter().map(|&(path, role)| (path.to_owned(), role)).collect()
    };
    let of_norm = expected(&[
        ("gamma", Trained),
        ("beta", Trained),
        ("running_mean", Buffer),
        ("running_var", Buffer),
    ]);
    assert_eq!(roles(0), of_norm);
    assert_eq!(roles(1), expected(&[("weight", Trained), ("bias", Trained)]));
    assert_eq!(roles(2), expected(&[("weight", Frozen), ("bias", Frozen)]));
    let tuned = [
        ("base.weight", Frozen),
        ("base.bias", Frozen),
        ("tip.weight", Trained),
        ("tip.bias", Trained),
    ];
    assert_eq!(roles(4), expected(&tuned));
}

#[test]
fn batch_norms_and_frozen_layers_on_every_partition_equal_one_device() {
    subject().equals_one_device(2);
}

#[test]
fn running_statistics_follow_the_micro_batches_and_nothing_else() {
    let subject = subject();
    for recompute in [Recompute::None, Recompute::Full] {
        let mut pipeline = subject.on_cpus(&halves(recompute));
        let [_, frozen_before] = untouched(&mut pipeline);
        subject.train(&mut pipeline, 1..=3);
        let all = tensors(&mut pipeline);
        let (mut mean, mut variance) = (vec![0.0_f64; WIDTH], vec![1.0_f64; WIDTH]);
        for micro_batch in (1..=3).flat_map(|step| subject.micro_batches(step, 2)) {
            let rows: Vec<f64> = micro_batch.tensor("features").unwrap().iter::<f64>().collect();
            let count = micro_batch.rows as f64;
            for column in 0..WIDTH {
                let values = rows.iter().skip(column).step_by(WIDTH);
                let of_batch = values.clone().sum::<f64>() / count;
                let spread = values.map(|value| (value - of_batch).powi(2)).sum::<f64>() / count;
                mean[column] += MOMENTUM * (of_batch - mean[column]);
                variance[column] += MOMENTUM * (spread - variance[column]);
            }
        }
        for (name, expected) in [("mean", mean), ("var", variance)] {
            let found = &all[&format!("norm0/weight/running_{name}")].1;
            let expected: Vec<f32> = expected.into_iter().map(|value| value as f32).collect();
            assert_close(&format!("{name} {recompute:?}"), found, &expected, 1e-5, 1e-6);
        }
        // The optimizer has state of what it trains, and of nothing else.
        let with_state: Vec<String> = of_kind(&all, "first").into_keys().collect();
        let trained = [
            "linear/bias",
            "linear/weight",
            "norm0/beta",
            "norm0/gamma",
            "norm1/beta",
            "norm1/gamma",
            "tuned/tip.bias",
            "tuned/tip.weight",
        ];
        assert_eq!(with_state, trained);
        assert_eq!(untouched(&mut pipeline)[1], frozen_before);
    }
}

#[test]
fn statistics_are_saved_and_go_on_under_every_other_partition() {
    let subject = subject();
    let folder = tempfile::tempdir().unwrap();
    let mut uninterrupted = subject.on_cpus(&whole(LAYERS, 2));
    subject.train(&mut uninterrupted, 1..=2);
    let expected = subject.train(&mut uninterrupted, 3..=4);
    let end = fingerprint(&mut uninterrupted, &folder.path().join("end"));
    let place = folder.path().join("step-2");
    let mut writer = subject.on_cpus(&halves(Recompute::Full));
    subject.train(&mut writer, 1..=2);
    writer.save(&place, SaveAs { step: 2, ..SaveAs::default() }).unwrap();
    let [statistics, _] = untouched(&mut writer);
    assert!(statistics["norm1/running_mean"].1.iter().all(|mean| *mean != 0.0), "{statistics:?}");
    for schedule in Schedule::names() {
        for ends in splits_for(schedule, LAYERS) {
            let mut reader = subject.on_cpus(&plan(&ends, schedule, 2, Recompute::None));
            // It has been used before: nothing of that may stay.
            subject.train(&mut reader, 7..=7);
            reader.load(&place).unwrap();
            assert_eq!(untouched(&mut reader)[0], statistics, "{schedule} {ends:?}");
            assert_eq!(subject.train(&mut reader, 3..=4), expected, "{schedule} {ends:?}");
            let found = fingerprint(&mut reader, &folder.path().join("found"));
            assert_eq!(found, end, "{schedule} {ends:?}");
        }
    }
}

/// What happens between two steps leaves everything as it was.
fn leaves_all_as_it_was(disturb: impl Fn(&Subject, &mut Pipeline)) {
    let subject = subject();
    for ends in splits(LAYERS) {
        for recompute in [Recompute::None, Recompute::Full] {
            let start = || {
                let mut pipeline = subject.on_cpus(&plan(&ends, "1f1b", 2, recompute));
                subject.train(&mut pipeline, 1..=2);
                pipeline
            };
            let (mut disturbed, mut undisturbed) = (start(), start());
            let before = tensors(&mut disturbed);
            disturb(&subject, &mut disturbed);
            assert_eq!(tensors(&mut disturbed), before, "{ends:?} {recompute:?}");
            let [found, expected] =
                [&mut disturbed, &mut undisturbed].map(|p| subject.train(p, 3..=4));
            assert_eq!(found, expected, "{ends:?} {recompute:?}");
            assert_eq!(tensors(&mut disturbed), tensors(&mut undisturbed), "{ends:?}");
        }
    }
}

#[test]
fn an_evaluation_leaves_the_statistics_as_they_were() {
    leaves_all_as_it_was(|subject, pipeline| {
        pipeline.evaluate(subject.micro_batches(9, 4)).unwrap();
        pipeline.output(&subject.batch(9).tensors).unwrap();
    });
}

#[test]
fn a_step_that_is_given_up_leaves_the_statistics_as_they_were() {
    leaves_all_as_it_was(|_, pipeline| {
        // The first micro-batch is sound, and its forwards count until the second is seen.
        let mut bad = crate::partitions::cut(&batch(5), &[2, 2]);
        let (_, targets) =
            bad[1].tensors.iter_mut().find(|(name, _)| &**name == "targets").unwrap();
        *targets = TensorData::new(vec![f32::NAN; 2 * WIDTH], [2, WIDTH]);
        let error = pipeline.step(3, 0.01, bad).unwrap_err();
        assert!(matches!(error, EngineError::NotFinite { step: 3, .. }), "{error:?}");
    });
}

#[test]
fn a_fault_is_looked_for_with_the_statistics_of_the_batch_as_in_training() {
    // What is positive has a root, until a batch norm has moved its mean to zero.
    let positive = |step: u64| {
        let mut batch = batch(step);
        let features = &mut batch.tensors[0].1;
        let values: Vec<f32> = features.iter::<f32>().map(|value| 1.0 + value * value).collect();
        *features = TensorData::new(values, [ROWS, WIDTH]);
        batch
    };
    let model = || {
        Layers::new("rooted", "features")
            .layer("norm", batch_norm, |norm: &BatchNorm, x: Tensor<2>| norm.forward(x))
            .layer("root", linear, |_: &Linear, x: Tensor<2>| x.sqrt())
            .layer("linear", linear, |linear: &Linear, x: Tensor<2>| linear.forward(x))
    };
    for recompute in [Recompute::None, Recompute::Full] {
        let subject = Subject::new(model(), MeanSquaredError, positive);
        let mut pipeline = subject.on_cpus(&plan(&[1, 2, 3], "1f1b", 2, recompute));
        let before = tensors(&mut pipeline);
        let error = pipeline.step(1, 0.01, subject.micro_batches(1, 2)).unwrap_err();
        let EngineError::NotFinite { what, stage, layers, .. } = &error else {
            panic!("{error:?}")
        };
        assert_eq!((what.as_str(), *stage, layers.as_str()), ("an activation", 1, "root"));
        assert_eq!(tensors(&mut pipeline), before, "{recompute:?}");
        // Used as it stands, it has no fault.
        let evaluation = pipeline.evaluate(subject.micro_batches(1, 2)).unwrap();
        assert!(evaluation.loss.is_finite(), "{recompute:?}");
    }
}
