//! The command line: what may be said, and which command it leads to.

use std::fmt::Display;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, FromArgMatches, Parser};
use tracing_subscriber::EnvFilter;

use crate::app::App;
use crate::commands::{Command, RunCommand};
use crate::error::RunError;

/// The name of this program, unless it is another's library.
const OWN_NAME: &str = "trainyard";

/// Trains a model too big for any one of your GPUs on all of them.
#[derive(Debug, Parser)]
#[command(max_term_width = 100, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 done, 1 failed, 2 wrong usage or input, 3 it does not fit, \
                          130 stopped by Ctrl-C (and saved)";

/// Leave to replace files.
#[derive(Clone, Copy, Debug, Args)]
pub struct Force {
    /// Replace a file that is there, also one that this program did not write as it stands
    #[arg(long)]
    pub force: bool,
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

/// The name of the program that runs, as a person would type it: `trainyard`, or that of a program
/// with recipes of its own.
pub(crate) fn program() -> String {
    let path = std::env::args_os().next().map(PathBuf::from);
    let name = path.as_ref().and_then(|path| path.file_stem()).map(|name| name.to_string_lossy());
    name.filter(|name| !name.is_empty()).map_or_else(|| OWN_NAME.to_owned(), Into::into)
}

/// The command line under the name of the program that runs.
fn command_line(program: &str) -> clap::Command {
    let version = env!("CARGO_PKG_VERSION");
    let version = match program {
        OWN_NAME => version.to_owned(),
        _ => format!("({OWN_NAME} {version})"),
    };
    let command = Cli::command().display_name(program.to_owned()).bin_name(program.to_owned());
    command.version(version)
}

/// Reads the command line, runs the command and reports its error.
pub(crate) fn main(app: &App) -> ExitCode {
    let filter = EnvFilter::try_from_env("TRAINYARD_LOG").unwrap_or_else(|_| EnvFilter::new("off"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let matches = command_line(&program()).try_get_matches();
    let cli = match matches.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(error) => {
            let code = u8::try_from(error.exit_code()).unwrap_or(2);
            // Help that cannot be printed (a closed pipe) is nobody's loss.
            let _printed = error.print().is_ok();
            return ExitCode::from(code);
        }
    };
    cli.command.run(app).unwrap_or_else(report)
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
