//! `trainyard bench kernels`: what kernels of ours bring beside Burn's, each by itself and in a training.

use std::io::Write;
use std::sync::Arc;
use std::time::Instant;

use burn::tensor::TensorData;
use clap::Args;
use serde::Serialize;
use trainyard_engine::kernels::{Kernel, KernelSet};
use trainyard_engine::{
    AdamW, DeriveSettings, Device, EngineError, GroupedOptimizer, MicroBatch, Options, Pipeline,
    derive_profile,
};
use trainyard_models::{Gpt, GptOptions, gpt};
use trainyard_plan::compare::median;
use trainyard_plan::{DeviceInfo, Plan, Profile, Recompute, Schedule, Stage};

use super::devices::{hardware, open};
use super::progress;
use crate::cli::at_least_one;
use crate::commands::table::{Align, table};
use crate::error::RunError;

/// `trainyard bench kernels`
#[derive(Debug, Args)]
pub(super) struct KernelsBench {
    /// The devices, by adapter
    #[arg(long, value_name = "ADAPTER,…", value_delimiter = ',', required = true)]
    devices: Vec<String>,
    /// Rounds; in each, a step is made with Burn's kernels and one with ours
    #[arg(long, default_value_t = 7, value_parser = at_least_one::<usize>)]
    rounds: usize,
    /// Print JSON for machines
    #[arg(long)]
    json: bool,
}

/// The training: a small GPT.
const LAYERS: usize = 4;
const WIDTH: usize = 64;
const CONTEXT: usize = 64;
const VOCABULARY: usize = 65;
const MICRO_BATCHES: usize = 8;
const ROWS: usize = 4;

/// What was measured.
#[derive(Serialize)]
struct Figures {
    format: &'static str,
    version: u64,
    devices: Vec<DeviceFigures>,
}

/// Of one device.
#[derive(Serialize)]
struct DeviceFigures {
    device: String,
    kernels: Vec<KernelFigures>,
    /// A step of the GPT on this device alone, with Burn's kernels.
    burn_ms: f64,
    /// The same with those of ours that win.
    ours_ms: f64,
    /// One beside the other, the median over the rounds.
    speed_up: f64,
}

/// A kernel beside what Burn has.
#[derive(Serialize)]
struct KernelFigures {
    kernel: &'static str,
    /// How many times as fast, forward and backward; none where it fails or gives other numbers.
    speed_up: Option<f64>,
    used: bool,
}

/// Measures and prints.
///
/// # Errors
/// When there is no such device, or one fails.
pub(super) fn run(bench: &KernelsBench) -> Result<(), RunError> {
    let hardware = hardware(&bench.devices)?;
    let rounds = bench.rounds;
    let progress = progress(hardware.len() * (rounds + 1));
    let mut devices = Vec::with_capacity(hardware.len());
    for info in &hardware {
        progress.set_message(info.name.clone());
        devices.push(of_device(info, rounds, &|| progress.inc(1))?);
    }
    progress.finish_and_clear();
    let figures = Figures { format: "trainyard-bench-kernels", version: 1, devices };
    print(&figures, bench.json).map_err(RunError::io("write to", "the terminal"))
}

fn of_device(info: &DeviceInfo, rounds: usize, done: &dyn Fn()) -> Result<DeviceFigures, RunError> {
    let device = open_one(info)?;
    let used = device.kernels();
    let of_kernel = |(kernel, speed_up): (Kernel, Option<f64>)| KernelFigures {
        kernel: kernel.name(),
        speed_up,
        used: used.has(kernel),
    };
    let kernels = device.kernel_speed_ups()?.into_iter().map(of_kernel).collect();
    let mut burns = Training::new(info, KernelSet::default())?;
    let mut ours = Training::new(info, used)?;
    let mut times = Vec::with_capacity(rounds);
    // The first round warms up.
    for _ in 0..=rounds {
        times.push((burns.step_ms()?, ours.step_ms()?));
        done();
    }
    let of = |part: fn(&(f64, f64)) -> f64| median(times.iter().skip(1).map(part).collect());
    Ok(DeviceFigures {
        device: info.adapter.clone(),
        kernels,
        burn_ms: of(|(burn, _)| *burn),
        ours_ms: of(|(_, ours)| *ours),
        speed_up: of(|(burn, ours)| burn / ours),
    })
}

