//! `trainyard trace`: the journal as a trace that opens in Perfetto.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use trainyard_plan::{Trace, chrome};

use crate::error::RunError;
use crate::journal::read_journal;
use crate::run_dir::{RunDir, write_atomic};

/// `trainyard trace RUN_DIR -o trace.json`
#[derive(Debug, Args)]
pub struct TraceCommand {
    /// The run directory
    #[arg(value_name = "RUN_DIR")]
    directory: PathBuf,
    /// Where to write the trace; trace.json in the run directory unless told otherwise
    #[arg(short, long, value_name = "TRACE.json")]
    output: Option<PathBuf>,
    /// The first step to show
    #[arg(long, value_name = "STEP", default_value_t = 1)]
    from: u64,
    /// The last step to show
    #[arg(long, value_name = "STEP", default_value_t = u64::MAX, hide_default_value = true)]
    to: u64,
}

/// Writes the trace.
///
/// # Errors
/// When the directory holds no run, its journal cannot be read, or it has no such steps.
pub fn run(command: &TraceCommand) -> Result<(), RunError> {
    let directory = RunDir::open(&command.directory)?;
    let records = read_journal(&directory.journal())?;
    let mut trace = Trace::from_journal(records.iter());
    let steps = trace.events.iter().map(|event| event.step);
    let recorded = steps.clone().min().zip(steps.max());
    trace.events.retain(|event| (command.from..=command.to).contains(&event.step));
    let Some(start) = trace.events.iter().map(|event| event.start_ns).min() else {
        return Err(nothing_to_show(command, recorded));
    };
    let end = trace.events.iter().map(|event| event.end_ns).max().unwrap_or(start);
    trace.memory.retain(|sample| (start..=end).contains(&sample.at_ns));
    let path = command.output.clone().unwrap_or_else(|| directory.trace());
    write_atomic(&path, chrome::to_string(&trace).as_bytes())?;
    let written = writeln!(
        std::io::stdout(),
        "{} events of {} devices in {}; open it at https://ui.perfetto.dev",
        trace.events.len(),
        trace.devices.len(),
        path.display()
    );
    written.map_err(RunError::io("write to", "the terminal"))
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
