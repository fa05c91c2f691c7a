//! The columns of a table, as `trainyard columns --json` lists them.

use serde::{Deserialize, Serialize};

/// The columns of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableColumns {
    /// `trainyard-columns`.
    pub format: String,
    /// 1.
    pub version: u64,
    /// Each, in the order of the file.
    pub columns: Vec<TableColumn>,
}

/// A column of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableColumn {
    /// Its name, as `[data]` takes it.
    pub name: String,
    /// Its first cells.
    pub cells: Vec<String>,
}

impl TableColumns {
    /// The value of `format`.
    pub const FORMAT: &'static str = "trainyard-columns";
    /// The value of `version`.
    pub const VERSION: u64 = 1;

    /// These columns.
    #[must_use]
    pub fn new(columns: Vec<TableColumn>) -> Self {
        Self { format: Self::FORMAT.to_owned(), version: Self::VERSION, columns }
    }
}
