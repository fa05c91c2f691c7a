//! The smallest use of the engine: two linear parts, 10 → 10 → 10, on two devices.
//!
//! Prints every message of a training step as it was measured (forward A → B, backward B → A,
//! update), and what a device says to a part that is too big for it. The model learns to turn its
//! input round.
//!
//!     cargo run --release -p trainyard-engine --example two_parts

use std::sync::Arc;

use burn::module::{Module, Param};
use burn::tensor::{Device as BurnDevice, Tensor, TensorData};
use trainyard_engine::{
    Activation, AdamW, Device, EngineError, ForwardContext, Layer, MicroBatch, Model, Options,
    Part, Pipeline, PlacedLayer, discover, mix, place, weight,
};
use trainyard_plan::memory::{MemoryUse, human_bytes};
use trainyard_plan::{
    ActionKind, LayerProfile, ModelProfile, Plan, Recompute, Schedule, Stage, TraceEvent,
};

const WIDTH: usize = 10;
const ROWS: usize = 32;

/// One part: `y = x · W + b`.
#[derive(Module, Debug)]
struct Linear {
    weight: Param<Tensor<2>>,
    bias: Param<Tensor<1>>,
}

impl Layer for Linear {
    fn forward(
        &self,
        input: Activation,
        _pass: &ForwardContext,
    ) -> Result<Activation, EngineError> {
        let x: Tensor<2> = input.single()?;
        Ok((x.matmul(self.weight.val()) + self.bias.val().unsqueeze()).into())
    }
}

/// Two of them, trained on the mean squared error.
struct TwoParts;

impl Model for TwoParts {
    fn profile(&self, rows: usize) -> ModelProfile {
        let activation = (4 * rows * WIDTH) as u64;
        let part = |name: &str| LayerProfile {
            name: name.to_owned(),
            kind: "linear".to_owned(),
            param_bytes: (4 * (WIDTH + 1) * WIDTH) as u64,
            input_bytes: activation,
            output_bytes: activation,
            saved_bytes: 2 * activation,
            workspace_bytes: 2 * activation,
            forward_flops: (2 * rows * WIDTH * WIDTH) as u64,
            ..LayerProfile::default()
        };
        ModelProfile {
            name: "two parts".to_owned(),
            optimizer_bytes_per_param_byte: 2,
            fresh_bytes_per_param_byte: 1,
            layers: vec![part("A"), part("B")],
        }
    }

    fn build(
        &self,
        layer: usize,
        seed: u64,
        device: &BurnDevice,
    ) -> Result<PlacedLayer, EngineError> {
        let number = |i: usize| random(&[seed, layer as u64, i as u64]) * 0.5;
        let values = (0..WIDTH * WIDTH).map(number).collect();
        Ok(place(Linear {
            weight: weight(values, [WIDTH, WIDTH], device),
            bias: weight(vec![0.0; WIDTH], [WIDTH], device),
        }))
    }

    fn loss(&self, output: Activation, targets: Activation) -> Result<Tensor<1>, EngineError> {
        let error = output.single::<Tensor<2>>()? - targets.single::<Tensor<2>>()?;
        Ok((error.clone() * error).mean())
    }
}

fn main() -> Result<(), EngineError> {
    let cpu = discover::cpu();
    let devices =
        vec![Device::open("A", &cpu, 32 << 10, 1)?, Device::open("B", &cpu, 32 << 10, 1)?];
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
    let options = Options { seed: 1, optimizer: AdamW::default(), clip: None, rows: ROWS };
    let mut pipeline = Pipeline::distribute(Arc::new(TwoParts), &plan, devices, options)?;
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

    let mut small = Device::open("small", &cpu, 1 << 10, 1)?;
    let memory = MemoryUse { weights: 4 << 10, ..MemoryUse::default() };
    if let Err(refusal) = small.allocate(Part { name: "part B".to_owned(), memory }) {
        println!("\nA part that is too big is refused: {refusal}");
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
    let data = |values| vec![TensorData::new(values, [ROWS, WIDTH])];
    MicroBatch { inputs: data(input), targets: data(target), rows: ROWS }
}

/// From −1 to 1, the same for the same seeds.
fn random(seeds: &[u64]) -> f32 {
    (mix(seeds) >> 40) as f32 / (1_u64 << 23) as f32 - 1.0
}
