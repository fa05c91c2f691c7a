//! A pipeline of CPU devices gives what one device gives, to the last bit: over schedules, every
//! split, numbers of micro-batches, and with and without recomputation.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails at once and says why"
)]

mod common;

use std::collections::BTreeSet;

use trainyard_plan::{Recompute, Schedule};

use common::partitions::{Subject, cut, plan, splits_for, whole};
use common::{LAYERS, decoder, gpt, mlp, registered};

const STEPS: u64 = 3;

fn equals_one_device(subject: &Subject) {
    assert_eq!(subject.layers(), LAYERS);
    subject.equals_one_device(STEPS);
}

#[test]
fn every_registered_model_equals_one_device() {
    for registered in registered() {
        let (name, subject) = (registered.name.clone(), registered.subject());
        let layers = subject.layers();
        let expected = subject.outcome(&whole(layers, 2), STEPS);
        for schedule in Schedule::names() {
            // The fewest stages that are more than one, and the most.
            let splits = || splits_for(schedule, layers).filter(|ends| ends.len() > 1);
            let ends = [splits().min_by_key(Vec::len), splits().max_by_key(Vec::len)];
            for ends in ends.into_iter().flatten().collect::<BTreeSet<_>>() {
                for recompute in [Recompute::None, Recompute::Full] {
                    let found = subject.outcome(&plan(&ends, schedule, 2, recompute), STEPS);
                    assert_eq!(found, expected, "{name}, {schedule} {ends:?}, {recompute:?}");
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
fn a_decoder_equals_one_device() {
    equals_one_device(&decoder());
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
            let mut pipeline = subject.on_cpus(&plan(ends, schedule, 2, Recompute::None));
            subject.train(&mut pipeline, 1..=2);
            // More micro-batches than the plan has, and of another size.
            let evaluation = pipeline.evaluate(subject.micro_batches(9, 4)).unwrap();
            let output = pipeline.output(&subject.batch(9).tensors).unwrap();
            (evaluation.loss.to_bits(), evaluation.metrics, output)
        };
        let expected = run("1f1b", &[LAYERS]);
        for schedule in ["1f1b", "interleaved", "zb-v"] {
            for ends in splits_for(schedule, LAYERS) {
                assert_eq!(run(schedule, &ends), expected, "{schedule} {ends:?}");
            }
        }
    }
}

#[test]
fn evaluation_weighs_micro_batches_by_their_rows() {
    let subject = mlp();
    let mut pipeline = subject.on_cpus(&whole(LAYERS, 1));
    let all = pipeline.evaluate(subject.micro_batches(3, 1)).unwrap();
    // Three rows in one micro-batch and one in another.
    let uneven = pipeline.evaluate(cut(&subject.batch(3), &[3, 1])).unwrap();
    assert!((all.loss - uneven.loss).abs() < 1e-6 * all.loss, "{all:?} and {uneven:?}");
    assert!((all.count - 4.0).abs() + (uneven.count - 4.0).abs() == 0.0, "{all:?} {uneven:?}");
}

#[test]
fn accumulated_micro_batches_equal_one_big_batch() {
    for subject in [gpt(true, true, 0.0), gpt(false, false, 0.0), mlp()] {
        let one = subject.outcome(&whole(LAYERS, 1), STEPS).steps;
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
