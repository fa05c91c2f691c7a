//! Several samples in a row: each gives what it gives in a row of its own, on any split.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails at once and says why"
)]

mod common;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use burn::tensor::TensorData;
use trainyard_data::{IGNORED, SEGMENTS};
use trainyard_engine::{Device, HostTensors, MicroBatch, Pipeline};
use trainyard_models::gpt;
use trainyard_models::hf::HfModel;
use trainyard_plan::{Plan, Recompute, Schedule};
use trainyard_pretrained::Pretrained;

use common::adapter;
use common::partitions::{
    Held, ROWS, Subject, assert_close, cpus, cut, of_kind, plan, random_ints, showing_gradients,
    tensors, whole,
};

const ARCHITECTURES: [&str; 10] = [
    "llama", "llama3", "mistral", "qwen2", "qwen3", "gemma2", "gemma3", "phi3", "gpt2", "gpt_neox",
];
const CONTEXT: usize = 12;
const VOCABULARY: usize = 37;

/// The lengths of the samples of each row.
const ROWS_OF: [&[usize]; ROWS] = [&[5, 4, 2], &[12], &[1, 10], &[3, 2, 3, 3]];

/// Largest difference that is allowed, as a part of the largest number of a tensor.
const LOGITS: f32 = 1e-5;
const GRADIENTS: f32 = 2e-5;

fn model(name: &str) -> HfModel {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/hf").join(name);
    HfModel::new(Arc::new(Pretrained::open(&folder).unwrap()), CONTEXT).unwrap()
}

/// Tokens and targets of a sample, of which not all are to be learned.
fn sample(step: u64, number: usize, length: usize) -> [Vec<i32>; 2] {
    let ints = |kind| random_ints([length], VOCABULARY, &[step, number as u64, kind]);
    let [tokens, mut targets] = [0, 1].map(|kind| ints(kind).try_to_vec::<i32>().unwrap());
    targets.iter_mut().skip(1).step_by(3).for_each(|target| *target = IGNORED);
    [tokens, targets]
}

/// All samples, with the row and the position where each begins.
fn samples(step: u64) -> Vec<(usize, usize, [Vec<i32>; 2])> {
    let mut all = Vec::new();
    for (row, lengths) in ROWS_OF.iter().enumerate() {
        let mut at = 0;
        for length in *lengths {
            all.push((row, at, sample(step, all.len(), *length)));
            at += length;
        }
    }
    all
}

fn batch(rows: usize, tensors: Vec<(&str, Vec<i32>)>) -> MicroBatch {
    let with = |batch: MicroBatch, (name, values): (&str, Vec<i32>)| {
        batch.with(name, TensorData::new(values, [rows, CONTEXT]))
    };
    tensors.into_iter().fold(MicroBatch::new(rows), with)
}

/// Several to a row.
fn packed(step: u64) -> MicroBatch {
    let mut rows =
        [vec![0; ROWS * CONTEXT], vec![IGNORED; ROWS * CONTEXT], vec![0; ROWS * CONTEXT]];
    for (row, at, [tokens, targets]) in samples(step) {
        let number = rows[2][row * CONTEXT..][..at].iter().max().map_or(1, |before| before + 1);
        let place = row * CONTEXT + at..row * CONTEXT + at + tokens.len();
        rows[0][place.clone()].copy_from_slice(&tokens);
        rows[1][place.clone()].copy_from_slice(&targets);
        rows[2][place].fill(number);
    }
    let [tokens, targets, segments] = rows;
    batch(ROWS, vec![("tokens", tokens), ("targets", targets), (SEGMENTS, segments)])
}

/// A row each.
fn alone(step: u64) -> MicroBatch {
    let all = samples(step);
    let filled = |of: usize, filling: i32| {
        let row = |sample: &(usize, usize, [Vec<i32>; 2])| {
            let mut row = sample.2[of].clone();
            row.resize(CONTEXT, filling);
            row
        };
        all.iter().flat_map(row).collect::<Vec<_>>()
    };
    batch(all.len(), vec![("tokens", filled(0, 0)), ("targets", filled(1, IGNORED))])
}

fn packed_subject(name: &str) -> Subject {
    Subject::new(model(name).with_segments(), gpt::objective(), packed)
}

fn logits(output: HostTensors) -> Vec<f32> {
    let (_, logits) = output.into_iter().find(|(name, _)| &**name == "logits").unwrap();
    logits.try_to_vec().unwrap()
}

/// What the samples give in rows of their own, on one CPU device.
struct Expected {
    logits: Vec<f32>,
    loss: f64,
    gradients: BTreeMap<String, Held>,
}

impl Expected {
    fn of(name: &str) -> Self {
        let first = |step| cut(&alone(step), &[ROWS]).remove(0);
        let subject = Subject::new(model(name), gpt::objective(), first);
        let rows = samples(1).len();
        let plan = whole(subject.layers(), rows / 2);
        let mut pipeline = subject.distribute_for(&plan, cpus(1), showing_gradients(), 2);
        let batch = alone(1);
        let logits = logits(pipeline.output(&batch.tensors).unwrap());
        let loss = pipeline.step(1, 0.01, cut(&batch, &vec![2; rows / 2])).unwrap().loss;
        Self { logits, loss, gradients: of_kind(&tensors(&mut pipeline), "first") }
    }

