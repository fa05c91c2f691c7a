//! `trainyard bench predictions`: whether a plan takes the time and the memory that were predicted
//! before it was ever run.
//!
//! A model's costs are measured once, as `trainyard measure` does, which ends in a calibration run of a
//! plan that is none of the grid. Then each plan is predicted, run for some steps, and put beside.

mod figures;
mod grid;

use std::io::Write;
use std::time::Duration;

use clap::Args;
use trainyard_engine::measure::control_times;
use trainyard_plan::compare::{Prediction, median};
use trainyard_plan::{Api, DeviceInfo, Noise, Profile};

use super::devices::hardware;
use super::progress;
use super::steps::train_until;
use crate::app::App;
use crate::cli::say;
use crate::config::DeviceSection;
use crate::error::RunError;
use crate::setup::TrainingSetup;
use figures::{Figures, Peak, PlanFigures};
use grid::{CALIBRATED_MICRO_BATCHES, Case, Model, Size};

/// `trainyard bench predictions`
#[derive(Debug, Args)]
pub(super) struct PredictionsBench {
    /// The devices that every plan is split over, by adapter, in the order of its ranks
    #[arg(long, value_name = "ADAPTER,…", value_delimiter = ',', default_value = "cpu,cpu")]
    devices: Vec<String>,
    /// How many plans of the grid, spread over it; it has 40
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u8).range(1..=Case::MOST as i64))]
    plans: u8,
    /// Steps of each plan, after two that warm up
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..))]
    steps: u16,
    /// Print JSON for machines
    #[arg(long)]
    json: bool,
}

/// How far a predicted step may be off: where all devices are CPUs, and elsewhere.
const STEP_GOALS: [f64; 2] = [0.05, 0.10];
/// How far a predicted peak may be above the measured one.
const PEAK_GOAL: f64 = 0.03;
/// Steps that warm everything up and do not count.
const WARM_UP: usize = 2;
/// How long the control kernel runs before a plan's steps and after them.
const CONTROL: Duration = Duration::from_millis(150);

/// Measures and prints.
///
/// # Errors
/// When there is no such device, one fails, or a model does not fit.
pub(super) fn run(bench: &PredictionsBench, app: &App) -> Result<(), RunError> {
    let hardware = hardware(&bench.devices)?;
    let cases = Case::some(bench.plans.into());
    let progress = progress(cases.len());
    let mut plans = Vec::with_capacity(cases.len());
    for model in Model::ALL {
        let of_model: Vec<&Case> = cases.iter().filter(|case| case.model == model).collect();
        if of_model.is_empty() {
            continue;
        }
        progress.set_message(format!("costs of {}", model.name()));
        say(format_args!("measuring what the layers of {} cost …", model.name()));
        let costs =
            setup(app, model, &hardware, CALIBRATED_MICRO_BATCHES)?.measure_anew(&|_, _, _| {})?;
        for case in of_model {
            let Case { schedule, micro_batches, .. } = case;
            progress.set_message(format!("{} under {schedule}", model.name()));
            let setup = setup(app, model, &hardware, *micro_batches)?;
            let costs = Profile { micro_batches: *micro_batches, ..costs.clone() };
            let figures = plan(&setup, *case, &costs, bench.steps.into())?;
            say(format_args!(
                "{}, {schedule}, {}, {micro_batches} micro-batches: step {:+.1} %",
                model.name(),
                case.split(),
                100.0 * figures.step_error,
            ));
            plans.push(figures);
            progress.inc(1);
        }
    }
    progress.finish_and_clear();
    let on_cpus = hardware.iter().all(|device| device.api == Api::Cpu);
    let goals = (STEP_GOALS[usize::from(!on_cpus)], PEAK_GOAL);
    let devices = hardware.into_iter().map(|device| device.adapter).collect();
    let figures = Figures::new(devices, goals, plans);
    let out = &mut std::io::stdout();
    let printed = if bench.json {
        let json = serde_json::to_string_pretty(&figures);
        writeln!(out, "{}", json.map_err(|error| RunError::config(error.to_string()))?)
    } else {
        figures.print(out)
    };
    printed.map_err(RunError::io("write to", "the terminal"))
}

/// A model on the devices, of one thread each where they are CPUs.
fn setup(
    app: &App,
    model: Model,
    hardware: &[DeviceInfo],
    micro_batches: usize,
) -> Result<TrainingSetup, RunError> {
    let text = model.run_file(Size::for_devices(hardware), micro_batches);
    let (mut config, document) = app.config_text(&text, "bench-predictions.toml")?;
    let section = |(rank, hardware): (usize, &DeviceInfo)| DeviceSection {
        id: format!("device{rank}"),
        adapter: hardware.adapter.clone(),
        threads: (hardware.api == Api::Cpu).then_some(1),
        ..DeviceSection::default()
    };
    config.devices = hardware.iter().enumerate().map(section).collect();
    app.setup((config, document))
}

/// A plan predicted, and then run.
fn plan(
    setup: &TrainingSetup,
    case: Case,
    costs: &Profile,
    steps: usize,
) -> Result<PlanFigures, RunError> {
    let plan = case.plan(costs)?;
    let prediction = Prediction::of(costs, &plan)?;
    let predicted_us = prediction.simulation.step_us;
    let threads = setup.devices.iter().map(|device| device.threads).sum();
    let mut control_us = control_times(threads, CONTROL)?;
    let pipeline = setup.start(&plan, costs)?;
    let timed = train_until(setup, pipeline, |times_us| times_us.len() >= WARM_UP + steps)?;
    control_us.extend(control_times(threads, CONTROL)?);
    let measured_us = median(timed.times_us.into_iter().skip(WARM_UP).collect());
    let devices = prediction.simulation.devices.iter().zip(&prediction.most_held);
    let counted = devices.zip(timed.peak_bytes).filter_map(|((device, held), measured)| {
        let (predicted_bytes, measured_bytes) = (held.total(), measured?);
        let error = predicted_bytes as f64 / measured_bytes as f64 - 1.0;
        Some(Peak { device: device.id.clone(), predicted_bytes, measured_bytes, error })
    });
    Ok(PlanFigures {
        model: case.model.name(),
        schedule: case.schedule,
        split: case.split(),
        micro_batches: case.micro_batches,
        predicted_us,
        measured_us,
        step_error: predicted_us / measured_us - 1.0,
        peaks: counted.collect(),
        steps,
        share: Noise::of(&control_us).share,
        noise: costs.noise,
    })
}
