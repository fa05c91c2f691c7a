//! A pipeline of CPU devices gives what one device gives, to the last bit: over schedules, every
//! split, numbers of micro-batches, and with and without recomputation.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails at once and says why"
)]

mod common;

use trainyard_plan::{Recompute, Schedule};

use common::{LAYERS, Subject, cpus, gpt, mlp, options, plan, splits, splits_for, whole};

const STEPS: u64 = 3;

/// Losses, gradient norms, and all weights and optimizer states at the end.
fn equals_one_device(subject: &Subject) {
    assert_eq!(splits().len(), 8);
    for micro_batches in [1, 2, 4] {
        let expected = subject.outcome(&whole(micro_batches), STEPS);
        assert_eq!(expected.layers.len(), LAYERS);
        for schedule in Schedule::names() {
            for ends in splits_for(schedule) {
                // With one micro-batch recomputing differs in nothing from what 2 and 4 show.
                let both = [Recompute::None, Recompute::Full];
                for recompute in both.into_iter().take(if micro_batches == 1 { 1 } else { 2 }) {
                    let plan = plan(&ends, schedule, micro_batches, recompute);
                    let place = format!("{schedule} {ends:?} × {micro_batches}, {recompute:?}");
                    assert_eq!(subject.outcome(&plan, STEPS), expected, "{place}");
                }
            }
        }
    }
}

#[test]
fn mlp_equals_one_device() {
    equals_one_device(&mlp());
}

#[test]
fn gpt_tied_equals_one_device() {
    equals_one_device(&gpt(true, false, 0.0));
}

#[test]
fn gpt_tied_with_bias_equals_one_device() {
    equals_one_device(&gpt(true, true, 0.0));
}

#[test]
fn gpt_untied_equals_one_device() {
    equals_one_device(&gpt(false, false, 0.0));
}

#[test]
fn gpt_untied_with_bias_equals_one_device() {
    equals_one_device(&gpt(false, true, 0.0));
}

#[test]
fn gpt_tied_with_dropout_equals_one_device() {
    equals_one_device(&gpt(true, false, 0.1));
}

#[test]
fn gpt_tied_with_bias_and_dropout_equals_one_device() {
    equals_one_device(&gpt(true, true, 0.1));
}

#[test]
fn gpt_untied_with_dropout_equals_one_device() {
    equals_one_device(&gpt(false, false, 0.1));
}

#[test]
fn gpt_untied_with_bias_and_dropout_equals_one_device() {
    equals_one_device(&gpt(false, true, 0.1));
}

#[test]
fn evaluation_and_output_do_not_depend_on_the_split() {
    for subject in [gpt(true, true, 0.1), mlp()] {
        let run = |schedule: &str, ends: &[usize]| {
            let plan = plan(ends, schedule, 2, Recompute::None);
            let devices = cpus(plan.schedule.ranks.len());
            let mut pipeline = subject.distribute(&plan, devices, options());
            subject.train(&mut pipeline, 1..=2);
            // More micro-batches than the plan has, and of another size.
            let loss = pipeline.evaluate(subject.micro_batches(9, 4)).unwrap();
            let [inputs, _] = subject.batch(9);
            (loss.to_bits(), pipeline.output(&[inputs]).unwrap())
        };
        let expected = run("1f1b", &[LAYERS]);
        for schedule in ["1f1b", "interleaved", "zb-v"] {
            for ends in splits_for(schedule) {
                assert_eq!(run(schedule, &ends), expected, "{schedule} {ends:?}");
            }
        }
    }
}

#[test]
fn evaluation_weighs_micro_batches_by_their_rows() {
    let subject = mlp();
    let mut pipeline = subject.distribute(&whole(1), cpus(1), options());
    let all = pipeline.evaluate(subject.micro_batches(3, 1)).unwrap();
    // Three rows in one micro-batch and one in another.
    let quarters = subject.micro_batches(3, 4);
    let join = |parts: &[trainyard_engine::MicroBatch]| {
        let cat = |pick: fn(&trainyard_engine::MicroBatch) -> &burn::tensor::TensorData| {
            let parts: Vec<f32> =
                parts.iter().flat_map(|m| pick(m).as_slice::<f32>().unwrap().to_vec()).collect();
            let width = pick(&quarters[0]).shape()[1];
            let rows = parts.len() / width;
            vec![burn::tensor::TensorData::new(parts, [rows, width])]
        };
        trainyard_engine::MicroBatch {
            inputs: cat(|m| &m.inputs[0]),
            targets: cat(|m| &m.targets[0]),
            rows: parts.len(),
        }
    };
    let uneven = vec![join(&quarters[..3]), join(&quarters[3..])];
    let weighted = pipeline.evaluate(uneven).unwrap();
    assert!((all - weighted).abs() < 1e-6 * all, "{all} and {weighted}");
}

#[test]
fn accumulated_micro_batches_equal_one_big_batch() {
    for subject in [gpt(true, true, 0.0), gpt(false, false, 0.0), mlp()] {
        let one = subject.outcome(&whole(1), STEPS).steps;
        for micro_batches in [2, 4] {
            let plan = plan(&[1, LAYERS], "1f1b", micro_batches, Recompute::None);
            let several = subject.outcome(&plan, STEPS).steps;
            for (one, several) in one.iter().zip(&several) {
                assert!((one[0] - several[0]).abs() <= 1e-5 * one[0], "{one:?} {several:?}");
                assert!((one[1] - several[1]).abs() <= 1e-4 * one[1], "{one:?} {several:?}");
            }
        }
    }
}
