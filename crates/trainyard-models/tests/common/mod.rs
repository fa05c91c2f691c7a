//! Small models, their data, every way to split them, and runs of them to compare.
#![allow(dead_code, reason = "every test binary uses its own part")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use burn::tensor::TensorData;
use safetensors::SafeTensors;
use trainyard_engine::checkpoint::{LayerRecord, read_manifest};
use trainyard_engine::{AdamW, Device, MicroBatch, Model, Options, Pipeline, discover, mix};
use trainyard_models::{Gpt, GptOptions, Mlp, MlpOptions};
use trainyard_plan::{Plan, Recompute, Schedule, Stage};

pub(crate) const SEED: u64 = 11;
/// Rows of a batch: divisible by every number of micro-batches the tests use.
pub(crate) const ROWS: usize = 4;
pub(crate) const CONTEXT: usize = 8;
pub(crate) const VOCABULARY: usize = 11;
pub(crate) const WIDTH: usize = 16;
pub(crate) const HEADS: usize = 2;
/// Layers of either model: embedding, two blocks and head; or four linear ones.
pub(crate) const LAYERS: usize = 4;

/// A model, and a batch of data for any step.
#[derive(Clone)]
pub(crate) struct Subject {
    pub(crate) model: Arc<dyn Model>,
    batch: fn(u64) -> [TensorData; 2],
}

pub(crate) fn gpt(tied: bool, bias: bool, dropout: f64) -> Subject {
    let options = GptOptions {
        layers: LAYERS - 2,
        heads: HEADS,
        width: WIDTH,
        context: CONTEXT,
        vocabulary: Some(VOCABULARY),
        dropout,
        bias,
        tied,
    };
    Subject {
        model: Arc::new(Gpt::new(options, Some(VOCABULARY)).unwrap()),
        // Something to learn: every token is followed by the same other token.
        batch: |step| {
            let start = |row: usize| mix(&[step, row as u64]) as usize;
            let token =
                |row: usize, i: usize| i32::try_from((start(row) + 3 * i) % VOCABULARY).unwrap();
            [0, 1].map(|shift| {
                let row = |row: usize| (0..CONTEXT).map(move |i| token(row, i + shift));
                TensorData::new((0..ROWS).flat_map(row).collect::<Vec<i32>>(), [ROWS, CONTEXT])
            })
        },
    }
}

pub(crate) fn mlp() -> Subject {
    let options = MlpOptions { inputs: 10, hidden: 12, outputs: 6, layers: LAYERS };
    Subject {
        model: Arc::new(Mlp::new(options).unwrap()),
        batch: |step| {
            [(0, 10), (1, 6)].map(|(kind, width)| {
                let number = |i: usize| {
                    (mix(&[step, kind, i as u64]) >> 40) as f32 / (1_u64 << 23) as f32 - 1.0
                };
                let values: Vec<f32> = (0..ROWS * width).map(number).collect();
                TensorData::new(values, [ROWS, width])
            })
        },
    }
}

impl Subject {
    /// A step's batch as one: inputs and targets.
    pub(crate) fn batch(&self, step: u64) -> [TensorData; 2] {
        (self.batch)(step)
    }

    /// The same, cut into micro-batches.
    pub(crate) fn micro_batches(&self, step: u64, count: usize) -> Vec<MicroBatch> {
        let rows = ROWS / count;
        let [inputs, targets] = self.batch(step);
        let slice = |data: &TensorData, micro_batch: usize| {
            let width = data.shape()[1];
            let range = micro_batch * rows * width..(micro_batch + 1) * rows * width;
            let shape = [rows, width];
            match data.as_slice::<f32>() {
                Ok(values) => TensorData::new(values[range].to_vec(), shape),
                Err(_) => TensorData::new(data.as_slice::<i32>().unwrap()[range].to_vec(), shape),
            }
        };
        let micro_batch = |m: usize| MicroBatch {
            inputs: vec![slice(&inputs, m)],
            targets: vec![slice(&targets, m)],
            rows,
        };
        (0..count).map(micro_batch).collect()
    }

    /// Distributes the model over devices `d0`, `d1`, ….
    pub(crate) fn distribute(
        &self,
        plan: &Plan,
        devices: Vec<Device>,
        options: Options,
    ) -> Pipeline {
        let options = Options { rows: ROWS / plan.micro_batches, ..options };
        Pipeline::distribute(Arc::clone(&self.model), plan, devices, options).unwrap()
    }

    /// Trains on CPU devices, and tells all there is to tell.
    pub(crate) fn outcome(&self, plan: &Plan, steps: u64) -> Outcome {
        let mut pipeline = self.distribute(plan, cpus(plan.schedule.ranks.len()), options());
        let steps = self.train(&mut pipeline, 1..=steps);
        let folder = tempfile::tempdir().unwrap();
        Outcome { steps, layers: fingerprint(&mut pipeline, &folder.path().join("end")) }
    }

