//! `trainyard train`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use trainyard_config::Document;
use trainyard_plan::memory::{DeviceNeed, human_bytes};
use trainyard_plan::{MemoryUse, Plan, Recompute, Stage, simulate};
use trainyard_pretrained::{Pretrained, find};

use super::going_on::{self, Settled};
use super::run_command::RunCommand;
use super::table::time;
use super::wishes::Wishes;
use crate::app::App;
use crate::cli::{Output, RunFile, program, say};
use crate::config::RunConfig;
use crate::error::RunError;
use crate::generation::PRETRAINED;
use crate::interrupt::INTERRUPTED;
use crate::run_dir::{CheckpointChoice, RunDir};
use crate::setup::TrainingSetup;
use crate::train::{BatchFile, Outcome, go_on_with, train};

/// Train what a run file describes
#[derive(Debug, Args)]
pub struct Train {
    #[command(flatten)]
    run: RunFile,
    /// Run this plan instead of making one
    #[arg(long, value_name = "PLAN.json", conflicts_with_all = ["schedule", "lock", "exclude"])]
    plan: Option<PathBuf>,
    #[command(flatten)]
    wishes: Wishes,
    /// Go on where the run directory's newest checkpoint ends
    #[arg(long)]
    resume: bool,
    #[command(flatten)]
    go_on: GoOn,
    /// Write the batches into this file as they are trained on: a line of JSON a step
    #[arg(long, value_name = "FILE")]
    dump_batches: Option<PathBuf>,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

impl RunCommand for Train {
    /// Trains what a run file describes.
    ///
    /// # Errors
    /// As [`train()`].
    fn run(&self, app: &App) -> Result<ExitCode, RunError> {
        let (mut config, document) = app.config(&self.run.file, &self.run.sets)?;
        if let Some(plan) = &self.plan {
            config.pipeline.plan =
                Some(std::path::absolute(plan).map_err(RunError::io("find", plan))?);
        }
        self.wishes.put_into(&mut config)?;
        let go_on = self.resume || self.go_on.restart;
        if let Some(flag) = self.go_on.given().filter(|_| !go_on) {
            let words = format!("{flag} says how a run goes on: add --resume, or leave it out");
            return Err(RunError::config(words));
        }
        let start = if go_on { Start::GoOn(&self.go_on) } else { Start::Fresh };
        let (output, dump) = (Output::detect(self.json), self.dump_batches.as_deref());
        run(app, (config, document), &self.wishes, start, output, dump)
    }
}

/// How a run is gone on with.
#[expect(clippy::struct_excessive_bools, reason = "each is a flag by itself")]
#[derive(Clone, Copy, Debug, Args)]
pub struct GoOn {
    /// The checkpoint to go on from
    #[arg(long, value_name = "latest|best|STEP", default_value = "latest")]
    pub(super) checkpoint: CheckpointChoice,
    /// Begin anew in the run directory of a run that has no checkpoint
    #[arg(long)]
    pub(super) restart: bool,
    /// Go on with data whose content has changed since; they begin anew
    #[arg(long)]
    pub(super) other_data: bool,
    /// Plan anew instead of running the plan or schedule that the run was given
    #[arg(long)]
    pub(super) replan: bool,
    /// Give the model a token for each character of another text that it does not know
    #[arg(long)]
    pub(super) grow_vocabulary: bool,
}

impl GoOn {
    /// The first flag of these that is given and means nothing to a new run.
    fn given(&self) -> Option<&'static str> {
        let flags = [
            ("--checkpoint", self.checkpoint != CheckpointChoice::default()),
            ("--other-data", self.other_data),
            ("--replan", self.replan),
            ("--grow-vocabulary", self.grow_vocabulary),
        ];
        flags.into_iter().find(|(_, given)| *given).map(|(flag, _)| flag)
    }
}

/// How a training begins.
#[derive(Clone, Copy, Debug)]
pub(super) enum Start<'a> {
    /// In a directory that holds no run.
    Fresh,
    /// In that of a run.
    GoOn(&'a GoOn),
}

