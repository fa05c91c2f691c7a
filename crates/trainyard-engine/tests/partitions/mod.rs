//! A model with its data on every partition, and what a run of it leaves behind.
#![allow(dead_code, reason = "every test binary uses its own part")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use burn::tensor::TensorData;
use safetensors::SafeTensors;
use trainyard_engine::checkpoint::{LayerRecord, SaveAs, read_manifest};
use trainyard_engine::kernels::KernelSet;
use trainyard_engine::{
    AdamW, DeriveSettings, Device, Metrics, MicroBatch, Model, Objective, Options, Pipeline,
    StepResult, derive_profile, discover, mix,
};
use trainyard_plan::{DeviceInfo, ModelProfile, Plan, Profile, Recompute, Schedule, Stage};

pub(crate) const SEED: u64 = 11;
/// Rows of a batch: divisible by every number of micro-batches the tests use.
pub(crate) const ROWS: usize = 4;

/// A model with its objective, and a batch of data for any step.
#[derive(Clone)]
pub(crate) struct Subject {
    pub(crate) model: Arc<dyn Model>,
    pub(crate) objective: Arc<dyn Objective>,
    batch: Arc<dyn Fn(u64) -> MicroBatch>,
    /// What the model costs, by rows of a micro-batch, once it has been derived.
    costs: Arc<Mutex<BTreeMap<usize, ModelProfile>>>,
}

impl Subject {
    /// `batch` gives the [`ROWS`] rows of a step.
    pub(crate) fn new(
        model: impl Model + 'static,
        objective: impl Objective + 'static,
        batch: impl Fn(u64) -> MicroBatch + 'static,
    ) -> Self {
        Self::of(Arc::new(model), Arc::new(objective), batch)
    }

    /// [`Self::new`] of what is shared.
    pub(crate) fn of(
        model: Arc<dyn Model>,
        objective: Arc<dyn Objective>,
        batch: impl Fn(u64) -> MicroBatch + 'static,
    ) -> Self {
        Self { model, objective, batch: Arc::new(batch), costs: Arc::default() }
    }

    /// Number of layers.
    pub(crate) fn layers(&self) -> usize {
        self.model.layers().len()
    }

    /// A step's batch as one.
    pub(crate) fn batch(&self, step: u64) -> MicroBatch {
        (self.batch)(step)
    }

    /// The same, cut into micro-batches of equal size.
    pub(crate) fn micro_batches(&self, step: u64, count: usize) -> Vec<MicroBatch> {
        cut(&self.batch(step), &vec![ROWS / count; count])
    }

    /// What the layers cost for a micro-batch of some rows, found out by running them.
    pub(crate) fn costs(&self, rows: usize) -> ModelProfile {
        let mut costs = self.costs.lock().unwrap();
        let derive = || {
            let sample = cut(&self.batch(1), &[rows]).remove(0);
            derived(&*self.model, &*self.objective, &sample)
        };
        costs.entry(rows).or_insert_with(derive).clone()
    }

    /// Distributes the model over devices.
    pub(crate) fn distribute(
        &self,
        plan: &Plan,
        devices: Vec<Device>,
        options: Options,
    ) -> Pipeline {
        let rows = ROWS / plan.micro_batches;
        self.distribute_for(plan, devices, options, rows)
    }

    /// As [`Self::distribute`], for micro-batches of up to some rows.
    pub(crate) fn distribute_for(
        &self,
        plan: &Plan,
        devices: Vec<Device>,
        options: Options,
        rows: usize,
    ) -> Pipeline {
        let profile = of_budgets(self.costs(rows), &devices, plan.micro_batches);
        let (model, objective) = (Arc::clone(&self.model), Arc::clone(&self.objective));
        let options = Options { rows, ..options };
        Pipeline::distribute(model, objective, &profile, plan, devices, options).unwrap()
    }

    /// As [`Self::distribute`], on CPU devices.
    pub(crate) fn on_cpus(&self, plan: &Plan) -> Pipeline {
        self.distribute(plan, cpus(plan.schedule.ranks.len()), options())
    }

