//! A toy model that can be told to go wrong at one place, and what the tests do with it.
#![allow(dead_code, reason = "every test binary uses its own part")]

use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use burn::module::{Module, Param};
use burn::tensor::{Device as BurnDevice, Tensor, TensorData};
use trainyard_engine::checkpoint::{LayerRecord, SaveAs, read_manifest};
use trainyard_engine::{
    AdamW, DeriveSettings, Device, EngineError, ErasedLayer, ForwardContext, Layer, LayerSpec,
    MeanSquaredError, MicroBatch, Model, Options, Pipeline, Tensors, derive_profile, discover,
    erase, mix, weight,
};
use trainyard_plan::{ModelProfile, Plan, Profile, Recompute, Schedule, Stage};

pub(crate) const SEED: u64 = 7;
pub(crate) const WIDTH: usize = 6;
pub(crate) const ROWS: usize = 3;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Nothing,
    Panics,
    /// Panics when it comes by for the second time: under recompute, that is in the backward.
    PanicsAgain,
    Refuses,
    Hangs,
    NanForward,
    /// The forward is finite, its gradient is not.
    NanGradient,
}

thread_local! {
    static SEEN: Cell<usize> = const { Cell::new(0) };
}

/// Linear layers with a tanh, as many as there are names.
#[derive(Clone, Debug)]
pub(crate) struct Toy {
    pub(crate) names: Vec<String>,
    pub(crate) width: usize,
    pub(crate) fault: Fault,
    /// Layer, step and micro-batch at which the fault happens.
    pub(crate) place: (usize, u64, usize),
}

impl Toy {
    pub(crate) fn sound(layers: usize) -> Self {
        let names = (0..layers).map(|layer| format!("linear{layer}")).collect();
        Self { names, width: WIDTH, fault: Fault::Nothing, place: (0, 0, 0) }
    }

    pub(crate) fn with(layers: usize, fault: Fault, place: (usize, u64, usize)) -> Self {
        Self { fault, place, ..Self::sound(layers) }
    }
}

impl Model for Toy {
    fn name(&self) -> &'static str {
        "toy"
    }

    fn layers(&self) -> Vec<LayerSpec> {
        let layer = |(index, name): (usize, &String)| {
            let layer = LayerSpec::new(name, "linear");
            if index == 0 { layer.takes(&["features"]) } else { layer }
        };
        self.names.iter().enumerate().map(layer).collect()
    }

    fn build(
        &self,
        layer: usize,
        seed: u64,
        device: &BurnDevice,
    ) -> Result<ErasedLayer, EngineError> {
        let number = |i: usize| random(&[seed, layer as u64, i as u64]) * 0.7;
        let values = (0..self.width * self.width).map(number).collect();
        let (faulty_layer, step, micro_batch) = self.place;
        let fault = if layer == faulty_layer { self.fault } else { Fault::Nothing };
        Ok(erase(Linear {
            weight: weight(values, [self.width, self.width], device),
            fault: fault as usize,
            // How a layer knows a step and micro-batch: by what is random in it.
            when: mix(&[seed, step, micro_batch as u64]),
        }))
    }
}

#[derive(Module, Debug)]
struct Linear {
    weight: Param<Tensor<2>>,
    fault: usize,
    when: u64,
}

impl Layer for Linear {
    fn forward(
        &self,
        mut input: Tensors,
        context: &ForwardContext,
    ) -> Result<Tensors, EngineError> {
        let y = input.take_first::<Tensor<2>>()?.matmul(self.weight.val()).tanh();
        let now = context.training && context.seed == self.when;
        let is = |fault: Fault| now && self.fault == fault as usize;
        assert!(!is(Fault::Panics), "the toy panics");
        // Every worker is a thread of its own, and so counts for itself.
        let before = if is(Fault::PanicsAgain) { SEEN.replace(SEEN.get() + 1) } else { 0 };
        assert_eq!(before, 0, "the toy panics");
        if is(Fault::Refuses) {
            let (expected, found) = ("a better toy".to_owned(), "this one".to_owned());
            return Err(EngineError::WrongTensor { expected, found });
        }
        while is(Fault::Hangs) {
            std::thread::park();
        }
        let y = if is(Fault::NanForward) {
            y.mul_scalar(f32::NAN)
        } else if is(Fault::NanGradient) {
            y.clone() + y.mul_scalar(0.0).sqrt()
        } else {
            y
        };
        Ok(Tensors::new().with("x", y))
    }
}

/// Devices `d0`, `d1`, … of the CPU.
pub(crate) fn cpus(count: usize, memory_bytes: u64) -> Vec<Device> {
    let cpu = discover::cpu();
    (0..count).map(|i| Device::open(format!("d{i}"), &cpu, memory_bytes, 1).unwrap()).collect()
}

