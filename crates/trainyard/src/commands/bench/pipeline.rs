//! `trainyard bench pipeline`: the engine against a plain Burn loop, and two devices against one.

use std::io::Write;
use std::sync::Arc;
use std::time::Instant;

use clap::Args;
use serde::Serialize;
use trainyard_engine::{
    AdamW, DeriveSettings, Device, EngineError, GroupedOptimizer, MeanSquaredError, Options,
    Pipeline, derive_profile, discover,
};
use trainyard_plan::compare::median;
use trainyard_plan::{Plan, Profile, Recompute, Schedule, Stage};

use super::blocks::{BLOCKS, Blocks, MICRO_BATCHES, PlainLoop, ROWS, micro_batches};
use crate::error::RunError;

/// `trainyard bench pipeline`
#[derive(Debug, Args)]
pub(super) struct PipelineBench {
    /// Print JSON for machines
    #[arg(long)]
    json: bool,
    /// Rounds; in each, every contender takes a few steps, and ratios are taken within the round
    #[arg(long, default_value_t = 9)]
    rounds: usize,
}

/// What was measured, medians over the rounds.
#[derive(Debug, Serialize)]
struct Figures {
    format: &'static str,
    version: u64,
    plain_burn_ms: f64,
    one_device_ms: f64,
    two_devices_ms: f64,
    /// One stage on one device ÷ plain Burn loop; the goal is at most 1.03.
    overhead: f64,
    /// One device ÷ two devices.
    speed_up: f64,
    /// p·m ÷ (m + p − 1).
    bound: f64,
    /// Speed-up ÷ bound; the goal is at least 0.9.
    share_of_bound: f64,
}

/// Steps a contender takes in one round.
const STEPS: usize = 3;

/// Measures and prints.
///
/// # Errors
/// When a device fails.
pub(super) fn run(bench: &PipelineBench) -> Result<(), RunError> {
    let mut one = pipeline(1)?;
    let mut two = pipeline(2)?;
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build()
        .map_err(|error| EngineError::Driver { message: error.to_string() })?;
    let mut plain = pool.install(PlainLoop::new);
    let (mut times, mut overheads, mut speed_ups) = ([vec![], vec![], vec![]], vec![], vec![]);
    // The first round warms up: caches, pools, moments.
    for round in 0..=bench.rounds.max(1) {
        let plain_ms = median_ms(|_| pool.install(|| plain.step(micro_batches())).map(drop))?;
        let step = round * STEPS;
        let one_ms =
            median_ms(|i| one.step((step + i + 1) as u64, 1e-3, micro_batches()).map(drop))?;
        let two_ms =
            median_ms(|i| two.step((step + i + 1) as u64, 1e-3, micro_batches()).map(drop))?;
        if round > 0 {
            for (times, ms) in times.iter_mut().zip([plain_ms, one_ms, two_ms]) {
                times.push(ms);
            }
            overheads.push(one_ms / plain_ms);
            speed_ups.push(one_ms / two_ms);
        }
    }
    let [plain_burn_ms, one_device_ms, two_devices_ms] = times.map(median);
    let (ranks, count) = (2.0, MICRO_BATCHES as f64);
    let bound = ranks * count / (count + ranks - 1.0);
    let speed_up = median(speed_ups);
    let result = Figures {
        format: "trainyard-bench-pipeline",
        version: 1,
        plain_burn_ms,
        one_device_ms,
        two_devices_ms,
        overhead: median(overheads),
        speed_up,
        bound,
        share_of_bound: speed_up / bound,
    };
    print(&result, bench).map_err(RunError::io("write to", "the terminal"))
}

fn print(result: &Figures, bench: &PipelineBench) -> std::io::Result<()> {
    let out = &mut std::io::stdout();
    if bench.json {
        serde_json::to_writer_pretty(&mut *out, result)?;
        return writeln!(out);
    }
    writeln!(
        out,
        "{BLOCKS} residual blocks 256→1024→256, {MICRO_BATCHES} micro-batches of {ROWS} rows, CPU \
         devices of one thread;\nmedians of {} rounds, ratios within a round\n\n\
         plain Burn loop            {:8.1} ms a step\n\
         one stage on one device    {:8.1} ms   {:+.1} % (goal: at most +3 %)\n\
         two stages on two devices  {:8.1} ms   {:.2}× one device; the bound p·m/(m+p−1) is {:.2}×, \
         reached {:.0} % of it (goal: 90 %)",
        bench.rounds.max(1),
        result.plain_burn_ms,
        result.one_device_ms,
        100.0 * (result.overhead - 1.0),
        result.two_devices_ms,
        result.speed_up,
        result.bound,
        100.0 * result.share_of_bound,
    )
}

fn pipeline(ranks: usize) -> Result<Pipeline, RunError> {
    let ids: Vec<String> = (0..ranks).map(|rank| format!("cpu{rank}")).collect();
    let share = BLOCKS / ranks;
    let stages = ids.iter().enumerate().map(|(rank, id)| Stage {
        device: id.clone(),
        layers: (rank * share, (rank + 1) * share),
        recompute: Recompute::None,
    });
    let plan = Plan::new(
        "blocks",
        stages.collect(),
        Schedule::named("1f1b", ranks, MICRO_BATCHES)?,
        MICRO_BATCHES,
    );
    let cpu = discover::cpu();
    let devices = ids.iter().map(|id| Device::open(id, &cpu, 4 << 30, 1));
    let devices = devices.collect::<Result<Vec<_>, _>>()?;
    let optimizer = GroupedOptimizer::from(AdamW::default());
    let sample = micro_batches().swap_remove(0);
    let settings = DeriveSettings { seed: 1, optimizer: &optimizer, portable: false };
    let model = derive_profile(&Blocks, &MeanSquaredError, &sample, &settings, &|_, _| {})?;
    let offers = devices.iter().map(|device| (device.id(), device.capacity_bytes()));
    let profile = Profile::of_budgets(model, offers, MICRO_BATCHES);
    let options = Options { seed: 1, optimizer, clip: Some(1.0), rows: ROWS };
    let (model, objective) = (Arc::new(Blocks), Arc::new(MeanSquaredError));
    Ok(Pipeline::distribute(model, objective, &profile, &plan, devices, options)?)
}

fn median_ms(mut step: impl FnMut(usize) -> Result<(), EngineError>) -> Result<f64, RunError> {
    let mut times = Vec::with_capacity(STEPS);
    for index in 0..STEPS {
        let start = Instant::now();
        step(index)?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    Ok(median(times))
}
