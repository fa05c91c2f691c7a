//! What the layers of nanoGPT's CPU setting cost on two CPU devices, what a link between the two
//! costs, and whether layers add up to the stages of a pipeline that trains.
//!
//!     cargo run --release --no-default-features --workspace --example layer_costs

use std::sync::Arc;

use burn::tensor::TensorData;
use trainyard_engine::measure::{self, LayerCost, MeasureSettings};
use trainyard_engine::memory::CountingAllocator;
use trainyard_engine::{
    AdamW, Device, EngineError, MicroBatch, Model, Options, Pipeline, discover,
};
use trainyard_models::{Gpt, GptOptions};
use trainyard_plan::{ActionKind, Lane, Plan, Recompute, Schedule, Stage, TraceEvent};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

const ROWS: usize = 3;
const MICRO_BATCHES: usize = 4;
const STEPS: u64 = 40;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = GptOptions { vocabulary: Some(65), bias: false, ..GptOptions::default() };
    let context = options.context;
    let token = |i: usize| i32::try_from(i * 7 % 65).unwrap_or(0);
    let tokens: Vec<i32> = (0..ROWS * context).map(token).collect();
    let data = vec![TensorData::new(tokens, [ROWS, context])];
    let sample = MicroBatch { inputs: data.clone(), targets: data, rows: ROWS };
    let model: Arc<dyn Model> = Arc::new(Gpt::new(options, None)?);
    let names: Vec<String> =
        model.profile(ROWS).layers.into_iter().map(|layer| layer.name).collect();

    let settings = MeasureSettings::default();
    let costs = measure::layers(&*model, &open()?, &sample, &settings, &|_, _| {})?;
    println!(
        "µs and bytes                F       I       W    norm  update   param  output   saved    work"
    );
    for device in &costs {
        for (name, cost) in names.iter().zip(&device.layers) {
            println!(
                "{:<8} {:<10} {:>9.0} {:>7.0} {:>7.0} {:>7.0} {:>7.0} {:>7} {:>7} {:>7} {:>7}",
                device.device,
                name,
                cost.forward_us,
                cost.input_grad_us,
                cost.weight_grad_us,
                cost.norm_us,
                cost.optimizer_us - cost.norm_us,
                cost.param_bytes,
                cost.output_bytes,
                cost.saved_bytes.unwrap_or(0),
                cost.work_bytes.unwrap_or(0)
            );
        }
    }
    for (from, to, link) in measure::links(&open()?)? {
        println!("{from} → {to}: {:.1} µs + {:.0} bytes/µs", link.latency_us, link.bytes_per_us);
    }

    for ends in [vec![3, 6], vec![1, 6], vec![5, 6]] {
        println!("stages that end before layers {ends:?}: measured, sum of layers, ratio");
        let events = train(&model, &sample, &ends)?;
        for (stage, &end) in ends.iter().enumerate() {
            let first = stage.checked_sub(1).map_or(0, |before| ends[before]);
            let layers = &costs[stage].layers[first..end];
            let sum = |of: fn(&LayerCost) -> f64| layers.iter().map(of).sum::<f64>();
            for (kind, predicted) in [
                (ActionKind::Forward, sum(|cost| cost.forward_us)),
                (ActionKind::Backward, sum(|cost| cost.input_grad_us + cost.weight_grad_us)),
                (ActionKind::Optimizer, sum(|cost| cost.optimizer_us - cost.norm_us)),
            ] {
                let measured = median_us(&events, stage, kind);
                let ratio = predicted / measured;
                println!(
                    "  stage {stage} {:<4} {measured:>8.0} {predicted:>8.0} {ratio:>6.3}",
                    kind.text()
                );
            }
        }
    }
    Ok(())
}

/// Two devices of one thread each.
fn open() -> Result<Vec<Device>, EngineError> {
    let cpu = discover::cpu();
    ["left", "right"].map(|id| Device::open(id, &cpu, 1 << 30, 1)).into_iter().collect()
}

/// Trains under 1F1B and gives what was measured, without the first steps.
fn train(
    model: &Arc<dyn Model>,
    sample: &MicroBatch,
    ends: &[usize],
) -> Result<Vec<TraceEvent>, Box<dyn std::error::Error>> {
    let stage = |(stage, &end): (usize, &usize)| Stage {
        device: ["left", "right"][stage].to_owned(),
        layers: (stage.checked_sub(1).map_or(0, |before| ends[before]), end),
        recompute: Recompute::None,
    };
    let plan = Plan {
        format: Plan::FORMAT.to_owned(),
        version: Plan::VERSION,
        model: "gpt".to_owned(),
        stages: ends.iter().enumerate().map(stage).collect(),
        schedule: Schedule::named("1f1b", ends.len(), MICRO_BATCHES)?,
        micro_batches: MICRO_BATCHES,
        predicted: None,
    };
    let options = Options { seed: 1, optimizer: AdamW::default(), clip: Some(1.0), rows: ROWS };
    let mut pipeline = Pipeline::distribute(Arc::clone(model), &plan, open()?, options)?;
    let mut events = Vec::new();
    for step in 1..=STEPS {
        let micro_batches = vec![sample.clone(); MICRO_BATCHES];
        let measured = pipeline.step(step, 1e-3, micro_batches)?.measured;
        if step > STEPS / 4 {
            events.extend(measured.events);
        }
    }
    Ok(events)
}

fn median_us(events: &[TraceEvent], stage: usize, kind: ActionKind) -> f64 {
    let of_kind = |event: &&TraceEvent| {
        event.lane == Lane::Compute && event.action.stage == stage && event.action.kind == kind
    };
    let took = |event: &TraceEvent| (event.end_ns - event.start_ns) as f64 / 1e3;
    let mut times: Vec<f64> = events.iter().filter(of_kind).map(took).collect();
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(0.0)
}