/// A stage a device, the layers shared out evenly.
pub(crate) fn plan(
    layers: usize,
    ranks: usize,
    schedule: &str,
    micro_batches: usize,
    recompute: Recompute,
) -> Plan {
    let stage = |rank: usize| Stage {
        device: format!("d{rank}"),
        layers: (rank * layers / ranks, (rank + 1) * layers / ranks),
        recompute,
    };
    Plan::new(
        "toy",
        (0..ranks).map(stage).collect(),
        Schedule::named(schedule, ranks, micro_batches).unwrap(),
        micro_batches,
    )
}

pub(crate) fn options() -> Options {
    let optimizer = AdamW { weight_decay: 0.1, ..AdamW::default() }.into();
    Options { seed: SEED, optimizer, clip: Some(1.0), rows: ROWS }
}

/// What the layers cost for micro-batches like a sample, found out by running them.
pub(crate) fn derived(model: &dyn Model, sample: &MicroBatch) -> ModelProfile {
    let settings = DeriveSettings { seed: SEED, optimizer: &options().optimizer, portable: false };
    derive_profile(model, &MeanSquaredError, sample, &settings, &|_, _| {}).unwrap()
}

/// The profile of a toy on devices of which only the budgets are known.
pub(crate) fn profile(model: &Toy, devices: &[Device], micro_batches: usize) -> Profile {
    // A toy of the same layers without the fault costs the same, and is derived once.
    static DERIVED: Mutex<BTreeMap<(Vec<String>, usize), ModelProfile>> =
        Mutex::new(BTreeMap::new());
    let sound = Toy { fault: Fault::Nothing, ..model.clone() };
    let derive = || {
        let rows = [ROWS, model.width];
        let [features, targets] = [0, 1].map(|kind| values(rows, &[kind]));
        let sample = MicroBatch::new(ROWS).with("features", features).with("targets", targets);
        derived(&sound, &sample)
    };
    let key = (model.names.clone(), model.width);
    let costs = DERIVED.lock().unwrap().entry(key).or_insert_with(derive).clone();
    let offers = devices.iter().map(|device| (device.id(), device.capacity_bytes()));
    Profile::of_budgets(costs, offers, micro_batches)
}

/// Distributes a toy, or something that is made of one.
pub(crate) fn try_distribute(
    model: Arc<dyn Model>,
    profile: &Profile,
    plan: &Plan,
    devices: Vec<Device>,
) -> Result<Pipeline, EngineError> {
    Pipeline::distribute(model, Arc::new(MeanSquaredError), profile, plan, devices, options())
}

pub(crate) fn pipeline(model: Toy, plan: &Plan) -> Pipeline {
    let devices = cpus(plan.stages.len(), 1 << 20);
    let profile = profile(&model, &devices, plan.micro_batches);
    try_distribute(Arc::new(model), &profile, plan, devices).unwrap()
}

/// The micro-batches of a step, the same whenever they are asked for.
pub(crate) fn micro_batches(step: u64, count: usize) -> Vec<MicroBatch> {
    let micro_batch = |m: usize| {
        let [features, targets] = [0, 1].map(|kind| values([ROWS, WIDTH], &[step, m as u64, kind]));
        MicroBatch::new(ROWS).with("features", features).with("targets", targets)
    };
    (0..count).map(micro_batch).collect()
}

/// Numbers from −1 to 1, the same for the same seeds.
pub(crate) fn values(shape: [usize; 2], seeds: &[u64]) -> TensorData {
    let seed = mix(seeds);
    let values: Vec<f32> = (0..shape[0] * shape[1]).map(|i| random(&[seed, i as u64])).collect();
    TensorData::new(values, shape)
}

/// Losses of steps, each of which must succeed.
pub(crate) fn losses(pipeline: &mut Pipeline, steps: impl IntoIterator<Item = u64>) -> Vec<f64> {
    let micro = pipeline.plan().micro_batches;
    steps
        .into_iter()
        .map(|step| pipeline.step(step, 0.01, micro_batches(step, micro)).unwrap().loss)
        .collect()
}

/// Names, sizes and hashes of all layers with their optimizer state.
pub(crate) fn fingerprint(pipeline: &mut Pipeline, folder: &Path) -> Vec<LayerRecord> {
    pipeline.save(folder, SaveAs { step: 0, ..SaveAs::default() }).unwrap();
    read_manifest(folder).unwrap().layers
}

/// Runs something that must not hang, and fails the test if it does.
pub(crate) fn in_time<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, result) = mpsc::sync_channel(1);
    let thread = std::thread::Builder::new().spawn(move || done.send(work()).unwrap()).unwrap();
    match result.recv_timeout(Duration::from_mins(1)) {
        Ok(result) => result,
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("it hangs"),
        // The panic of the work itself is the message of the test.
        Err(mpsc::RecvTimeoutError::Disconnected) => match thread.join() {
            Err(panic) => std::panic::resume_unwind(panic),
            Ok(()) => panic!("it gave no result"),
        },
    }
}

fn random(seeds: &[u64]) -> f32 {
    (mix(seeds) >> 40) as f32 / (1_u64 << 23) as f32 - 1.0
}