    /// Loss and gradient norm of every step.
    pub(crate) fn train(
        &self,
        pipeline: &mut Pipeline,
        steps: impl IntoIterator<Item = u64>,
    ) -> Vec<[f64; 2]> {
        let count = pipeline.plan().micro_batches;
        let step = |step: u64| {
            let result = pipeline.step(step, 0.01, self.micro_batches(step, count)).unwrap();
            [result.loss, result.gradient_norm]
        };
        steps.into_iter().map(step).collect()
    }
}

/// What a run left behind. Equal outcomes are equal to the last bit.
#[derive(Debug, PartialEq)]
pub(crate) struct Outcome {
    /// Loss and gradient norm.
    pub(crate) steps: Vec<[f64; 2]>,
    /// Hashes of all weights and optimizer states.
    pub(crate) layers: Vec<LayerRecord>,
}

/// Names, sizes and hashes of all layers with their optimizer state.
pub(crate) fn fingerprint(pipeline: &mut Pipeline, folder: &Path) -> Vec<LayerRecord> {
    pipeline.save(folder, 0, serde_json::Value::Null).unwrap();
    read_manifest(folder).unwrap().layers
}

/// A tensor of a checkpoint: its shape and values.
pub(crate) type Held = (Vec<usize>, Vec<f32>);

/// Every tensor of a checkpoint, by `layer/kind/path`.
pub(crate) fn tensors(pipeline: &mut Pipeline) -> BTreeMap<String, Held> {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("checkpoint");
    let mut tensors = BTreeMap::new();
    for record in fingerprint(pipeline, &place) {
        let bytes = std::fs::read(place.join(&record.file)).unwrap();
        for (name, view) in SafeTensors::deserialize(&bytes).unwrap().iter() {
            let (numbers, _) = view.data().as_chunks::<4>();
            let values = numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
            tensors.insert(format!("{}/{name}", record.name), (view.shape().to_vec(), values));
        }
    }
    tensors
}

/// The tensors of one kind, by `layer/path`.
pub(crate) fn of_kind(all: &BTreeMap<String, Held>, kind: &str) -> BTreeMap<String, Held> {
    let infix = format!("/{kind}/");
    all.iter()
        .filter(|(name, _)| name.contains(&infix))
        .map(|(name, held)| (name.replacen(&infix, "/", 1), held.clone()))
        .collect()
}

pub(crate) fn options() -> Options {
    let optimizer = AdamW { weight_decay: 0.1, ..AdamW::default() };
    Options { seed: SEED, optimizer, clip: Some(0.5), rows: ROWS }
}

/// Options under which the first moments of a checkpoint are the gradients of the step before.
pub(crate) fn showing_gradients() -> Options {
    Options { optimizer: AdamW { beta1: 0.0, ..AdamW::default() }, clip: None, ..options() }
}

pub(crate) fn cpus(count: usize) -> Vec<Device> {
    let cpu = discover::cpu();
    (0..count).map(|i| Device::open(format!("d{i}"), &cpu, 1 << 30, 1).unwrap()).collect()
}

/// Every way to cut the layers into consecutive stages, as the stages' ends.
pub(crate) fn splits() -> Vec<Vec<usize>> {
    let cuts = |mask: usize| (1..LAYERS).filter(move |cut| mask >> (cut - 1) & 1 == 1);
    (0..1 << (LAYERS - 1)).map(|mask| cuts(mask).chain([LAYERS]).collect()).collect()
}

/// The splits that a schedule can run, with its usual number of stages a rank.
pub(crate) fn splits_for(schedule: &str) -> impl Iterator<Item = Vec<usize>> {
    let chunks = Schedule::default_chunks(schedule).unwrap();
    splits().into_iter().filter(move |ends| ends.len() % chunks == 0)
}

/// The stages on devices `d0`, `d1`, …, as the schedule places them.
pub(crate) fn plan(
    ends: &[usize],
    schedule: &str,
    micro_batches: usize,
    recompute: Recompute,
) -> Plan {
    let chunks = Schedule::default_chunks(schedule).unwrap();
    let ranks = ends.len() / chunks;
    let placement = Schedule::placement(schedule, ranks, chunks).unwrap();
    let stage = |(stage, end): (usize, &usize)| Stage {
        device: format!("d{}", placement[stage]),
        layers: (stage.checked_sub(1).map_or(0, |before| ends[before]), *end),
        recompute,
    };
    Plan::new(
        "test",
        ends.iter().enumerate().map(stage).collect(),
        Schedule::named(schedule, ranks, micro_batches).unwrap(),
        micro_batches,
    )
}

/// The whole model on one device.
pub(crate) fn whole(micro_batches: usize) -> Plan {
    plan(&[LAYERS], "gpipe", micro_batches, Recompute::None)
}

/// Fails where two tensors are further apart than `relative · |expected| + absolute`.
pub(crate) fn assert_close(
    what: &str,
    found: &[f32],
    expected: &[f32],
    relative: f32,
    absolute: f32,
) {
    assert_eq!(found.len(), expected.len(), "{what}: number of elements");
    for (i, (&found, &expected)) in found.iter().zip(expected).enumerate() {
        let apart = (found - expected).abs();
        let allowed = relative * expected.abs() + absolute;
        assert!(
            apart <= allowed,
            "{what}[{i}]: {found} instead of {expected}, {apart} apart, {allowed} allowed"
        );
    }
}
