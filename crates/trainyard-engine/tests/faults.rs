//! Workers that fail, and numbers that are not finite: one clear error, in time, and what is left
//! is as it was.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails at once and says why"
)]

mod toy;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use trainyard_engine::{EngineError, ErasedLayer, LayerSpec, Model, Pipeline};
use trainyard_plan::Recompute;

use toy::{
    Fault, Toy, cpus, fingerprint, in_time, losses, micro_batches, pipeline, plan, profile,
    try_distribute,
};

const MICRO_BATCHES: usize = 2;

/// Trains two steps, and gives what the third says.
fn third_step(pipeline: &mut Pipeline) -> EngineError {
    losses(pipeline, 1..=2);
    match pipeline.step(3, 0.01, micro_batches(3, MICRO_BATCHES)) {
        Err(error) => error,
        Ok(result) => panic!("the third step gave {result:?}"),
    }
}

/// Every schedule, at two and three ranks, for each rank.
fn everywhere(test: impl Fn(&str, usize, usize) + Send + 'static) {
    in_time(move || {
        for schedule in ["gpipe", "1f1b"] {
            for (ranks, failing) in [(2, 0), (2, 1), (3, 0), (3, 1), (3, 2), (1, 0)] {
                test(schedule, ranks, failing);
            }
        }
    });
}

/// The fault is in the second micro-batch of the third step. The error must name its place, and
/// the pipeline must be over.
fn worker_error(fault: Fault, recompute: Recompute, action: &'static str, says: &'static str) {
    everywhere(move |schedule, ranks, failing| {
        let plan = plan(ranks, ranks, schedule, MICRO_BATCHES, recompute);
        let mut pipeline = pipeline(Toy::with(ranks, fault, (failing, 3, 1)), &plan);
        let error = third_step(&mut pipeline);
        let place = format!("{schedule}, {failing} of {ranks}");
        match &error {
            EngineError::Worker { device, stage, action: found, step, reason } => {
                assert_eq!(device, &format!("d{failing}"), "{place}");
                assert_eq!((*stage, *step), (failing, 3), "{place}");
                assert_eq!(found, &format!("{failing}{action}1"), "{place}");
                assert!(reason.contains(says), "{place}: {reason}");
            }
            other => panic!("{place}: {other:?}"),
        }
        // What the devices hold is what they held before the step, and can still be saved.
        let folder = tempfile::tempdir().unwrap();
        let mut sound = toy::pipeline(Toy::sound(ranks), &plan);
        losses(&mut sound, 1..=2);
        let [left, expected] = [&mut pipeline, &mut sound]
            .map(|pipeline| fingerprint(pipeline, &folder.path().join("left")));
        assert_eq!(left, expected, "{place}");
        let again = pipeline.step(4, 0.01, micro_batches(4, MICRO_BATCHES)).unwrap_err();
        assert!(again.to_string().contains("failed before"), "{again}");
    });
}

#[test]
fn a_panic_in_a_forward_is_one_error_that_names_its_place() {
    worker_error(Fault::Panics, Recompute::None, "F", "the toy panics");
}

#[test]
fn a_panic_in_a_backward_is_one_error_that_names_its_place() {
    worker_error(Fault::PanicsAgain, Recompute::Full, "B", "the toy panics");
}

#[test]
fn a_layer_that_refuses_is_one_error_that_names_its_place() {
    worker_error(Fault::Refuses, Recompute::None, "F", "a better toy");
}

#[test]
fn a_pipeline_that_is_cancelled_answers_at_once_and_is_over() {
    in_time(|| {
        let plan = plan(3, 3, "1f1b", MICRO_BATCHES, Recompute::None);
        let mut pipeline = pipeline(Toy::sound(3), &plan);
        let cancel = Arc::new(AtomicBool::new(false));
        pipeline.cancel_with(Arc::clone(&cancel));
        losses(&mut pipeline, 1..=2);
        cancel.store(true, Ordering::SeqCst);
        let error = pipeline.step(3, 0.01, micro_batches(3, MICRO_BATCHES)).unwrap_err();
        assert!(matches!(error, EngineError::Cancelled), "{error}");
        assert!(pipeline.step(3, 0.01, micro_batches(3, MICRO_BATCHES)).is_err());
    });
}

