//! The command line: what may be said, which command it leads to, and how its error is reported.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{CommandFactory, FromArgMatches, Parser};
use tracing_subscriber::EnvFilter;
use trainyard_models::Recipe;

use crate::app::App;
use crate::cli::{OWN_NAME, program, say};
use crate::commands::{Command, RunCommand};
use crate::error::RunError;
use crate::tokenizing;

/// Trains a model too big for any one of your GPUs on all of them.
#[derive(Debug, Parser)]
#[command(max_term_width = 100, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 done, 1 failed, 2 wrong usage or input, 3 it does not fit, \
                          130 stopped by Ctrl-C (a training saves first)";

/// Runs the command line with the recipes that come with Trainyard.
pub fn main() -> ExitCode {
    run(&App::new(trainyard_models::recipes()))
}

/// Runs the command line with a recipe of one's own beside those that come with Trainyard: the whole
/// of a program's `main`.
///
/// ```no_run
/// use burn::nn::{Linear, LinearConfig};
/// use burn::tensor::Tensor;
/// use trainyard::prelude::*;
///
/// keys! {
///     /// One linear layer.
///     pub struct Options in "model" {
///         /// Numbers of a row.
///         width: usize = 4, in 1..=100;
///     }
/// }
///
/// fn layers(options: &Options) -> Layers {
///     let width = options.width;
///     let init = move |device: &_| LinearConfig::new(width, width).init(device);
///     let forward = |linear: &Linear, x: Tensor<2>| linear.forward(x);
///     Layers::new("line", "features").layer("linear", init, forward)
/// }
///
/// fn main() -> std::process::ExitCode {
///     main_with(OwnRecipe::new("line", layers).objective(MeanSquaredError))
/// }
/// ```
pub fn main_with(recipe: impl Recipe + 'static) -> ExitCode {
    let mut recipes: Vec<Arc<dyn Recipe>> = vec![Arc::new(recipe)];
    recipes.extend(trainyard_models::recipes());
    run(&App::new(recipes))
}

fn run(app: &App) -> ExitCode {
    // A child that tries out drivers answers on its standard output and does nothing else.
    if let Some(code) = trainyard_engine::discover::probe::answer_if_asked() {
        return code;
    }
    trainyard_engine::silence_worker_panics();
    answer(app)
}

/// The command line under the name of the program that runs.
fn command_line(program: &str) -> clap::Command {
    let version = env!("CARGO_PKG_VERSION");
    let version = match program {
        OWN_NAME => version,
        // For as long as the program runs, as clap wants it.
        _ => &*Box::leak(format!("({OWN_NAME} {version})").into_boxed_str()),
    };
    let command = Cli::command().display_name(program.to_owned()).bin_name(program.to_owned());
    command.version(version)
}

/// Reads the command line, runs the command and reports its error.
fn answer(app: &App) -> ExitCode {
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
    tokenizing::show();
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
