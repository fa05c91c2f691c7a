//! Options of the source `table`.

use serde::Deserialize;

use crate::error::DataError;
use crate::registry::one_or_many;

/// Options of the source `table`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TableOptions {
    /// Files, folders (all tables in them and below) and patterns. `.jsonl` and `.ndjson` have an
    /// object a line, `.tsv` and `.tab` are separated by tabs, all others by commas; `.gz` is
    /// unpacked. Required.
    #[serde(deserialize_with = "one_or_many")]
    pub table: Vec<String>,
    /// Columns to be learned. A table without a header has the columns `1`, `2`, …. Required.
    #[serde(deserialize_with = "one_or_many")]
    pub target: Vec<String>,
    /// Columns to learn from; their cells are numbers. Default: all others that have a number in the
    /// first row.
    #[serde(deserialize_with = "one_or_many")]
    pub features: Vec<String>,
    /// Meaning of the target: `classes`, `numbers`, or `auto`. Default: `auto`: a single target
    /// column of words or whole numbers has classes, any other numbers.
    pub task: TableTask,
    /// Classes in the order of their numbers. Default: those found, sorted.
    #[serde(deserialize_with = "one_or_many")]
    pub classes: Vec<String>,
    /// Whether the first row has the names of the columns. Default: it has if no cell of it is a
    /// number. Not for JSON lines.
    pub header: Option<bool>,
    /// Character between the cells. Default: by the name of the file. Not for JSON lines.
    pub delimiter: Option<char>,
    /// Whether a cell may stand in double quotes. Default: true. Not for JSON lines.
    pub quotes: bool,
    /// Share of the rows kept for validation, from 0 to 1. Default: 0.1.
    pub validation_fraction: f64,
}

/// Meaning of a target column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TableTask {
    /// Classes where a single target column holds words or whole numbers.
    #[default]
    Auto,
    /// Each distinct value is a class.
    Classes,
    /// Values are numbers.
    Numbers,
}

impl Default for TableOptions {
    fn default() -> Self {
        Self {
            table: Vec::new(),
            target: Vec::new(),
            features: Vec::new(),
            task: TableTask::Auto,
            classes: Vec::new(),
            header: None,
            delimiter: None,
            quotes: true,
            validation_fraction: 0.1,
        }
    }
}

impl TableOptions {
    /// Refuses options that are missing or contradict each other.
    ///
    /// # Errors
    /// [`DataError::BadValue`].
    pub fn check(&self) -> Result<(), DataError> {
        if self.table.is_empty() {
            let must = "the path of a table (.csv, .tsv, .jsonl)";
            return Err(DataError::bad_value("data.table", "missing", must));
        }
        if self.target.is_empty() {
            let must = "the name of a column to be learned";
            return Err(DataError::bad_value("data.target", "missing", must));
        }
        let wants_classes = self.task == TableTask::Classes || !self.classes.is_empty();
        if wants_classes && (self.target.len() > 1 || self.task == TableTask::Numbers) {
            let must =
                "a single column, with data.task 'auto' or 'classes', where there are classes";
            return Err(DataError::bad_value("data.target", &self.target.join(", "), must));
        }
        if let Some(both) = self.features.iter().find(|name| self.target.contains(name)) {
            return Err(DataError::bad_value(
                "data.features",
                both,
                "another column than the target",
            ));
        }
        for (key, names) in [("data.features", &self.features), ("data.classes", &self.classes)] {
            let mut sorted = names.clone();
            sorted.sort();
            if let Some(twice) = duplicate(&sorted) {
                return Err(DataError::bad_value(key, twice, "named once"));
            }
        }
        match self.delimiter {
            Some(given) if !given.is_ascii() || matches!(given, '"' | '\n' | '\r') => {
                let must = "an ASCII character, no quote and no line end";
                Err(DataError::bad_value("data.delimiter", &format!("{given:?}"), must))
            }
            _ => Ok(()),
        }
    }
}

/// The first name of a sorted list that is in it twice.
pub(super) fn duplicate(sorted: &[String]) -> Option<&String> {
    sorted.iter().zip(sorted.iter().skip(1)).find(|(name, next)| name == next).map(|(name, _)| name)
}