    /// Trains on CPU devices, and tells all there is to tell.
    pub(crate) fn outcome(&self, plan: &Plan, steps: u64) -> Outcome {
        let mut pipeline = self.on_cpus(plan);
        let results = self.results(&mut pipeline, 1..=steps);
        let folder = tempfile::tempdir().unwrap();
        let evaluation = pipeline.evaluate(self.micro_batches(99, 2)).unwrap();
        Outcome {
            steps: results.iter().map(|result| [result.loss, result.gradient_norm]).collect(),
            metrics: results.into_iter().map(|result| result.metrics).collect(),
            evaluation: (evaluation.loss, evaluation.metrics),
            layers: fingerprint(&mut pipeline, &folder.path().join("end")),
        }
    }

    /// Loss and gradient norm of every step.
    pub(crate) fn train(
        &self,
        pipeline: &mut Pipeline,
        steps: impl IntoIterator<Item = u64>,
    ) -> Vec<[f64; 2]> {
        let results = self.results(pipeline, steps);
        results.iter().map(|result| [result.loss, result.gradient_norm]).collect()
    }

    fn results(
        &self,
        pipeline: &mut Pipeline,
        steps: impl IntoIterator<Item = u64>,
    ) -> Vec<StepResult> {
        let count = pipeline.plan().micro_batches;
        let step = |step: u64| pipeline.step(step, 0.01, self.micro_batches(step, count)).unwrap();
        steps.into_iter().map(step).collect()
    }

    /// Every split under every schedule, with and without recomputation, gives what one device
    /// gives, to the last bit: losses, norms, metrics, evaluation, and all weights and states.
    pub(crate) fn equals_one_device(&self, steps: u64) {
        let layers = self.layers();
        assert_eq!(splits(layers).len(), 1 << (layers - 1));
        for micro_batches in [1, 2, 4] {
            let expected = self.outcome(&whole(layers, micro_batches), steps);
            assert_eq!(expected.layers.len(), layers);
            for schedule in Schedule::names() {
                for ends in splits_for(schedule, layers) {
                    // With one micro-batch recomputing differs in nothing from what 2 and 4 show.
                    let both = [Recompute::None, Recompute::Full];
                    for recompute in both.into_iter().take(if micro_batches == 1 { 1 } else { 2 }) {
                        let plan = plan(&ends, schedule, micro_batches, recompute);
                        let place = format!("{schedule} {ends:?} × {micro_batches}, {recompute:?}");
                        assert_eq!(self.outcome(&plan, steps), expected, "{place}");
                    }
                }
            }
        }
    }

    /// Two steps on two devices and on three give what they give on one, to the last bit. `name` is for messages.
    pub(crate) fn equals_one_device_on_two_and_three(&self, name: &str) {
        let layers = self.layers();
        let expected = self.outcome(&whole(layers, 2), 2);
        for (schedule, ends) in
            [("1f1b", vec![2, layers]), ("1f1b", vec![1, 2, layers]), ("zb-h1", vec![1, 3, layers])]
        {
            for recompute in [Recompute::None, Recompute::Full] {
                let found = self.outcome(&plan(&ends, schedule, 2, recompute), 2);
                assert_eq!(found, expected, "{name}: {schedule} {ends:?}, {recompute:?}");
            }
        }
    }
}

/// What a run left behind. Equal outcomes are equal to the last bit.
#[derive(Debug, PartialEq)]
pub(crate) struct Outcome {
    /// Loss and gradient norm.
    pub(crate) steps: Vec<[f64; 2]>,
    pub(crate) metrics: Vec<Metrics>,
    /// Loss and metrics of a batch that was not trained on.
    pub(crate) evaluation: (f64, Metrics),
    /// Hashes of all weights and optimizer states.
    pub(crate) layers: Vec<LayerRecord>,
}

/// What a model costs for micro-batches like a sample, trained with AdamW.
pub(crate) fn derived(
    model: &dyn Model,
    objective: &dyn Objective,
    sample: &MicroBatch,
) -> ModelProfile {
    let settings = DeriveSettings { seed: SEED, optimizer: &options().optimizer, portable: false };
    derive_profile(model, objective, sample, &settings, &|_, _| {}).unwrap()
}

/// The profile of a model on devices of which only the budgets are known.
pub(crate) fn of_budgets(model: ModelProfile, devices: &[Device], micro_batches: usize) -> Profile {
    let offers = devices.iter().map(|device| (device.id(), device.capacity_bytes()));
    Profile::of_budgets(model, offers, micro_batches)
}