#[test]
fn a_device_that_hangs_is_named() {
    in_time(|| {
        let plan = plan(3, 3, "1f1b", MICRO_BATCHES, Recompute::None);
        let mut pipeline = pipeline(Toy::with(3, Fault::Hangs, (1, 3, 1)), &plan);
        losses(&mut pipeline, 1..=2);
        pipeline.stall_after(Some(Duration::from_secs(5)));
        let error = pipeline.step(3, 0.01, micro_batches(3, MICRO_BATCHES)).unwrap_err();
        match &error {
            EngineError::Stalled { device, rank: 1, stage: 1, action, step: 3, waits, .. } => {
                assert_eq!((device.as_str(), action.as_str(), *waits), ("d1", "1F1", false));
            }
            other => panic!("{other:?}"),
        }
        assert!(pipeline.step(3, 0.01, micro_batches(3, MICRO_BATCHES)).is_err());
        // It does not wait for the thread that hangs.
        drop(pipeline);
    });
}

#[test]
fn a_failure_while_weights_are_made_names_the_device() {
    // A model of more layers than it can build.
    struct Unbuildable(Toy);
    impl Model for Unbuildable {
        fn name(&self) -> &str {
            self.0.name()
        }
        fn layers(&self) -> Vec<LayerSpec> {
            self.0.layers()
        }
        fn build(
            &self,
            layer: usize,
            seed: u64,
            device: &burn::tensor::Device,
        ) -> Result<ErasedLayer, EngineError> {
            assert!(layer != 1, "no such wagon");
            self.0.build(layer, seed, device)
        }
    }
    in_time(|| {
        let plan = plan(3, 3, "1f1b", 1, Recompute::None);
        let (toy, devices) = (Toy::sound(3), cpus(3, 1 << 20));
        let profile = profile(&toy, &devices, 1);
        let model = Arc::new(Unbuildable(toy));
        let distributed = try_distribute(model, &profile, &plan, devices);
        match distributed.err() {
            Some(EngineError::Worker { device, stage: 1, action, reason, .. }) => {
                assert_eq!((device.as_str(), action.as_str()), ("d1", "start"));
                assert!(reason.contains("no such wagon"), "{reason}");
            }
            other => panic!("{other:?}"),
        }
    });
}

/// The error names the stage, the weights are as before the step, and training goes on as if the
/// step had not been.
fn not_finite(fault: Fault, recompute: Recompute, says: &'static str) {
    everywhere(move |schedule, ranks, failing| {
        let folder = tempfile::tempdir().unwrap();
        let plan = plan(2 * ranks, ranks, schedule, MICRO_BATCHES, recompute);
        let model = Toy::with(2 * ranks, fault, (2 * failing, 3, 1));
        let mut pipeline = pipeline(model, &plan);
        losses(&mut pipeline, 1..=2);
        let before = fingerprint(&mut pipeline, &folder.path().join("before"));
        let error = pipeline.step(3, 0.01, micro_batches(3, MICRO_BATCHES)).unwrap_err();
        let place = format!("{schedule}, {failing} of {ranks}");
        match &error {
            EngineError::NotFinite { step: 3, what, stage, device, layers } => {
                assert_eq!((*stage, device), (failing, &format!("d{failing}")), "{place}");
                assert!(what.contains(says), "{place}: {what}");
                assert!(layers.contains(&format!("linear{}", 2 * failing)), "{place}: {layers}");
            }
            other => panic!("{place}: {other:?}"),
        }
        assert_eq!(before, fingerprint(&mut pipeline, &folder.path().join("after")), "{place}");
        let mut sound = toy::pipeline(Toy::sound(2 * ranks), &plan);
        losses(&mut sound, 1..=2);
        assert_eq!(losses(&mut pipeline, 4..=6), losses(&mut sound, 4..=6), "{place}");
        let held = |p: &mut Pipeline| p.evaluate(micro_batches(9, 5)).unwrap().loss;
        assert_eq!(held(&mut pipeline).to_bits(), held(&mut sound).to_bits(), "{place}");
    });
}

#[test]
fn nan_in_a_forward_names_the_stage_and_touches_nothing() {
    not_finite(Fault::NanForward, Recompute::None, "activation");
}

#[test]
fn nan_in_a_recomputed_forward_names_the_stage_and_touches_nothing() {
    not_finite(Fault::NanForward, Recompute::Full, "activation");
}

#[test]
fn nan_in_a_gradient_names_the_stage_and_touches_nothing() {
    not_finite(Fault::NanGradient, Recompute::None, "gradient");
}
