//! The estimate of a device's memory against what was counted on CPU devices.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails at once and says why"
)]

mod common;

use std::sync::Arc;

use burn::tensor::TensorData;
use trainyard_engine::memory::CountingAllocator;
use trainyard_engine::{AdamW, MicroBatch, Model, Options, Pipeline};
use trainyard_models::{Gpt, GptOptions, Mlp, MlpOptions};
use trainyard_plan::{Plan, Recompute, Schedule, Stage};

use common::cpus;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// A model of some size, with the micro-batches of its steps.
struct Case {
    name: String,
    model: Arc<dyn Model>,
    micro_batch: MicroBatch,
}

fn gpt(width: usize, context: usize, layers: usize, vocabulary: usize, rows: usize) -> Case {
    let options = GptOptions {
        layers,
        heads: 4,
        width,
        context,
        vocabulary: Some(vocabulary),
        ..GptOptions::default()
    };
    let token = |i: usize| i32::try_from(i * 7 % vocabulary).unwrap();
    let tokens: Vec<i32> = (0..rows * context).map(token).collect();
    let data = vec![TensorData::new(tokens, [rows, context])];
    Case {
        name: format!("gpt w{width} c{context} l{layers} v{vocabulary} × {rows}"),
        model: Arc::new(Gpt::new(options, None).unwrap()),
        micro_batch: MicroBatch { inputs: data.clone(), targets: data, rows },
    }
}

fn mlp(hidden: usize, layers: usize, rows: usize) -> Case {
    let options = MlpOptions { inputs: hidden, hidden, outputs: hidden, layers };
    let data = vec![TensorData::new(vec![0.5_f32; rows * hidden], [rows, hidden])];
    Case {
        name: format!("mlp h{hidden} l{layers} × {rows}"),
        model: Arc::new(Mlp::new(options).unwrap()),
        micro_batch: MicroBatch { inputs: data.clone(), targets: data, rows },
    }
}

/// Estimate ÷ the most that was counted, for every device.
fn ratios(case: &Case, ranks: usize, micro_batches: usize, recompute: Recompute) -> Vec<f64> {
    let rows = case.micro_batch.rows;
    let layers = case.model.profile(rows).layers.len();
    let stage = |rank: usize| Stage {
        device: format!("d{rank}"),
        layers: (rank * layers / ranks, (rank + 1) * layers / ranks),
        recompute,
    };
    let plan = Plan::new(
        "test",
        (0..ranks).map(stage).collect(),
        Schedule::named("1f1b", ranks, micro_batches).unwrap(),
        micro_batches,
    );
    let options = Options { seed: 1, optimizer: AdamW::default(), clip: Some(1.0), rows };
    let mut pipeline =
        Pipeline::distribute(Arc::clone(&case.model), &plan, cpus(ranks), options).unwrap();
    let mut usage = Vec::new();
    for step in 1..=3 {
        let batch = vec![case.micro_batch.clone(); micro_batches];
        usage = pipeline.step(step, 1e-3, batch).unwrap().measured.usage;
    }
    let needs = pipeline.needs().iter();
    let ratio = |(need, usage): (&trainyard_plan::memory::DeviceNeed, Option<(u64, u64)>)| {
        let (now, peak) = usage.unwrap();
        assert!(0 < now && now <= peak, "{}: {now} of {peak}", case.name);
        let ratio = need.needed_bytes as f64 / peak as f64;
        eprintln!(
            "{:<28} {ranks} ranks {micro_batches} micro {recompute:?} {}: estimate {} measured {peak}, {ratio:.2}",
            case.name, need.device, need.needed_bytes
        );
        ratio
    };
    needs.zip(usage).map(ratio).collect()
}

#[test]
fn the_estimate_is_near_what_is_counted() {
    let cases = [
        // nanoGPT's CPU setting, and its micro-batches.
        gpt(128, 64, 4, 65, 12),
        gpt(128, 64, 4, 65, 3),
        // Mostly weights, mostly attention, mostly logits.
        gpt(384, 32, 3, 65, 2),
        gpt(64, 256, 2, 65, 2),
        gpt(64, 64, 2, 5_000, 2),
        mlp(512, 4, 16),
        mlp(128, 4, 512),
    ];
    let mut outside = Vec::new();
    for case in &cases {
        for (ranks, micro_batches) in [(1, 1), (1, 4), (2, 4)] {
            for recompute in [Recompute::None, Recompute::Full] {
                let ratios = ratios(case, ranks, micro_batches, recompute);
                // Never too low. It is high where attention or logits weigh most, because it also
                // has to hold on devices without the fused operations of the CPU.
                if ratios.iter().any(|ratio| !(1.0..=2.6).contains(ratio)) {
                    let place = format!("{} {ranks} × {micro_batches} {recompute:?}", case.name);
                    outside.push(format!("{place}: {ratios:.2?}"));
                }
            }
        }
    }
    assert!(outside.is_empty(), "estimate ÷ measured:\n{}", outside.join("\n"));
}