fn open_one(info: &DeviceInfo) -> Result<Device, EngineError> {
    let gone = || EngineError::CannotOpen {
        device: info.adapter.clone(),
        reason: "it is not there any more".to_owned(),
    };
    open(std::slice::from_ref(info))?.pop().ok_or_else(gone)
}

/// A GPT on one device.
struct Training {
    pipeline: Pipeline,
    steps: u64,
}

impl Training {
    fn new(info: &DeviceInfo, kernels: KernelSet) -> Result<Self, RunError> {
        let device = open_one(info)?;
        device.use_kernels(kernels);
        let options = GptOptions {
            layers: LAYERS,
            heads: 4,
            width: WIDTH,
            context: CONTEXT,
            vocabulary: Some(VOCABULARY),
            ..GptOptions::default()
        };
        let (model, objective) = (Gpt::new(options, None)?, gpt::objective());
        let optimizer = GroupedOptimizer::from(AdamW::default());
        let settings = DeriveSettings { seed: 1, optimizer: &optimizer, portable: true };
        let costs = derive_profile(&model, &objective, &micro_batch(0), &settings, &|_, _| {})?;
        let stage = Stage {
            device: device.id().to_owned(),
            layers: (0, costs.layers.len()),
            recompute: Recompute::None,
        };
        let schedule = Schedule::named("1f1b", 1, MICRO_BATCHES)?;
        let plan = Plan::new("gpt", vec![stage], schedule, MICRO_BATCHES);
        let offer = (device.id(), device.capacity_bytes());
        let profile = Profile::of_budgets(costs, [offer], MICRO_BATCHES);
        let options = Options { seed: 1, optimizer, clip: Some(1.0), rows: ROWS };
        let (model, objective) = (Arc::new(model), Arc::new(objective));
        let devices = vec![device];
        let pipeline = Pipeline::distribute(model, objective, &profile, &plan, devices, options)?;
        Ok(Self { pipeline, steps: 0 })
    }

    fn step_ms(&mut self) -> Result<f64, EngineError> {
        self.steps += 1;
        let batch = (0..MICRO_BATCHES).map(micro_batch).collect();
        let began = Instant::now();
        self.pipeline.step(self.steps, 1e-3, batch)?;
        self.pipeline.settle()?;
        Ok(began.elapsed().as_secs_f64() * 1e3)
    }
}

fn micro_batch(number: usize) -> MicroBatch {
    let tokens = |shift: usize| {
        let token = |at: usize| {
            i32::try_from((number * 31 + at * 7 + shift) % VOCABULARY).unwrap_or_default()
        };
        TensorData::new((0..ROWS * CONTEXT).map(token).collect::<Vec<_>>(), [ROWS, CONTEXT])
    };
    MicroBatch::new(ROWS).with("tokens", tokens(0)).with("targets", tokens(7))
}

fn print(figures: &Figures, json: bool) -> std::io::Result<()> {
    let out = &mut std::io::stdout();
    if json {
        serde_json::to_writer_pretty(&mut *out, figures)?;
        return writeln!(out);
    }
    for DeviceFigures { device, kernels, burn_ms, ours_ms, speed_up } in &figures.devices {
        writeln!(out, "{device}")?;
        let mut rows = vec![["kernel", "beside Burn's", ""].map(str::to_owned).to_vec()];
        for KernelFigures { kernel, speed_up, used } in kernels {
            let times = match speed_up {
                Some(times) => format!("{times:.2}×"),
                None => "not right here".to_owned(),
            };
            let used = if *used { "used" } else { "not used" };
            rows.push([*kernel, &times, used].map(str::to_owned).to_vec());
        }
        table(out, &rows, &[Align::Left, Align::Right, Align::Left])?;
        writeln!(
            out,
            "a step of a GPT of {LAYERS} layers: {burn_ms:.0} ms with Burn's kernels, {ours_ms:.0} ms \
             with these, {speed_up:.2}× as fast\n"
        )?;
    }
    Ok(())
}
