//! `trainyard keys`: what run files may say.

use std::io::Write;
use std::process::ExitCode;

use clap::Args;
use terminal_size::{Width, terminal_size};
use trainyard_config::{listing, schema};

use super::run_command::RunCommand;
use crate::app::App;
use crate::error::RunError;

/// Characters of the longest lines.
const WIDEST: usize = 100;

/// List what run files may say: every key with its type, default, range and meaning
#[derive(Debug, Args)]
pub struct KeysCommand {
    /// Only this section
    #[arg(value_name = "SECTION")]
    section: Option<String>,
    /// Print JSON for machines
    #[arg(long)]
    json: bool,
    /// Print a JSON Schema, with which editors complete and check run files
    #[arg(long, conflicts_with_all = ["json", "section"])]
    schema: bool,
}

impl RunCommand for KeysCommand {
    /// Prints the keys that this program's run files have.
    ///
    /// # Errors
    /// When there is no such section, or the terminal cannot be written to.
    fn run(&self, app: &App) -> Result<ExitCode, RunError> {
        let kinds = app.key_groups();
        let groups = listing::groups(&kinds, self.section.as_deref())?;
        let out = &mut std::io::stdout();
        let json = |value: &serde_json::Value| {
            let json = serde_json::to_string_pretty(value);
            json.map_err(|error| RunError::config(error.to_string()))
        };
        let printed = if self.schema {
            writeln!(out, "{}", json(&schema::schema(&kinds))?)
        } else if self.json {
            writeln!(out, "{}", json(&listing::json(&groups))?)
        } else {
            write!(out, "{}", listing::page(&groups, width()))
        };
        printed.map_err(RunError::io("write to", "the terminal"))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Characters of a line: those of the terminal, but no more than are read with ease, nor so few that nothing has
/// room.
fn width() -> usize {
    terminal_size().map_or(WIDEST, |(Width(columns), _)| usize::from(columns).clamp(40, WIDEST))
}
