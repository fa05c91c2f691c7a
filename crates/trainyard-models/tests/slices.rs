//! Sequence slices: a gpt whose context is cut learns what it learns from whole rows, on any number of stages
//! and under every schedule.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails at once and says why"
)]

mod common;

use std::collections::BTreeMap;

use burn::nn::{Linear, LinearConfig};
use burn::tensor::Tensor;
use trainyard_engine::{
    Device, EngineError, Layers, MeanSquaredError, MicroBatch, Options, Pipeline,
};
use trainyard_plan::{Plan, PlanError, Recompute, Schedule};

use common::partitions::{
    Held, ROWS, Subject, assert_close, cpus, fingerprint, of_kind, options, plan, random,
    showing_gradients, splits_for, tensors, whole, with_all_kernels,
};
use common::{LAYERS, adapter, gpt, mlp};

const STEPS: u64 = 3;

/// [`plan`] with the rows of its micro-batches cut into slices.
fn sliced(
    ends: &[usize],
    name: &str,
    micro_batches: usize,
    slices: usize,
    recompute: Recompute,
) -> Plan {
    let whole = plan(ends, name, micro_batches, recompute);
    let (ranks, chunks) = (whole.schedule.ranks.len(), Schedule::default_chunks(name).unwrap());
    let count = micro_batches * slices;
    let schedule = Schedule::in_slices(name, ranks, chunks, count, slices).unwrap();
    Plan::new("test", whole.stages, schedule, count)
}

/// The slices of a step, in the order of the plan.
fn slices_of(subject: &Subject, step: u64, plan: &Plan) -> Vec<MicroBatch> {
    let slices = plan.schedule.slices;
    let rows = subject.micro_batches(step, plan.micro_batches / slices);
    rows.into_iter().flat_map(|rows| rows.cut(slices).unwrap()).collect()
}

fn start(subject: &Subject, plan: &Plan, devices: Vec<Device>, options: Options) -> Pipeline {
    let rows = ROWS * plan.schedule.slices / plan.micro_batches;
    subject.distribute_for(plan, devices, options, rows)
}

/// Loss and gradient norm of every step.
fn train(
    subject: &Subject,
    pipeline: &mut Pipeline,
    steps: impl Iterator<Item = u64>,
) -> Vec<[f64; 2]> {
    let plan = pipeline.plan().clone();
    let step = |step| {
        let done = pipeline.step(step, 0.01, slices_of(subject, step, &plan)).unwrap();
        [done.loss, done.gradient_norm]
    };
    steps.map(step).collect()
}

/// Gradients of the first step, losses and norms of a few, weights after them, and the loss of what was not
/// trained on.
type Observed = (BTreeMap<String, Held>, Vec<[f64; 2]>, BTreeMap<String, Held>, f64);

fn observe(subject: &Subject, plan: &Plan, devices: Vec<Device>) -> Observed {
    let mut pipeline = start(subject, plan, devices, showing_gradients());
    let mut steps = train(subject, &mut pipeline, 1..=1);
    let gradients = of_kind(&tensors(&mut pipeline), "first");
    steps.extend(train(subject, &mut pipeline, 2..=STEPS));
    let evaluation = pipeline.evaluate(slices_of(subject, 99, plan)).unwrap();
    (gradients, steps, of_kind(&tensors(&mut pipeline), "weight"), evaluation.loss)
}

/// Fails where two observations differ by more than sums in another order.
fn assert_alike(place: &str, found: &Observed, expected: &Observed, absolute: f32) {
    assert_eq!(found.0.keys().collect::<Vec<_>>(), expected.0.keys().collect::<Vec<_>>());
    for (name, (_, values)) in &expected.0 {
        assert_close(&format!("{place}: ∂{name}"), &found.0[name].1, values, 1e-5, absolute);
    }
    for (found, expected) in found.1.iter().zip(&expected.1) {
        assert!((found[0] - expected[0]).abs() <= 1e-5 * expected[0], "{place}: {found:?}");
        assert!((found[1] - expected[1]).abs() <= 1e-4 * expected[1], "{place}: {found:?}");
    }
    for (name, (_, values)) in &expected.2 {
        // An update is as large as its sign tells, however small the gradient.
        assert_close(&format!("{place}: {name}"), &found.2[name].1, values, 1e-4, 2e-4);
    }
    assert!(
        (found.3 - expected.3).abs() <= 1e-4 * expected.3,
        "{place}: {} {}",
        found.3,
        expected.3
    );
}

#[test]
fn slices_learn_what_whole_rows_learn() {
    for subject in [gpt(true, true, 0.0), gpt(false, false, 0.0)] {
        for micro_batches in [1, 2] {
            let expected = observe(&subject, &whole(LAYERS, micro_batches), cpus(1));
            for slices in [1, 2, 3, 4] {
                for ends in [&[LAYERS][..], &[2, LAYERS], &[1, 3, LAYERS]] {
                    let plan = sliced(ends, "1f1b", micro_batches, slices, Recompute::None);
                    let found = observe(&subject, &plan, cpus(ends.len()));
                    let place = format!("{slices} slices × {micro_batches}, {ends:?}");
                    assert_alike(&place, &found, &expected, 1e-6);
                }
            }
        }
    }
}

