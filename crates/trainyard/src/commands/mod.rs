//! The commands: a file each, and a line in the list below.

pub mod bench;
pub mod columns;
pub mod compare;
pub mod demo;
mod device_links;
pub mod devices;
pub mod evaluate;
pub mod export;
pub mod fit;
pub mod generate;
mod going_on;
pub mod inspect;
pub mod keys;
pub mod measure;
pub mod plan;
pub mod preview;
mod preview_encoder;
pub mod resume;
mod run_command;
pub mod simulate;
mod table;
pub mod trace;
pub mod train;
mod wishes;

use std::process::ExitCode;

use crate::app::App;
use crate::error::RunError;
pub use run_command::RunCommand;

/// Lists the commands, each as its name and its type.
macro_rules! commands {
    ($($Name:ident($module:ident::$Type:ident)),* $(,)?) => {
        /// Every command.
        #[derive(Debug, clap::Subcommand)]
        pub(crate) enum Command {
            $($Name($module::$Type),)*
        }

        impl RunCommand for Command {
            fn run(&self, app: &App) -> Result<ExitCode, RunError> {
                match self {
                    $(Self::$Name(command) => command.run(app),)*
                }
            }
        }
    };
}

commands! {
    Demo(demo::Demo),
    Devices(devices::Devices),
    Inspect(inspect::Inspect),
    Fit(fit::FitCommand),
    Keys(keys::KeysCommand),
    Plan(plan::PlanCommand),
    Measure(measure::MeasureCommand),
    Simulate(simulate::SimulateCommand),
    Columns(columns::ColumnsCommand),
    Preview(preview::PreviewCommand),
    Train(train::Train),
    Resume(resume::Resume),
    Evaluate(evaluate::EvaluateCommand),
    Generate(generate::Generate),
    Export(export::Export),
    Compare(compare::CompareCommand),
    Trace(trace::TraceCommand),
    Bench(bench::Bench),
}