/// Trains what a config describes. The wishes are part of it; they are checked under their own names.
///
/// # Errors
/// As [`train()`].
pub(super) fn run(
    app: &App,
    mut run_file: (RunConfig, Document),
    wishes: &Wishes,
    start: Start<'_>,
    output: Output,
    dump_batches: Option<&Path>,
) -> Result<ExitCode, RunError> {
    let path = run_file.0.run.dir.clone();
    if let Some(file) = dump_batches {
        BatchFile::check(file, matches!(start, Start::GoOn(_)))?;
    }
    let (there, Settled { from, notes }) = match start {
        Start::Fresh => {
            RunDir::check_free(&path)?;
            (None, Settled::default())
        }
        Start::GoOn(go_on) => {
            // Locked from here on, and not written to before it is known that the training can begin.
            let directory = RunDir::create(&path, false)?;
            match going_on::settle(app, &directory, go_on, &mut run_file)? {
                Some(settled) => (Some(directory), settled),
                None => return Ok(ExitCode::SUCCESS),
            }
        }
    };
    let setup = app.setup(run_file)?;
    let without = without_dropout(&setup.config)?;
    // Before anything is written: a plan that does not fit leaves no directory behind.
    let costs = setup.costs()?;
    wishes.check(&costs)?;
    let plan = setup.plan(&costs)?;
    let needs = setup.check_fit(&plan, &costs)?;
    let may_not_fit = may_not_fit(&needs, &simulate::most_held(&costs, &plan)?);
    let directory = match there {
        Some(directory) => directory,
        None => RunDir::create(&path, true)?,
    };
    // Once it is known that all goes together.
    notes.iter().chain(&without).for_each(say);
    if output != Output::Json {
        say_plan(&setup, &plan);
        if let Some(noise) = &costs.noise {
            let again = format!("{} measure measures anew where it is quieter", program());
            say(format_args!("when the costs were measured, {noise}; {again}"));
        }
        may_not_fit.iter().for_each(say);
    }
    let dump = dump_batches.map(BatchFile::open).transpose()?;
    let outcome = train(&setup, (&plan, &costs), &directory, from, output, dump)?;
    if let Some(trouble) = &outcome.trouble {
        say(format_args!("not all could be written: {trouble}"));
        return Ok(ExitCode::FAILURE);
    }
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
        let last = end.saturating_sub(1);
        let more = if last > first { format!(" … {}", name(last)) } else { String::new() };
        format!("{} {}{more}{again}", stage.device, name(first))
    };
    let stages: Vec<String> = plan.stages.iter().map(stage).collect();
    let predicted = plan.predicted.as_ref().map_or_else(String::new, |predicted| {
        let source = if predicted.estimated { ", estimated" } else { "" };
        format!("; {} a step predicted{source}", time(predicted.step_us))
    });
    let is_idle = |id: &&str| plan.stages.iter().all(|stage| stage.device != *id);
    let ids = setup.devices.iter().map(|device| device.id.as_str());
    let idle: Vec<&str> = ids.filter(is_idle).collect();
    let idle =
        if idle.is_empty() { String::new() } else { format!("; left idle: {}", idle.join(", ")) };
    let slices = match plan.schedule.slices {
        1 => String::new(),
        slices => format!(" in {slices} slices a row"),
    };
    let (schedule, stages) = (&plan.schedule.name, stages.join(" | "));
    say(format_args!("{schedule}{slices}: {stages}{predicted}{idle}"));
}

/// Devices that stay within their budgets only where times are as predicted.
fn may_not_fit(needs: &[DeviceNeed], most_held: &[MemoryUse]) -> Vec<String> {
    let note = |(need, most): (&DeviceNeed, &MemoryUse)| {
        let over = most.total().checked_sub(need.budget_bytes).filter(|over| *over > 0)?;
        Some(format!(
            "if '{}' is slower than predicted, messages that wait may take it {} over its budget",
            need.device,
            human_bytes(over)
        ))
    };
    needs.iter().zip(most_held).filter_map(note).collect()
}

/// Says of a pretrained decoder whose config asks for dropout that it trains without.
///
/// # Errors
/// [`RunError::Pretrained`] for a model that is not there.
fn without_dropout(config: &RunConfig) -> Result<Option<String>, RunError> {
    let path = config.model.options.get("path").and_then(toml::Value::as_str);
    let Some(path) = path.filter(|_| config.model.kind == PRETRAINED) else { return Ok(None) };
    let asked = Pretrained::open(&find(Path::new(path))?)?.config.dropout;
    let asked: Vec<_> = asked.iter().map(|(key, share)| format!("{key} = {share}")).collect();
    let note =
        format!("note: decoders train without the dropout of their config ({})", asked.join(", "));
    Ok((!asked.is_empty()).then_some(note))
}

/// How a training ended, in a line.
pub(super) fn print_outcome(outcome: &Outcome, directory: &RunDir) {
    let path = directory.path().display();
    if !outcome.finished {
        let go_on = go_on_with(directory.path(), outcome.saved_step);
        say(format_args!("stopped after step {}; {go_on}", outcome.step));
        return;
    }
    if let Some(reason) = &outcome.reason {
        say(reason);
    }
    let loss = outcome.validation_loss;
    let loss = loss.map_or_else(String::new, |loss| format!(", validation loss {loss:.4}"));
    let steps = if outcome.step == 1 { "step" } else { "steps" };
    say(format_args!("finished {} {steps}{loss}; everything is in {path}", outcome.step));
}
