//! `trainyard trace`: the journal as a trace that opens in Perfetto.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use trainyard_plan::{TraceBuilder, chrome};

use super::run_command::RunCommand;
use crate::app::App;
use crate::cli::{Force, whole};
use crate::error::RunError;
use crate::files::write_asked;
use crate::journal::read_journal;
use crate::run_dir::RunDir;

/// Write what every device did as a trace for Perfetto
#[derive(Debug, Args)]
pub struct TraceCommand {
    /// The run directory
    #[arg(value_name = "RUN_DIR")]
    directory: PathBuf,
    /// Where to write the trace; without it the trace goes to standard output
    #[arg(short, long, value_name = "TRACE.json")]
    output: Option<PathBuf>,
    #[command(flatten)]
    force: Force,
    /// The first step to show
    #[arg(long, value_name = "STEP", default_value_t = 1, value_parser = whole::<u64>)]
    from: u64,
    /// The last step to show
    #[arg(long, value_name = "STEP", default_value_t = u64::MAX, hide_default_value = true, value_parser = whole::<u64>)]
    to: u64,
}

impl RunCommand for TraceCommand {
    /// Writes the trace.
    ///
    /// # Errors
    /// When the directory holds no run, its journal cannot be read, or it has no such steps.
    fn run(&self, _: &App) -> Result<ExitCode, RunError> {
        let directory = RunDir::open(&self.directory)?;
        let mut builder = TraceBuilder::default();
        read_journal(directory.path(), |record| builder.push(&record))?;
        let mut trace = builder.into_trace();
        let steps = trace.events.iter().map(|event| event.step);
        let recorded = steps.clone().min().zip(steps.max());
        trace.events.retain(|event| (self.from..=self.to).contains(&event.step));
        let Some(start) = trace.events.iter().map(|event| event.start_ns).min() else {
            return Err(nothing_to_show(self, recorded));
        };
        let end = trace.events.iter().map(|event| event.end_ns).max().unwrap_or(start);
        trace.memory.retain(|sample| (start..=end).contains(&sample.at_ns));
        let json = chrome::to_string(&trace);
        let closed = |e| RunError::io("write to", "the terminal")(e);
        let out = &mut std::io::stdout();
        let Some(path) = &self.output else {
            if out.is_terminal() {
                return Err(RunError::config(
                    "a trace is for Perfetto; name its file with -o trace.json",
                ));
            }
            writeln!(out, "{json}").map_err(closed)?;
            return Ok(ExitCode::SUCCESS);
        };
        write_asked(path, json.as_bytes(), self.force)?;
        writeln!(
            out,
            "{} events of {} devices in {}; open it at https://ui.perfetto.dev",
            trace.events.len(),
            trace.devices.len(),
            path.display()
        )
        .map_err(closed)?;
        Ok(ExitCode::SUCCESS)
    }
}

fn nothing_to_show(command: &TraceCommand, recorded: Option<(u64, u64)>) -> RunError {
    let journal = format!("the journal of {}", command.directory.display());
    RunError::config(match recorded {
        None => format!("{journal} has no actions yet; train at least one step"),
        Some((first, last)) => {
            let TraceCommand { from, to, .. } = command;
            let to = if *to == u64::MAX { "on".to_owned() } else { format!("to {to}") };
            format!(
                "{journal} has nothing of the steps {from} {to}; ask for some of {first} to {last} \
                 with --from and --to"
            )
        }
    })
}