/// A model of one's own whose layers compute each position by itself, with an objective that counts no tokens.
#[test]
fn a_model_of_ones_own_can_be_cut_where_its_layers_say_so() {
    let layers = Layers::new("own", "features").repeat("linear", LAYERS, |layers, name, _| {
        let init = |device: &_| LinearConfig::new(4, 4).init(device);
        layers.layer(name, init, |linear: &Linear, x: Tensor<3>| linear.forward(x)).in_slices()
    });
    let subject = Subject::new(layers, MeanSquaredError, |step| {
        let [features, targets] = [0, 1].map(|kind| random([ROWS, 8, 4], &[step, kind]));
        MicroBatch::new(ROWS).with("features", features).with("targets", targets)
    });
    let expected = observe(&subject, &whole(LAYERS, 2), cpus(1));
    for slices in [2, 3] {
        let plan = sliced(&[2, LAYERS], "zb-h1", 2, slices, Recompute::None);
        let found = observe(&subject, &plan, cpus(2));
        assert_alike(&format!("{slices} slices"), &found, &expected, 1e-6);
    }
}

/// Losses, norms, weights and states are the same to the last bit on every partition, with dropout too.
#[test]
fn slices_on_every_partition_equal_one_device() {
    let subject = gpt(true, true, 0.1);
    let outcome = |plan: &Plan| {
        let ranks = plan.schedule.ranks.len();
        let mut pipeline = start(&subject, plan, cpus(ranks), options());
        let steps = train(&subject, &mut pipeline, 1..=STEPS);
        let folder = tempfile::tempdir().unwrap();
        (steps, fingerprint(&mut pipeline, &folder.path().join("end")))
    };
    for slices in [2, 4] {
        let expected = outcome(&sliced(&[LAYERS], "gpipe", 2, slices, Recompute::None));
        for schedule in Schedule::names() {
            for ends in splits_for(schedule, LAYERS) {
                for recompute in [Recompute::None, Recompute::Full] {
                    let found = outcome(&sliced(&ends, schedule, 2, slices, recompute));
                    let place = format!("{slices} slices, {schedule} {ends:?}, {recompute:?}");
                    assert_eq!(found, expected, "{place}");
                }
            }
        }
    }
}

#[test]
fn evaluation_in_slices_is_that_of_whole_rows() {
    let subject = gpt(true, false, 0.0);
    let mut pipeline = subject.on_cpus(&plan(&[2, LAYERS], "1f1b", 2, Recompute::None));
    let whole = pipeline.evaluate(subject.micro_batches(7, 2)).unwrap();
    let cut = subject.micro_batches(7, 1).remove(0).cut(3).unwrap();
    let sliced = pipeline.evaluate(cut).unwrap();
    assert!((whole.loss - sliced.loss).abs() < 1e-6 * whole.loss, "{whole:?} {sliced:?}");
    assert!((whole.count - sliced.count).abs() < 1e-9);
}

#[test]
fn what_cannot_be_cut_is_refused_in_words() {
    let subject = mlp();
    let plan = sliced(&[2, LAYERS], "1f1b", 2, 2, Recompute::None);
    let profile = common::partitions::of_budgets(subject.costs(2), &cpus(2), 4);
    let (model, objective) = (subject.model.clone(), subject.objective.clone());
    let refused =
        Pipeline::distribute(model, objective, &profile, &plan, cpus(2), options()).err().unwrap();
    let EngineError::Plan(PlanError::BadPlan { reason }) = refused else { panic!("{refused}") };
    assert!(
        reason.contains("cannot be cut into 2 slices") && reason.contains("'linear0'"),
        "{reason}"
    );

    let subject = gpt(true, false, 0.0);
    let mut pipeline = start(&subject, &plan, cpus(2), options());
    // Whole rows, and slices in another order.
    let error = pipeline.step(1, 0.01, subject.micro_batches(1, 4)).unwrap_err().to_string();
    assert!(error.contains("0 of 2, as the plan says"), "{error}");
    let mut turned = slices_of(&subject, 1, &plan);
    turned.swap(0, 1);
    let error = pipeline.step(1, 0.01, turned).unwrap_err().to_string();
    assert!(error.contains("the slice that micro-batch 0 is"), "{error}");
    train(&subject, &mut pipeline, 1..=1);
}

/// Where something goes wrong the forwards of all slices are done again, to find out where.
#[test]
fn a_number_that_is_none_is_looked_for_in_slices() {
    let subject = gpt(true, false, 0.0);
    let plan = sliced(&[2, LAYERS], "1f1b", 2, 2, Recompute::None);
    let mut pipeline = start(&subject, &plan, cpus(2), options());
    // So large an update that the next forward is beyond all numbers.
    pipeline.step(1, 1e30, slices_of(&subject, 1, &plan)).unwrap();
    let error = pipeline.step(2, 1e30, slices_of(&subject, 2, &plan)).unwrap_err();
    assert!(matches!(error, EngineError::NotFinite { step: 2, .. }), "{error}");
}

#[test]
fn slices_on_every_adapter_learn_what_whole_rows_learn() {
    let subject = gpt(true, true, 0.0);
    let expected = observe(&subject, &whole(LAYERS, 2), cpus(1));
    for (name, info) in adapter::known() {
        for slices in [2, 3] {
            let plan = sliced(&[2, LAYERS], "1f1b", 2, slices, Recompute::None);
            let devices = with_all_kernels(&[&info, &info]);
            let (gradients, steps, ..) = observe(&subject, &plan, devices);
            for (tensor, (_, values)) in &expected.0 {
                let place = format!("{name}, {slices} slices: {tensor}");
                assert_close(&place, &gradients[tensor].1, values, 1e-5, 4e-5);
            }
            for (found, expected) in steps.iter().zip(&expected.1) {
                assert!((found[0] - expected[0]).abs() <= 1e-3 * expected[0], "{name}: {steps:?}");
            }
        }
    }
}
