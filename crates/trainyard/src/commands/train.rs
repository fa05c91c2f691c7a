//! `trainyard train` and `trainyard resume`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use trainyard_plan::{Plan, Recompute, Stage};

use super::table::time;
use crate::cli::{Output, RunFile, Sets, say};
use crate::config::RunConfig;
use crate::error::RunError;
use crate::interrupt::INTERRUPTED;
use crate::run_dir::RunDir;
use crate::setup::TrainingSetup;
use crate::train::{Outcome, train};

/// `trainyard train RUN.toml`
#[derive(Debug, Args)]
pub struct Train {
    #[command(flatten)]
    run: RunFile,
    /// Run this plan instead of making one
    #[arg(long, value_name = "PLAN.json")]
    plan: Option<PathBuf>,
    /// Go on where the run directory's newest checkpoint ends
    #[arg(long)]
    resume: bool,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

/// `trainyard resume RUN_DIR`
#[derive(Debug, Args)]
pub struct Resume {
    /// The run directory
    #[arg(value_name = "RUN_DIR")]
    directory: PathBuf,
    #[command(flatten)]
    sets: Sets,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

/// Trains what a run file describes.
///
/// # Errors
/// As [`train()`].
pub fn run(command: &Train) -> Result<ExitCode, RunError> {
    let mut config = app.config(&command.run.file, &command.run.sets)?;
    if let Some(plan) = &command.plan {
        config.pipeline.plan = Some(std::path::absolute(plan).map_err(RunError::io("find", plan))?);
    }
    start(config, command.resume, Output::detect(command.json))
}

/// Goes on with a training.
///
/// # Errors
/// As [`train()`]; when the directory holds no run.
pub fn resume(command: &Resume) -> Result<ExitCode, RunError> {
    let directory = RunDir::open(&command.directory)?;
    let mut config = app.config(&directory.run_file(), &command.sets)?;
    // The directory may have been moved since, and its plan with it.
    let was = config.run.dir.join("plan.json");
    config.run.dir = std::path::absolute(&command.directory)
        .map_err(RunError::io("find", &command.directory))?;
    if config.pipeline.plan == Some(was) {
        config.pipeline.plan = Some(config.run.dir.join("plan.json"));
    }
    start(config, true, Output::detect(command.json))
}

fn start(config: RunConfig, resume: bool, output: Output) -> Result<ExitCode, RunError> {
    let setup = app.setup(config)?;
    // Before anything is written: a plan that does not fit leaves no directory behind.
    let costs = setup.costs()?;
    let plan = setup.plan(&costs)?;
    setup.check_fit(&plan, &costs)?;
    let directory = RunDir::create(&setup.config.run.dir, !resume)?;
    if output != Output::Json {
        say_plan(&setup, &plan);
        if let Some(noise) = &costs.noise {
            say(format_args!("when the costs were measured, {noise}"));
        }
    }
    let outcome = train(&setup, (&plan, &costs), &directory, resume, output)?;
    if output != Output::Json {
        print_outcome(&outcome, &directory);
    }
    Ok(if outcome.finished { ExitCode::SUCCESS } else { ExitCode::from(INTERRUPTED) })
}

/// What is about to run, in a line.
fn say_plan(setup: &TrainingSetup, plan: &Plan) {
    let name = |layer: usize| setup.profile.layers.get(layer).map_or("", |layer| &layer.name);
    let stage = |stage: &Stage| {
        let (first, end) = stage.layers;
        let again = if stage.recompute == Recompute::Full { ", recomputed" } else { "" };
        format!("{} {} … {}{again}", stage.device, name(first), name(end.saturating_sub(1)))
    };
    let stages: Vec<String> = plan.stages.iter().map(stage).collect();
    let predicted = plan.predicted.as_ref().map_or_else(String::new, |predicted| {
        let source = if predicted.estimated { ", estimated" } else { "" };
        format!("; {} a step predicted{source}", time(predicted.step_us))
    });
    let (schedule, stages) = (&plan.schedule.name, stages.join(" | "));
    say(format_args!("{schedule}: {stages}{predicted}"));
}

fn print_outcome(outcome: &Outcome, directory: &RunDir) {
    let path = directory.path().display();
    if !outcome.finished {
        say(format_args!(
            "stopped after step {}; go on with: trainyard resume {path}",
            outcome.step
        ));
        return;
    }
    let loss = outcome.validation_loss;
    let loss = loss.map_or_else(String::new, |loss| format!(", validation loss {loss:.4}"));
    say(format_args!("finished {} steps{loss}; everything is in {path}", outcome.step));
}
