//! The smallest use of the engine: two linear parts, 10 → 10 → 10, on two devices.
//!
//! Prints every message of a training step as it was measured (forward A → B, backward B → A,
//! update), what a device says to a part that is too big for it, and that a part which is released
//! makes room for another. The model learns to turn its input round.
//!
//!     cargo run --release -p trainyard-engine --example two_parts

use std::sync::Arc;

use burn::module::{Module, Param};
use burn::tensor::{Device as BurnDevice, Tensor, TensorData};
use trainyard_engine::{
    AdamW, DeriveSettings, Device, EngineError, ErasedLayer, ForwardContext, Layer, LayerSpec,
    MeanSquaredError, MicroBatch, Model, Options, Part, Pipeline, Tensors, derive_profile,
    discover, erase, mix, weight,
};
use trainyard_plan::memory::{MemoryUse, human_bytes};
use trainyard_plan::{ActionKind, Plan, Profile, Recompute, Schedule, Stage, TraceEvent};

const SEED: u64 = 1;
const WIDTH: usize = 10;
const ROWS: usize = 32;
const BUDGET: u64 = 64 << 10;

/// One part: `y = x · W + b`.
#[derive(Module, Debug)]
struct Linear {
    weight: Param<Tensor<2>>,
    bias: Param<Tensor<1>>,
}

impl Layer for Linear {
    fn forward(&self, mut input: Tensors, _: &ForwardContext) -> Result<Tensors, EngineError> {
        let x: Tensor<2> = input.take("x")?;
        let y = x.matmul(self.weight.val()) + self.bias.val().unsqueeze();
        Ok(Tensors::new().with("x", y))
    }
}

/// Two of them. Each takes `x` and gives `x`; the first takes the batch's.
struct TwoParts;

impl Model for TwoParts {
    fn name(&self) -> &'static str {
        "two parts"
    }

    fn layers(&self) -> Vec<LayerSpec> {
        vec![LayerSpec::new("A", "linear"), LayerSpec::new("B", "linear")]
    }

    fn build(
        &self,
        layer: usize,
        seed: u64,
        device: &BurnDevice,
    ) -> Result<ErasedLayer, EngineError> {
        let number = |i: usize| random(&[seed, layer as u64, i as u64]) * 0.5;
        let values = (0..WIDTH * WIDTH).map(number).collect();
        Ok(erase(Linear {
            weight: weight(values, [WIDTH, WIDTH], device),
            bias: weight(vec![0.0; WIDTH], [WIDTH], device),
        }))
    }
}

fn main() -> Result<(), EngineError> {
    let cpu = discover::cpu();
    let devices = vec![Device::open("A", &cpu, BUDGET, 1)?, Device::open("B", &cpu, BUDGET, 1)?];
    let stage = |device: &str, layers| Stage {
        device: device.to_owned(),
        layers,
        recompute: Recompute::None,
    };
    let plan = Plan::new(
        "two parts",
        vec![stage("A", (0, 1)), stage("B", (1, 2))],
        Schedule::named("gpipe", 2, 1)?,
        1,
    );
    // What the parts need is found out by running them once.
    let optimizer = AdamW::default().into();
    let settings = DeriveSettings { seed: SEED, optimizer: &optimizer, portable: false };
    let costs = derive_profile(&TwoParts, &MeanSquaredError, &batch(1), &settings, &|_, _| {})?;
    let profile = Profile::of_budgets(costs, [("A", BUDGET), ("B", BUDGET)], 1);
    let options = Options { seed: SEED, optimizer, clip: None, rows: ROWS };
    let (model, objective) = (Arc::new(TwoParts), Arc::new(MeanSquaredError));
    let mut pipeline = Pipeline::distribute(model, objective, &profile, &plan, devices, options)?;
    for need in pipeline.needs() {
        let (needed, budget) = (human_bytes(need.needed_bytes), human_bytes(need.budget_bytes));
        println!("trainer → {0}     allocate part {0}: {needed} of {budget}", need.device);
    }

    println!("\nstep 1, as measured:");
    let first = pipeline.step(1, 0.01, vec![batch(1)])?;
    let mut events = first.measured.events;
    events.sort_by_key(|event| (event.end_ns, event.start_ns));
    events.iter().filter_map(message).for_each(|message| println!("{message}"));

    println!("\nstep  loss\n{:>4}  {:.5}", 1, first.loss);
    for step in 2..=150 {
        let result = pipeline.step(step, 0.01, vec![batch(step)])?;
        if step % 25 == 0 {
            println!("{step:>4}  {:.5}", result.loss);
        }
    }

    let mut small = Device::open("small", &cpu, 4 << 10, 1)?;
    let part = |name: &str, weights| {
        let memory = MemoryUse { weights, ..MemoryUse::default() };
        Part { name: name.to_owned(), memory }
    };
    small.allocate(part("part A", 3 << 10))?;
    println!("\nA device of {}:", human_bytes(small.capacity_bytes()));
    if let Err(refusal) = small.allocate(part("part B", 3 << 10)) {
        println!("  a part that is too big is refused: {refusal}");
    }
    if small.release("part A") {
        small.allocate(part("part B", 3 << 10))?;
        let left = human_bytes(small.available_bytes());
        println!("  with part A released, part B fits, and {left} are left");
    }
    Ok(())
}

/// What a measured event says, in the words of a sequence diagram. What one device sends the
/// other receives, so receptions are left out.
fn message(event: &TraceEvent) -> Option<String> {
    let (own, other) = if event.device == 0 { ("A", "B") } else { ("B", "A") };
    let what = match event.action.kind {
        ActionKind::Forward => format!("{own}           forward"),
        ActionKind::SendForward => format!("{own} → {other}       output, {} bytes", event.bytes),
        ActionKind::Backward => format!("{own}           backward"),
        ActionKind::SendBackward => {
            format!("{own} → {other}       gradient, {} bytes", event.bytes)
        }
        ActionKind::Optimizer => format!("{own}           update"),
        _ => return None,
    };
    Some(format!("{what:<34} {:>6} µs to {:>6} µs", event.start_ns / 1000, event.end_ns / 1000))
}

/// Random rows, and the same rows turned round.
fn batch(step: u64) -> MicroBatch {
    let row = |row: usize| (0..WIDTH).map(move |i| random(&[step, row as u64, i as u64]));
    let input: Vec<f32> = (0..ROWS).flat_map(row).collect();
    let target: Vec<f32> = input.chunks(WIDTH).flat_map(|row| row.iter().rev().copied()).collect();
    let data = |values| TensorData::new(values, [ROWS, WIDTH]);
    MicroBatch::new(ROWS).with("x", data(input)).with("targets", data(target))
}

/// From −1 to 1, the same for the same seeds.
fn random(seeds: &[u64]) -> f32 {
    (mix(seeds) >> 40) as f32 / (1_u64 << 23) as f32 - 1.0
}
