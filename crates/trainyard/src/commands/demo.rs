//! `trainyard demo`: everything at once, on a text that the program makes itself.

use std::io::Write;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use trainyard_engine::discover::{self, ListOptions};
use trainyard_plan::{ComputeProbe, Plan, Profile, Recompute, Schedule, Stage, simulate, text};

use super::run_command::RunCommand;
use super::train::print_outcome;
use super::{compare, devices, measure, plan};
use crate::app::App;
use crate::cli::{Output, at_least_one, program};
use crate::config::DeviceSection;
use crate::error::RunError;
use crate::generation::{Sampling, Text, TextForm, Writer, each};
use crate::interrupt::INTERRUPTED;
use crate::run_dir::RunDir;
use crate::setup::{TrainingSetup, default_devices};
use crate::train::train;

/// See it all at once: two devices, a model that fits on neither, two minutes
#[derive(Debug, Args)]
pub struct Demo {
    /// Steps to train
    #[arg(long, default_value_t = 800, value_parser = at_least_one::<u64>)]
    steps: u64,
    /// Where to leave the run; the first free of runs/demo, runs/demo-2, … unless told otherwise
    #[arg(long, value_name = "DIR")]
    directory: Option<PathBuf>,
}

/// The model is so many times larger than the memory of either device.
const TOO_BIG: f64 = 1.6;

