//! The command line: what may be said, and which command it leads to.

use std::fmt::Display;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use crate::commands;
use crate::error::RunError;

/// Trains a model too big for any one of your GPUs on all of them.
#[derive(Debug, Parser)]
#[command(name = "trainyard", version, max_term_width = 100, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 done, 1 failed, 2 wrong usage or input, 3 it does not fit, \
                          130 stopped by Ctrl-C (and saved)";

#[derive(Debug, Subcommand)]
enum Command {
    /// See it all at once: two devices, a model that fits on neither, two minutes
    Demo(commands::demo::Demo),
    /// List the devices of this machine
    Devices(Devices),
    /// Find which layers go where, and say what that takes
    Plan(commands::plan::PlanCommand),
    /// Measure what the layers cost on the devices, for plans that hold
    Measure(commands::measure::MeasureCommand),
    /// Say what a step of a plan or schedule would take, without running it
    Simulate(commands::simulate::SimulateCommand),
    /// Train what a run file describes
    Train(commands::train::Train),
    /// Go on with a training that was stopped
    Resume(commands::train::Resume),
    /// Let a trained language model write
    Generate(commands::generate::Generate),
    /// Put what a run took beside what was predicted
    Compare(commands::compare::CompareCommand),
    /// Write what every device did as a trace for Perfetto
    Trace(commands::trace::TraceCommand),
    /// Measure this machine
    Bench(commands::bench::Bench),
}

#[derive(Debug, Args)]
struct Devices {
    /// Print JSON for machines
    #[arg(long)]
    json: bool,
    /// Do not try whether compute works
    #[arg(long)]
    no_probe: bool,
}

/// The settings of a run that can be changed from the command line.
#[derive(Clone, Debug, Args)]
pub struct Sets {
    /// Change a setting of the run file, such as train.steps=100 or device.left.memory="1 GiB"
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub sets: Vec<String>,
}

/// A run file with changes.
#[derive(Clone, Debug, Args)]
pub struct RunFile {
    /// The run file
    #[arg(value_name = "RUN.toml")]
    pub file: PathBuf,
    /// Changes to it
    #[command(flatten)]
    pub sets: Sets,
}

/// Whether a person or a program reads the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// A person at a terminal: bars, colours.
    Terminal,
    /// A log: plain lines.
    Plain,
    /// A program: one JSON object a line.
    Json,
}

impl Output {
    /// What fits, unless JSON was asked for.
    pub fn detect(json: bool) -> Self {
        match (json, std::io::stderr().is_terminal()) {
            (true, _) => Self::Json,
            (false, true) => Self::Terminal,
            (false, false) => Self::Plain,
        }
    }

    /// Whether colours may be used (`NO_COLOR`, <https://no-color.org>).
    pub fn color(self) -> bool {
        self == Self::Terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
    }
}

/// Says something to a person. `eprintln!` would end a training because nobody listens any more
/// (`trainyard train … 2>&1 | head`).
pub(crate) fn say(text: impl Display) {
    let _heard = writeln!(std::io::stderr(), "{text}").is_ok();
}

/// Reads the command line, runs the command and reports its error.
pub fn main() -> ExitCode {
    let filter = EnvFilter::try_from_env("TRAINYARD_LOG").unwrap_or_else(|_| EnvFilter::new("off"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let code = u8::try_from(error.exit_code()).unwrap_or(2);
            // Help that cannot be printed (a closed pipe) is nobody's loss.
            let _printed = error.print().is_ok();
            return ExitCode::from(code);
        }
    };
    let result = match cli.command {
        Command::Demo(demo) => commands::demo::run(&demo),
        Command::Devices(Devices { json, no_probe }) => {
            commands::devices::run(&mut std::io::stdout(), json, !no_probe)
                .map(|()| ExitCode::SUCCESS)
        }
        Command::Plan(plan) => commands::plan::run(&plan).map(|()| ExitCode::SUCCESS),
        Command::Measure(measure) => commands::measure::run(&measure).map(|()| ExitCode::SUCCESS),
        Command::Simulate(it) => commands::simulate::run(&it).map(|()| ExitCode::SUCCESS),
        Command::Compare(compare) => commands::compare::run(&compare).map(|()| ExitCode::SUCCESS),
        Command::Train(train) => commands::train::run(&train),
        Command::Resume(resume) => commands::train::resume(&resume),
        Command::Generate(generate) => {
            commands::generate::run(&generate).map(|()| ExitCode::SUCCESS)
        }
        Command::Trace(trace) => commands::trace::run(&trace).map(|()| ExitCode::SUCCESS),
        Command::Bench(bench) => commands::bench::run(&bench),
    };
    result.unwrap_or_else(report)
}

fn report(error: RunError) -> ExitCode {
    // A reader that has seen enough (`trainyard … | head`) is not an error to talk about.
    if error.is_closed_pipe() {
        return ExitCode::SUCCESS;
    }
    let code = error.exit_code();
    let is_terminal = std::io::stderr().is_terminal();
    let set = miette::set_hook(Box::new(move |_| {
        // The messages say their causes themselves. A line that is broken to fit a terminal cannot
        // be searched or copied in a log.
        let options = miette::MietteHandlerOpts::new().without_cause_chain();
        Box::new(options.wrap_lines(is_terminal).build())
    }));
    debug_assert!(set.is_ok(), "errors are reported once");
    say(format_args!("{:?}", miette::Report::new(error)));
    ExitCode::from(code)
}