    /// The packed ones in micro-batches of some rows.
    fn equals(
        &self,
        name: &str,
        pipeline: &mut Pipeline,
        batches: Vec<MicroBatch>,
        part: [f32; 2],
    ) {
        let found = logits(pipeline.output(&packed(1).tensors).unwrap());
        let of = |all: &[f32], row: usize, at: usize, length: usize| {
            let from = (row * CONTEXT + at) * VOCABULARY;
            all[from..from + length * VOCABULARY].to_vec()
        };
        for (number, (row, at, [tokens, _])) in samples(1).into_iter().enumerate() {
            let expected = of(&self.logits, number, 0, tokens.len());
            let found = of(&found, row, at, tokens.len());
            near(&format!("{name}: logits of sample {number}"), &found, &expected, part[0]);
        }
        let loss = pipeline.step(1, 0.01, batches).unwrap().loss;
        let allowed = f64::from(part[0]) * self.loss;
        assert!((loss - self.loss).abs() < allowed, "{name}: {loss} {}", self.loss);
        let found = of_kind(&tensors(pipeline), "first");
        assert_eq!(found.keys().collect::<Vec<_>>(), self.gradients.keys().collect::<Vec<_>>());
        for (weight, (_, expected)) in &self.gradients {
            near(&format!("{name}: ∂{weight}"), &found[weight].1, expected, part[1]);
        }
    }
}

/// Fails where a number is further away than a part of the largest.
fn near(what: &str, found: &[f32], expected: &[f32], part: f32) {
    let largest = expected.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
    assert_close(what, found, expected, 0.0, part * largest);
}

#[test]
fn samples_of_one_row_do_not_see_each_other() {
    for name in ARCHITECTURES {
        let (expected, subject) = (Expected::of(name), packed_subject(name));
        let plan = plan(&[2, subject.layers()], "1f1b", 2, Recompute::None);
        let mut pipeline = subject.distribute(&plan, cpus(2), showing_gradients());
        // The two have unlike numbers of tokens that count.
        let batches = subject.micro_batches(1, 2);
        expected.equals(name, &mut pipeline, batches, [LOGITS, GRADIENTS]);
    }
}

/// Two devices, the rows of each micro-batch in three slices.
fn sliced(layers: usize) -> Plan {
    let whole = plan(&[2, layers], "1f1b", 2, Recompute::None);
    let schedule = Schedule::in_slices("1f1b", 2, 1, 6, 3).unwrap();
    Plan::new("test", whole.stages, schedule, 6)
}

#[test]
fn slices_know_the_segments_before_them() {
    for name in ["llama", "gemma2", "gpt2"] {
        let (expected, subject) = (Expected::of(name), packed_subject(name));
        let plan = sliced(subject.layers());
        let mut pipeline = subject.distribute_for(&plan, cpus(2), showing_gradients(), ROWS / 2);
        let rows = subject.micro_batches(1, 2).into_iter();
        let slices = rows.flat_map(|rows| rows.cut(3).unwrap()).collect();
        expected.equals(name, &mut pipeline, slices, [LOGITS, GRADIENTS]);
    }
}

#[test]
fn any_split_of_packed_rows_gives_the_same_bits() {
    for name in ["llama", "gpt2"] {
        let subject = packed_subject(name);
        let layers = subject.layers();
        let expected = subject.outcome(&whole(layers, 2), 2);
        for (schedule, ends) in [("1f1b", vec![1, 2, layers]), ("zb-h1", vec![1, 3, layers])] {
            for recompute in [Recompute::None, Recompute::Full] {
                let plan = plan(&ends, schedule, 2, recompute);
                let found = subject.outcome(&plan, 2);
                assert_eq!(found, expected, "{name}: {schedule} {ends:?}, {recompute:?}");
            }
        }
    }
}

/// A text that goes on is one segment.
#[test]
fn a_model_of_packed_rows_goes_on_with_a_text_as_it_is_without() {
    for name in ["llama", "gemma3", "gpt2"] {
        let [tokens, _] = sample(3, 0, CONTEXT);
        let outputs = |model: HfModel, has_segments: bool| {
            let subject = Subject::new(model, gpt::objective(), packed);
            let plan = plan(&[2, subject.layers()], "1f1b", 2, Recompute::None);
            let mut pipeline = subject.on_cpus(&plan);
            let mut sequences = pipeline.sequences();
            assert_eq!((sequences.go_on(), sequences.takes(SEGMENTS)), (true, has_segments));
            let mut all = Vec::new();
            for part in [&tokens[..5], &tokens[5..6], &tokens[6..]] {
                let of_part = |values: Vec<i32>| TensorData::new(values, [1, part.len()]);
                let fed = [("tokens", part.to_vec()), (SEGMENTS, vec![1; part.len()])];
                let fed = fed.into_iter().map(|(name, values)| (name.into(), of_part(values)));
                sequences.feed(0, fed.collect()).unwrap();
                all.extend(logits(sequences.next_output().unwrap().unwrap().1));
            }
            all
        };
        let expected = outputs(model(name), false);
        near(name, &outputs(model(name).with_segments(), true), &expected, LOGITS);
    }
}

#[test]
fn packed_rows_on_an_adapter_give_what_a_cpu_gives() {
    let Some((_, info)) = adapter::known().into_iter().next() else { return };
    for name in ["llama3", "gemma3", "gpt2"] {
        let (expected, subject) = (Expected::of(name), packed_subject(name));
        let open = |i| Device::open(format!("d{i}"), &info, 1 << 30, 1).unwrap();
        let plan = plan(&[2, subject.layers()], "1f1b", 2, Recompute::None);
        let devices = (0..2).map(open).collect();
        let mut pipeline = subject.distribute(&plan, devices, showing_gradients());
        expected.equals(name, &mut pipeline, subject.micro_batches(1, 2), [1e-4, 1e-4]);
    }
}
