//! `trainyard columns`: the columns of a table, to be named in `[data]`.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use trainyard_data::column_heads;
use trainyard_plan::{TableColumn, TableColumns};

use super::run_command::RunCommand;
use super::table::{Align, table};
use crate::app::App;
use crate::error::RunError;

/// How many rows are shown.
const ROWS: usize = 3;
/// No more of a cell is shown, in characters.
const CELL: usize = 40;

/// Show the columns of a table (.csv, .tsv, .jsonl), as [data] names them, with their first cells
#[derive(Debug, Args)]
pub struct ColumnsCommand {
    /// A file, or a folder or pattern that leads to one
    #[arg(value_name = "TABLE")]
    table: PathBuf,
    /// Print JSON for machines
    #[arg(long)]
    json: bool,
}

impl RunCommand for ColumnsCommand {
    /// Prints the columns.
    ///
    /// # Errors
    /// When there is no such table, or it is none; when the terminal cannot be written to.
    fn run(&self, _: &App) -> Result<ExitCode, RunError> {
        let heads = column_heads(&self.table, ROWS)?;
        let shown = |cell: String| {
            let is_long = cell.chars().nth(CELL).is_some();
            cell.chars().take(CELL).chain(is_long.then_some('…')).collect()
        };
        let column = |head: trainyard_data::ColumnHead| TableColumn {
            name: head.name,
            cells: head.cells.into_iter().map(shown).collect(),
        };
        let columns = TableColumns::new(heads.into_iter().map(column).collect());
        let out = &mut std::io::stdout();
        let printed = if self.json {
            serde_json::to_writer(&mut *out, &columns)
                .map_err(Into::into)
                .and_then(|()| writeln!(out))
        } else {
            let row = |column: &TableColumn| {
                let cells = column.cells.iter().map(|cell| cell.replace(['\n', '\r', '\t'], " "));
                std::iter::once(column.name.clone()).chain(cells).collect()
            };
            let head = std::iter::once("column".to_owned())
                .chain((1..=ROWS).map(|row| format!("row {row}")))
                .collect();
            let rows: Vec<Vec<String>> =
                std::iter::once(head).chain(columns.columns.iter().map(row)).collect();
            table(out, &rows, &[Align::Left; ROWS + 1])
        };
        printed.map_err(RunError::io("write to", "the terminal"))?;
        Ok(ExitCode::SUCCESS)
    }
}