impl RunCommand for Demo {
    /// Shows devices, costs, plan, training, a timeline, prediction beside measurement, and what was
    /// learned.
    ///
    /// # Errors
    /// As [`train()`].
    fn run(&self, app: &App) -> Result<ExitCode, RunError> {
        let directory = self.directory.clone().unwrap_or_else(free_directory);
        let (mut config, document) = app.config_text(RUN_FILE, "demo.toml")?;
        config.train.steps = self.steps;
        config.train.decay_steps = config.train.steps;
        config.train.warmup = config.train.warmup.min(config.train.steps - 1);
        config.run.dir =
            std::path::absolute(&directory).map_err(RunError::io("find", &directory))?;
        RunDir::check_free(&config.run.dir)?;
        config.devices = demo_devices();

        let output = Output::detect(false);
        let out = &mut std::io::stdout();
        let closed = |e| RunError::io("write to", "the terminal")(e);
        heading(out, output, "The devices")?;
        let survey = discover::survey(&ListOptions::default());
        devices::print(out, &survey).map_err(closed)?;

        let mut setup = app.setup((config, document))?;
        heading(out, output, "What the layers cost")?;
        setup.measure(false, &|_, _, _| {})?;
        let costs = squeeze(&mut setup)?;
        measure::print(out, &costs).map_err(closed)?;
        if let Some(noise) = &costs.noise {
            writeln!(out, "\nwhen this was measured, {noise}").map_err(closed)?;
        }
        heading(out, output, "The plan")?;
        let planned = setup.planned(&costs)?;
        plan::print(out, &planned).map_err(closed)?;
        let best = planned.candidates.into_iter().next();
        let plan = best.ok_or_else(|| RunError::config("the planner found no plan"))?.plan;
        writeln!(
            out,
            "\nThe budgets above are made up, so that the model fits on no device alone. Real ones \
             come from the devices."
        )
        .map_err(closed)?;

        heading(out, output, "The training")?;
        let run = RunDir::create(&setup.config.run.dir, true)?;
        let outcome = train(&setup, (&plan, &costs), &run, None, output, None)?;
        if !outcome.finished {
            print_outcome(&outcome, &run);
            return Ok(ExitCode::from(INTERRUPTED));
        }
        heading(out, output, "One step, measured")?;
        write!(out, "{}", text::timeline(&outcome.trace, outcome.step, 72, output.color()))
            .map_err(closed)?;
        heading(out, output, "Predicted and measured")?;
        compare::print(out, &compare::of_run(&run, &run.profile())?).map_err(closed)?;

        heading(out, output, "What it writes now")?;
        let mut pipeline = setup.start(&plan, &costs)?;
        if let Some((_, checkpoint)) = run.latest()? {
            pipeline.load(&checkpoint)?;
        }
        let form = TextForm::Vocabulary(setup.data()?.info().vocabulary.clone());
        let text = Text::new(form.encode("")?, 400, setup.config.train.seed, 0);
        let context = setup.job.context.unwrap_or(1);
        let writer = Writer { context, sampling: Sampling::at(0.7), at_once: 1 };
        let mut decoder = form.decoder(&[]);
        let mut listener = each(|token| {
            let text = decoder.push(token);
            write!(out, "{text}").and_then(|()| out.flush()).map_err(closed)?;
            Ok(ControlFlow::Continue(()))
        });
        writer.write(&mut pipeline.sequences(), &mut [text], &mut listener)?;

        writeln!(out).map_err(closed)?;
        heading(out, output, "Where to look next")?;
        let (program, path) = (program_name(), directory.display());
        writeln!(
            out,
            "Let it write more:\n  {program} generate {path} --prompt \"TRAIN \"\n\
         See every action of every device (open the file at https://ui.perfetto.dev):\n  \
         {program} trace {path} -o trace.json\n\
         Train longer; the file shows every setting:\n  \
         {program} train {path}/run.toml --set run.dir=runs/mine --set train.steps=2000\n\
         Train on a text of yours:\n  \
         {program} train {path}/run.toml --set run.dir=runs/text --set data.text=FILE.txt"
        )
        .map_err(closed)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// What a person would type to run this program again.
fn program_name() -> String {
    let by_cargo = std::env::current_exe().is_ok_and(|path| path.ends_with("release/trainyard"));
    if by_cargo { "cargo run --release --".to_owned() } else { program() }
}

/// nanoGPT's CPU setting on the text the program makes itself.
pub(super) const RUN_FILE: &str = r#"
[model]
kind = "gpt"
layers = 4
heads = 4
width = 128
context = 64

[data]
builtin = "yard"

[train]
batch = 12
micro_batches = 4
learning_rate = 2e-3
warmup = 40
validate_every = 200
validate_batches = 10
validate_whole_at_end = false
"#;

/// Every GPU on which compute works, and the CPU beside a single one; two halves of the CPU where
/// there is none.
fn demo_devices() -> Vec<DeviceSection> {
    let mut devices = default_devices();
    if devices.iter().all(|device| device.adapter == "cpu") {
        return devices;
    }
    let working = discover::list(&ListOptions { probe: true, ..ListOptions::default() });
    devices.retain(|device| {
        working
            .iter()
            .any(|info| info.adapter == device.adapter && info.compute == ComputeProbe::Works)
    });
    let cpu = |id: &str| DeviceSection { id: id.to_owned(), ..DeviceSection::default() };
    match devices.len() {
        0 => vec![cpu("left"), cpu("right")],
        1 => {
            devices.push(cpu("cpu"));
            devices
        }
        _ => devices,
    }
}

/// Gives every device too little memory for the whole model; the costs with these budgets.
fn squeeze(setup: &mut TrainingSetup) -> Result<Profile, RunError> {
    let costs = setup.costs()?;
    let schedule = Schedule::named("1f1b", 1, costs.micro_batches)?;
    for device in &mut setup.devices {
        let layers = (0, costs.model.layers.len());
        let alone = Stage { device: device.id.clone(), layers, recompute: Recompute::None };
        let micro_batches = costs.micro_batches;
        let plan = Plan::new(&costs.model.name, vec![alone], schedule.clone(), micro_batches);
        let needs = simulate::needs(&costs, &plan)?;
        let need: u64 = needs.iter().map(|need| need.needed_bytes).sum();
        device.budget_bytes = (need as f64 / TOO_BIG) as u64;
    }
    setup.costs()
}

fn heading(out: &mut impl Write, output: Output, text: &str) -> Result<(), RunError> {
    let (bold, normal) = if output.color() { ("\u{1b}[1m", "\u{1b}[0m") } else { ("", "") };
    let rule = "─".repeat(72_usize.saturating_sub(text.chars().count() + 1));
    writeln!(out, "\n{bold}{text}{normal} {rule}").map_err(RunError::io("write to", "the terminal"))
}

/// The first run directory of this name that nobody has used.
fn free_directory() -> PathBuf {
    let name = |number: u32| match number {
        1 => PathBuf::from("runs/demo"),
        _ => PathBuf::from(format!("runs/demo-{number}")),
    };
    (1..10_000).map(name).find(|path| !path.exists()).unwrap_or_else(|| name(1))
}
