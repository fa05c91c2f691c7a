//! `trainyard bench noise`: whether a prediction that is made on a busy machine holds on it.
//!
//! For each case and repetition: busy threads are started, the costs of the demo's GPT are measured
//! anew, a plan is made with its prediction, and the plan is trained; the prediction is held
//! against the median step. The threads are busy all the while.

mod busy_threads;

use std::io::Write;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use serde::Serialize;
use trainyard_plan::compare::{WARM_UP_STEPS, median};

use super::steps::train_until;
use crate::app::App;
use crate::cli::say;
use crate::commands::demo::RUN_FILE;
use crate::commands::table::{Align, percent, table, time};
use crate::config::DeviceSection;
use crate::error::RunError;
use crate::setup::TrainingSetup;
use busy_threads::BusyThreads;

/// `trainyard bench noise`
#[derive(Debug, Args)]
pub(super) struct NoiseBench {
    /// One repetition of 10 s instead of five of 60 s
    #[arg(long)]
    quick: bool,
    /// Print JSON for machines
    #[arg(long)]
    json: bool,
}

/// What the other threads do, and how far a prediction may be off beside them.
struct Case {
    name: &'static str,
    /// How long they compute of every second.
    on: Duration,
    /// The largest error of a prediction, as a fraction of the median step.
    limit: f64,
}

const CASES: [Case; 2] = [
    Case { name: "0.3 s of every second", on: Duration::from_millis(300), limit: 0.15 },
    Case { name: "all the time", on: Duration::from_secs(1), limit: 0.25 },
];

/// One repetition.
#[derive(Debug, Serialize)]
struct Figures {
    /// What the other threads did.
    busy: &'static str,
    repetition: u32,
    /// The step as predicted before the training, and the median of the training's, µs.
    predicted_us: f64,
    measured_us: f64,
    /// (predicted − measured) ÷ measured.
    error: f64,
    /// The most it may be.
    limit: f64,
    /// The share of a core that the control kernel got while costs were measured.
    share: f64,
    /// Steps of which `measured_us` is the median.
    steps: usize,
    passed: bool,
}

/// Measures and prints; a success when every prediction is within its case's limit.
///
/// # Errors
/// When a device fails.
pub(super) fn run(bench: &NoiseBench, app: &App) -> Result<ExitCode, RunError> {
    let (repetitions, length) =
        if bench.quick { (1, Duration::from_secs(10)) } else { (5, Duration::from_mins(1)) };
    let (mut config, document) = app.config_text(RUN_FILE, "bench-noise.toml")?;
    config.devices = ["left", "right"].map(one_thread).to_vec();
    let setup = app.setup((config, document))?;
    let mut figures = Vec::new();
    for case in &CASES {
        for repetition in 1..=repetitions {
            say(format_args!("busy {}, {repetition} of {repetitions} …", case.name));
            figures.push(repeat(&setup, case, repetition, length)?);
        }
    }
    print(&figures, bench, length).map_err(RunError::io("write to", "the terminal"))?;
    let passed = figures.iter().all(|figures| figures.passed);
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A CPU device of one thread.
fn one_thread(id: &str) -> DeviceSection {
    DeviceSection { id: id.to_owned(), threads: Some(1), ..DeviceSection::default() }
}

fn repeat(
    setup: &TrainingSetup,
    case: &Case,
    repetition: u32,
    length: Duration,
) -> Result<Figures, RunError> {
    // Each repetition meets the load at another moment.
    let phase = Duration::from_millis(200) * repetition;
    let _busy = BusyThreads::start(case.on, phase)?;
    let costs = setup.measure_anew(&|_, _, _| {})?;
    let plan = setup.plan(&costs)?;
    let predicted_us = plan.predicted.as_ref().map_or(0.0, |predicted| predicted.step_us);
    let pipeline = setup.start(&plan, &costs)?;
    let began = Instant::now();
    let steps = train_until(setup, pipeline, |_| began.elapsed() >= length)?.times_us;
    let steps = &steps[WARM_UP_STEPS.min(steps.len() / 2)..];
    let measured_us = median(steps.to_vec());
    let error = predicted_us / measured_us - 1.0;
    Ok(Figures {
        busy: case.name,
        repetition,
        predicted_us,
        measured_us,
        error,
        limit: case.limit,
        share: costs.noise.map_or(1.0, |noise| noise.share),
        steps: steps.len(),
        passed: error.abs() <= case.limit,
    })
}

fn print(figures: &[Figures], bench: &NoiseBench, length: Duration) -> std::io::Result<()> {
    let out = &mut std::io::stdout();
    if bench.json {
        serde_json::to_writer_pretty(&mut *out, figures)?;
        return writeln!(out);
    }
    let header = ["busy", "", "predicted", "median step", "error", "limit", "share", ""];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    for of_one in figures {
        rows.push(vec![
            of_one.busy.to_owned(),
            of_one.repetition.to_string(),
            time(of_one.predicted_us),
            time(of_one.measured_us),
            format!("{:+.1} %", 100.0 * of_one.error),
            format!("±{:.0} %", 100.0 * of_one.limit),
            percent(of_one.share),
            if of_one.passed { "ok" } else { "FAILED" }.to_owned(),
        ]);
    }
    table(out, &rows, &[Align::Left])?;
    let passed = figures.iter().filter(|figures| figures.passed).count();
    let (all, seconds) = (figures.len(), length.as_secs());
    let verdict = if passed == all { "passed" } else { "FAILED" };
    writeln!(
        out,
        "\none busy thread a core; predicted before {seconds} s of training; share: of a core, got by the \
         control kernel while measuring\n{passed} of {all} within their limits: {verdict}"
    )
}