/// Consecutive rows of a batch; `rows` says how many go into each micro-batch.
pub(crate) fn cut(batch: &MicroBatch, rows: &[usize]) -> Vec<MicroBatch> {
    let slice = |data: &TensorData, first: usize, count: usize| {
        let row_bytes = data.as_bytes().len() / batch.rows;
        let bytes = data.as_bytes()[first * row_bytes..(first + count) * row_bytes].to_vec();
        let mut shape = data.shape().as_slice().to_vec();
        shape[0] = count;
        TensorData::from_bytes_vec(bytes, shape, data.dtype())
    };
    let mut first = 0;
    let mut micro_batches = Vec::new();
    for &count in rows {
        let tensors = batch.tensors.iter();
        let tensors = tensors.map(|(name, data)| (name.clone(), slice(data, first, count)));
        micro_batches.push(MicroBatch {
            tensors: tensors.collect(),
            rows: count,
            ..MicroBatch::default()
        });
        first += count;
    }
    micro_batches
}

/// Numbers from −1 to 1, the same for the same seeds.
pub(crate) fn random<const D: usize>(shape: [usize; D], seeds: &[u64]) -> TensorData {
    let seed = mix(seeds);
    let number = |i: usize| (mix(&[seed, i as u64]) >> 40) as f32 / (1_u64 << 23) as f32 - 1.0;
    let values: Vec<f32> = (0..shape.iter().product()).map(number).collect();
    TensorData::new(values, shape)
}

/// Whole numbers from 0 to below `below`, the same for the same seeds.
pub(crate) fn random_ints<const D: usize>(
    shape: [usize; D],
    below: usize,
    seeds: &[u64],
) -> TensorData {
    let seed = mix(seeds);
    let number = |i: usize| i32::try_from(mix(&[seed, i as u64]) as usize % below).unwrap();
    let values: Vec<i32> = (0..shape.iter().product()).map(number).collect();
    TensorData::new(values, shape)
}

/// Names, sizes and hashes of all layers with their optimizer state.
pub(crate) fn fingerprint(pipeline: &mut Pipeline, folder: &Path) -> Vec<LayerRecord> {
    pipeline.save(folder, SaveAs { step: 0, ..SaveAs::default() }).unwrap();
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
    let optimizer = AdamW { weight_decay: 0.1, ..AdamW::default() }.into();
    Options { seed: SEED, optimizer, clip: Some(0.5), rows: ROWS }
}

/// Options under which the first moments of a checkpoint are the gradients of the step before.
pub(crate) fn showing_gradients() -> Options {
    let optimizer = AdamW { beta1: 0.0, ..AdamW::default() }.into();
    Options { optimizer, clip: None, ..options() }
}

/// CPU devices `d0`, `d1`, … of one thread each.
pub(crate) fn cpus(count: usize) -> Vec<Device> {
    let cpu = discover::cpu();
    (0..count).map(|i| Device::open(format!("d{i}"), &cpu, 1 << 30, 1).unwrap()).collect()
}

/// Devices `d0`, `d1`, … of some hardware that compute with all kernels of ours, faster or not.
pub(crate) fn with_all_kernels(infos: &[&DeviceInfo]) -> Vec<Device> {
    let open = |(i, info): (usize, &&DeviceInfo)| {
        let device = Device::open(format!("d{i}"), info, 1 << 30, 1).unwrap();
        device.use_kernels(KernelSet::all());
        device
    };
    infos.iter().enumerate().map(open).collect()
}

/// Every way to cut layers into consecutive stages, as the stages' ends.
pub(crate) fn splits(layers: usize) -> Vec<Vec<usize>> {
    let cuts = |mask: usize| (1..layers).filter(move |cut| mask >> (cut - 1) & 1 == 1);
    (0..1 << (layers - 1)).map(|mask| cuts(mask).chain([layers]).collect()).collect()
}

/// The splits that a schedule can run, with its usual number of stages a rank.
pub(crate) fn splits_for(schedule: &str, layers: usize) -> impl Iterator<Item = Vec<usize>> {
    let chunks = Schedule::default_chunks(schedule).unwrap();
    splits(layers).into_iter().filter(move |ends| ends.len() % chunks == 0)
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

/// All layers on one device.
pub(crate) fn whole(layers: usize, micro_batches: usize) -> Plan {
    plan(&[layers], "gpipe", micro_batches, Recompute::None)
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
