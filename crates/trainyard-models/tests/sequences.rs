//! Sequences that go on position by position give what the whole of them gives, on any number of devices and
//! however they are cut.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails at once and says why"
)]

mod common;

use burn::tensor::TensorData;
use trainyard_engine::kernels::KernelSet;
use trainyard_engine::{Device, EngineError, HostTensors, Pipeline, Sequences, mix};
use trainyard_plan::Recompute;

use common::partitions::{Subject, assert_close, cpus, options, plan};
use common::{CONTEXT, LAYERS, VOCABULARY, adapter, decoder, gpt, mlp};

const SPLITS: [&[usize]; 3] = [&[LAYERS], &[2, LAYERS], &[1, 3, LAYERS]];

fn on(subject: &Subject, ends: &[usize], devices: Vec<Device>) -> Pipeline {
    subject.distribute(&plan(ends, "1f1b", 2, Recompute::None), devices, options())
}

fn tokens(of: &[i32]) -> HostTensors {
    vec![("tokens".into(), TensorData::new(of.to_vec(), [1, of.len()]))]
}

/// A sequence of its own for every number.
fn sequence(number: u64, length: usize) -> Vec<i32> {
    let token = |at| (mix(&[number, at]) % VOCABULARY as u64) as i32;
    (0..length as u64).map(token).collect()
}

fn logits(output: &HostTensors) -> Vec<f32> {
    output[0].1.iter::<f32>().collect()
}

/// What the whole of it gives for its last position.
fn whole(pipeline: &mut Pipeline, of: &[i32]) -> Vec<f32> {
    let all = logits(&pipeline.output(&tokens(of)).unwrap());
    all[all.len() - VOCABULARY..].to_vec()
}

/// Feeds a sequence in pieces, and gives the logits after each.
fn fed(sequences: &mut Sequences<'_>, number: u64, of: &[i32], pieces: &[usize]) -> Vec<Vec<f32>> {
    let mut from = 0;
    let mut found = Vec::new();
    for piece in pieces {
        sequences.feed(number, tokens(&of[from..from + piece])).unwrap();
        from += piece;
        let (whose, output) = sequences.next_output().unwrap().unwrap();
        assert_eq!((whose, sequences.positions(number)), (number, from));
        assert_eq!(output[0].1.shape().as_slice(), [1, 1, VOCABULARY]);
        found.push(logits(&output));
    }
    found
}

/// Fails where logits differ by more than sums in another order.
fn assert_follow(pipeline: &mut Pipeline, place: &str, tolerance: f32) -> Vec<Vec<f32>> {
    let of = sequence(1, CONTEXT);
    let mut all = Vec::new();
    for pieces in [&[1; CONTEXT][..], &[3, 1, 1, 2, 1], &[CONTEXT], &[5, 3]] {
        let mut sequences = pipeline.sequences();
        let found = fed(&mut sequences, 1, &of, pieces);
        drop(sequences);
        let mut end = 0;
        for (piece, found) in pieces.iter().zip(&found) {
            end += piece;
            let expected = whole(pipeline, &of[..end]);
            assert_close(
                &format!("{place}: {end} in {pieces:?}"),
                found,
                &expected,
                0.0,
                tolerance,
            );
        }
        all.extend(found);
    }
    all
}

#[test]
fn what_goes_on_gives_what_the_whole_gives() {
    for subject in [gpt(true, true, 0.1), gpt(false, false, 0.0)] {
        let mut split: Vec<_> = SPLITS
            .iter()
            .map(|ends| {
                let mut pipeline = on(&subject, ends, cpus(ends.len()));
                assert!(pipeline.sequences().go_on());
                assert_follow(&mut pipeline, &format!("{ends:?}"), 1e-5)
            })
            .collect();
        // Between splits not a bit differs.
        let one = split.remove(0);
        assert!(split.iter().all(|other| *other == one));
    }
}

#[test]
fn sequences_of_different_lengths_are_on_their_way_at_once() {
    let subject = gpt(true, false, 0.0);
    for ends in SPLITS {
        let mut pipeline = on(&subject, ends, cpus(ends.len()));
        let all: Vec<Vec<i32>> =
            (0..7).map(|number| sequence(number, 2 + number as usize % 5)).collect();
        let expected: Vec<_> = all.iter().map(|of| whole(&mut pipeline, of)).collect();
        let mut sequences = pipeline.sequences();
        // All but the last token, and that when everything before is on its way.
        for (number, of) in (0..).zip(&all) {
            sequences.feed(number, tokens(&of[..of.len() - 1])).unwrap();
        }
        for (number, of) in (0..).zip(&all) {
            sequences.feed(number, tokens(&of[of.len() - 1..])).unwrap();
        }
        let mut outputs = Vec::new();
        while let Some((number, output)) = sequences.next_output().unwrap() {
            outputs.push((number, logits(&output)));
        }
        assert!(outputs.iter().map(|(number, _)| *number).eq((0..7).chain(0..7)));
        for (number, found) in &outputs[7..] {
            assert_close(
                &format!("{ends:?}: {number}"),
                found,
                &expected[*number as usize],
                0.0,
                1e-5,
            );
        }
    }
}

