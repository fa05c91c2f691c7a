//! Options of the source `table`.

use std::path::PathBuf;

use trainyard_config::{BadKey, choices, keys, must};

use crate::kind::named_twice;
use crate::plain_text::is_encoding;

choices! {
    /// Meaning of a target column.
    pub enum TableTask {
        /// Classes where a single target column holds words or whole numbers.
        Auto = "auto",
        /// Each distinct value is a class.
        Classes = "classes",
        /// Values are numbers.
        Numbers = "numbers",
    }
}

keys! {
    /// Rows of CSV, TSV and JSON-lines files: numbers, and classes or numbers to be learned.
    pub struct TableOptions in "data", check = check {
        /// Files, folders (all tables in them and below) and patterns. `.jsonl` and `.ndjson` have an
        /// object a line, `.tsv` and `.tab` are separated by tabs, all others by commas; gzip is
        /// unpacked.
        table: Vec<PathBuf>;
        /// Encoding of files that have no byte order mark, such as "windows-1252"; UTF-8 where not given,
        /// or UTF-16 and UTF-32 where that is certain.
        encoding: Option<String>,
            must("the name of an encoding, such as \"utf-16le\" or \"windows-1252\"", |it| is_encoding(it));
        /// Columns to be learned. A table without a header has the columns 1, 2, ….
        target: Vec<String>;
        /// Columns to learn from; all others that have a number in the first row where not given.
        features: Vec<String>;
        /// Meaning of the target.
        task: TableTask = TableTask::Auto;
        /// Classes in the order of their numbers; those found, sorted, where not given.
        classes: Vec<String>;
        /// Whether the first row has the names of the columns; it has if no cell of it is a number.
        header: Option<bool>;
        /// Character between the cells; by the name of the file where not given.
        delimiter: Option<String>,
            must("one ASCII character, no quote and no line end", |it| is_delimiter(it));
        /// Whether a cell may stand in double quotes.
        quotes: bool = true;
    }
}

/// Whether a text can stand between cells.
pub(crate) fn is_delimiter(text: &str) -> bool {
    text.len() == 1 && !text.contains(['"', '\n', '\r'])
}

fn check(options: &TableOptions) -> Result<(), BadKey> {
    let TableOptions { table, target, features, classes, task, .. } = options;
    let words = "the path of a table (.csv, .tsv, .jsonl)";
    must(!table.is_empty(), "table", &"missing", words)?;
    must(!target.is_empty(), "target", &"missing", "the name of a column to be learned")?;
    let wants_classes = *task == TableTask::Classes || !classes.is_empty();
    let can_have_classes = target.len() == 1 && *task != TableTask::Numbers;
    let words = "a single column, with data.task 'auto' or 'classes', where there are classes";
    must(!wants_classes || can_have_classes, "target", &target.join(", "), words)?;
    if let Some(both) = features.iter().find(|name| target.contains(name)) {
        must(false, "features", both, "another column than the target")?;
    }
    for (key, names) in [("features", features), ("classes", classes)] {
        if let Some(twice) = named_twice(names) {
            must(false, key, twice, "named once")?;
        }
    }
    Ok(())
}
