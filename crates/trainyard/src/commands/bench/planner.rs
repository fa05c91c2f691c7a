//! `trainyard bench planner`: the planner's split against an even one and one by memory, each
//! predicted and measured on the run's own devices.

use std::io::Write;
use std::time::Instant;

use clap::Args;
use serde::Serialize;
use trainyard_engine::Pipeline;
use trainyard_plan::compare::median;
use trainyard_plan::memory::human_bytes;
use trainyard_plan::{DeviceProfile, Plan, Profile, Recompute, Schedule, Stage};

use super::split::split;
use crate::app::App;
use crate::cli::{RunFile, at_least_one};
use crate::commands::table::{Align, table, time};
use crate::error::RunError;
use crate::setup::TrainingSetup;

/// `trainyard bench planner RUN.toml`
#[derive(Debug, Args)]
pub(super) struct PlannerBench {
    #[command(flatten)]
    run: RunFile,
    /// Rounds; in each, every split takes a few steps, and ratios are taken within the round
    #[arg(long, default_value_t = 9, value_parser = at_least_one::<usize>)]
    rounds: usize,
    /// Measure costs anew
    #[arg(long)]
    refresh: bool,
    /// Print JSON for machines
    #[arg(long)]
    json: bool,
}

/// What became of one split.
#[derive(Debug, Serialize)]
struct Figures {
    split: &'static str,
    schedule: String,
    /// Predicted and measured time of a step, µs.
    predicted_us: f64,
    measured_us: f64,
    /// Step time ÷ that of the planner's split, the median of the rounds.
    ratio: f64,
    /// By rank: predicted and measured peak, bytes; measured 0 where nobody counts.
    peaks: Vec<(String, u64, u64)>,
}

/// Steps a split takes in one round.
const STEPS: usize = 3;

struct Contender {
    split: &'static str,
    plan: Plan,
    pipeline: Pipeline,
    step: u64,
    times: Vec<f64>,
    peaks: Vec<u64>,
}

/// Measures and prints.
///
/// # Errors
/// When the run file is wrong or a device fails. A split that does not fit is left out.
pub(super) fn run(bench: &PlannerBench, app: &App) -> Result<(), RunError> {
    let setup = app.load(&bench.run)?;
    let costs = setup.measure(bench.refresh, &|_, _, _| {})?;
    let by_memory: Vec<f64> = costs.devices.iter().map(|d| d.budget_bytes() as f64).collect();
    let even = vec![1.0; costs.devices.len()];
    let plans = [
        ("planned", Some(setup.plan(&costs)?)),
        ("even", shares(&costs, &even)?),
        ("by memory", shares(&costs, &by_memory)?),
    ];
    let mut contenders = Vec::new();
    for (split, plan) in plans {
        let Some(plan) = plan else { continue };
        let pipeline = setup.start(&plan, &costs)?;
        let (times, peaks) = (Vec::new(), Vec::new());
        contenders.push(Contender { split, plan, pipeline, step: 0, times, peaks });
    }
    let mut ratios = vec![Vec::new(); contenders.len()];
    // The first round warms up: caches, pools, moments.
    for round in 0..=bench.rounds {
        let mut in_round = Vec::new();
        for contender in &mut contenders {
            in_round.push(contender.round(&setup, round > 0)?);
        }
        if round > 0 {
            for (ratios, us) in ratios.iter_mut().zip(&in_round) {
                ratios.push(us / in_round[0]);
            }
        }
    }
    let figures = contenders.into_iter().zip(ratios).map(|(contender, ratios)| {
        let predicted = contender.plan.predicted.as_ref();
        let peak = |(device, measured): (&trainyard_plan::PredictedDevice, &u64)| {
            (device.id.clone(), device.peak_bytes.total(), *measured)
        };
        let devices = predicted.map(|predicted| predicted.devices.as_slice()).unwrap_or_default();
        Figures {
            split: contender.split,
            schedule: contender.plan.schedule.name.clone(),
            predicted_us: predicted.map_or(0.0, |predicted| predicted.step_us),
            measured_us: median(contender.times),
            ratio: median(ratios),
            peaks: devices.iter().zip(&contender.peaks).map(peak).collect(),
        }
    });
    let figures: Vec<Figures> = figures.collect();
    print(&figures, bench).map_err(RunError::io("write to", "the terminal"))
}

impl Contender {
    /// The median time of a few steps, µs.
    fn round(&mut self, setup: &TrainingSetup, counts: bool) -> Result<f64, RunError> {
        let mut times = Vec::with_capacity(STEPS);
        for _ in 0..STEPS {
            self.step += 1;
            let rows = setup.config.train.batch;
            let cursor = setup.first_cursor().advanced(rows * (self.step as usize - 1));
            let data = setup.micro_batches(cursor, self.pipeline.plan().schedule.slices)?;
            let start = Instant::now();
            let result = self.pipeline.step(self.step, 1e-4, data)?;
            times.push(start.elapsed().as_nanos() as f64 / 1e3);
            let usage = result.measured.usage.iter();
            self.peaks = usage.map(|usage| usage.map_or(0, |(_, peak)| peak)).collect();
        }
        if counts {
            self.times.extend(&times);
        }
        Ok(median(times))
    }
}

/// A stage a device in the order of the run file, each with its share of the layers, under 1F1B;
/// none if it does not fit.
fn shares(costs: &Profile, weights: &[f64]) -> Result<Option<Plan>, RunError> {
    let Some(ranges) = split(costs.model.layers.len(), weights) else { return Ok(None) };
    let stage = |(device, layers): (&DeviceProfile, (usize, usize))| Stage {
        device: device.id.clone(),
        layers,
        recompute: Recompute::None,
    };
    let stages: Vec<Stage> = costs.devices.iter().zip(ranges).map(stage).collect();
    let schedule = Schedule::named("1f1b", stages.len(), costs.micro_batches)?;
    let plan = Plan::new(&costs.model.name, stages, schedule, costs.micro_batches);
    let fits = trainyard_plan::simulate::check_memory(costs, &plan).is_ok();
    Ok(if fits { Some(plan.predicted(costs)?) } else { None })
}

fn print(figures: &[Figures], bench: &PlannerBench) -> std::io::Result<()> {
    let out = &mut std::io::stdout();
    if bench.json {
        serde_json::to_writer_pretty(&mut *out, figures)?;
        return writeln!(out);
    }
    let error =
        |predicted: f64, measured: f64| format!("{:+.1} %", 100.0 * (predicted / measured - 1.0));
    let header = ["split", "schedule", "", "predicted", "measured", "error", "÷ planned"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    for of_split in figures {
        let Figures { split, schedule, predicted_us, measured_us, ratio, peaks } = of_split;
        rows.push(vec![
            (*split).to_owned(),
            schedule.clone(),
            "step".to_owned(),
            time(*predicted_us),
            time(*measured_us),
            error(*predicted_us, *measured_us),
            format!("{ratio:.3}"),
        ]);
        for (device, predicted, measured) in peaks.iter().filter(|(_, _, measured)| *measured > 0) {
            let cells = [human_bytes(*predicted), human_bytes(*measured)];
            let mut row = vec![String::new(), String::new(), format!("peak of {device}")];
            row.extend(cells);
            row.push(error(*predicted as f64, *measured as f64));
            rows.push(row);
        }
    }
    table(out, &rows, &[Align::Left, Align::Left, Align::Left])?;
    writeln!(out, "\nmedians of {} rounds of {STEPS} steps, ratios within a round", bench.rounds)
}
