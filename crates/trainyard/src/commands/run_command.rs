//! What a command is.

use std::process::ExitCode;

use crate::app::App;
use crate::error::RunError;

/// A command: its arguments are the fields of the type, and what help says of it is its doc comment.
pub trait RunCommand {
    /// Runs it with the recipes that the program has.
    ///
    /// # Errors
    /// Whatever keeps it from being done, for the command line to report.
    fn run(&self, app: &App) -> Result<ExitCode, RunError>;
}