#[test]
fn a_sequence_that_is_forgotten_begins_anew() {
    let subject = gpt(true, true, 0.0);
    let mut pipeline = on(&subject, &[2, LAYERS], cpus(2));
    let (one, other) = (sequence(1, 4), sequence(2, 4));
    let mut sequences = pipeline.sequences();
    let first = fed(&mut sequences, 5, &one, &[4]);
    sequences.forget(5).unwrap();
    sequences.forget(99).unwrap();
    assert_eq!(sequences.positions(5), 0);
    let second = fed(&mut sequences, 5, &other, &[2, 2]);
    assert!(first[0] != second[1]);
    // What nobody waited for is over with what it was asked of, and training goes on.
    sequences.feed(6, tokens(&one)).unwrap();
    sequences.feed(7, tokens(&one)).unwrap();
    drop(sequences);
    assert_close("later", &whole(&mut pipeline, &other), &second[1], 0.0, 1e-5);
    subject.train(&mut pipeline, 1..=1);
    let changed = fed(&mut pipeline.sequences(), 5, &other, &[4]);
    assert!(changed[0] != second[1], "the weights have changed");
}

#[test]
fn a_model_that_hands_nothing_on_is_given_the_whole() {
    let subject = mlp();
    let mut pipeline = on(&subject, &[2, LAYERS], cpus(2));
    let features = |values: Vec<f32>| -> HostTensors {
        vec![("features".into(), TensorData::new(values, [1, 10]))]
    };
    let [one, other] = [0.5, -0.5].map(|value| features(vec![value; 10]));
    let expected = pipeline.output(&other).unwrap();
    let mut sequences = pipeline.sequences();
    assert!(!sequences.go_on());
    for inputs in [one, other] {
        sequences.feed(3, inputs).unwrap();
        assert_eq!(sequences.positions(3), 10);
    }
    sequences.next_output().unwrap().unwrap();
    let (_, found) = sequences.next_output().unwrap().unwrap();
    assert_eq!(logits(&found), logits(&expected));
}

#[test]
fn inputs_that_do_not_go_together_change_nothing() {
    let subject = gpt(true, false, 0.0);
    let mut pipeline = on(&subject, &[2, LAYERS], cpus(2));
    let mut sequences = pipeline.sequences();
    let none = sequences.feed(1, vec![("words".into(), TensorData::new(vec![1_i32], [1, 1]))]);
    let Err(EngineError::WrongTensor { expected, .. }) = none else { panic!("it was taken") };
    assert!(expected.contains("'tokens'"), "{expected}");
    assert!(sequences.feed(1, Vec::new()).is_err());
    assert_eq!(sequences.positions(1), 0);
    fed(&mut sequences, 1, &sequence(1, 3), &[2, 1]);
}

/// The last position is found where no layer does it.
#[test]
fn only_what_the_last_position_gives_comes_out() {
    let subject = decoder();
    let mut pipeline = on(&subject, &[2, LAYERS], cpus(2));
    let of = sequence(1, CONTEXT);
    let expected = whole(&mut pipeline, &of);
    let found = fed(&mut pipeline.sequences(), 1, &of, &[CONTEXT]);
    assert_eq!(found, [expected]);
}

#[test]
fn sequences_go_on_on_every_adapter() {
    let subject = gpt(true, true, 0.0);
    let of = sequence(1, CONTEXT);
    let expected = whole(&mut on(&subject, &[LAYERS], cpus(1)), &of);
    for (name, info) in adapter::known() {
        for kernels in [KernelSet::all(), KernelSet::default()] {
            let open = |id: &str| {
                let device = Device::open(id, &info, 1 << 30, 1).unwrap();
                device.use_kernels(kernels);
                device
            };
            let mut pipeline = on(&subject, &[2, LAYERS], vec![open("d0"), open("d1")]);
            let mut sequences = pipeline.sequences();
            for number in 0..2 {
                let found = fed(&mut sequences, number, &of, &[4, 1, 1, 1, 1]);
                assert_close(name, &found[4], &expected, 0.0, 1e-4);
            }
        }
    }
}
