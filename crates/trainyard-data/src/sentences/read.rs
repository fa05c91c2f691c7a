//! Texts and what is to be learned of them, from the rows of tables.

use std::path::PathBuf;

use super::options::SentencesOptions;
use crate::error::DataError;
use crate::plain_text::Remarks;
use crate::table::{TableFile, place_of};

/// The cells of a row that are used.
pub(super) struct Row<'a> {
    pub(super) first: &'a str,
    pub(super) second: Option<&'a str>,
    pub(super) target: Option<&'a str>,
}

/// Why a row cannot be used.
pub(super) enum RowError {
    /// Its texts, in words.
    Text(String),
    /// What is to be learned, in words.
    Target(String),
    /// Something else.
    Data(DataError),
}

impl From<DataError> for RowError {
    fn from(error: DataError) -> Self {
        Self::Data(error)
    }
}

/// Hands out the rows of some files, one after the other.
///
/// # Errors
/// [`DataError::NoColumn`]; [`DataError::Cell`] for a cell that cannot be used, by `each` or because it has no text;
/// whatever else `each` fails with.
pub(super) fn read(
    files: &[PathBuf],
    options: &SentencesOptions,
    remarks: &mut Remarks,
    mut each: impl FnMut(Row<'_>) -> Result<(), RowError>,
) -> Result<(), DataError> {
    let form = options.of_table();
    for path in files {
        let mut file = TableFile::open(path, &form, remarks)?;
        if file.peek()?.is_none() {
            continue;
        }
        let first = place_of(&options.column, &file)?;
        let place = |name: &String| place_of(name, &file);
        let second = options.second.as_ref().map(place).transpose()?;
        let target = options.target().map(place).transpose()?;
        while let Some(record) = file.next_record()? {
            let cell = |column: usize| record.cells.get(column).map_or("", String::as_str);
            let row =
                Row { first: cell(first), second: second.map(cell), target: target.map(cell) };
            let is_empty = |at: &usize| cell(*at).trim().is_empty();
            let without_text = [Some(first), second].into_iter().flatten().find(is_empty);
            let read = match without_text {
                Some(_) => {
                    Err(RowError::Text("there is no text; write one, or take the row out".into()))
                }
                None => each(row),
            };
            let (column, reason) = match read {
                Ok(()) => continue,
                Err(RowError::Data(error)) => return Err(error),
                Err(RowError::Text(reason)) => (without_text.unwrap_or(first), reason),
                Err(RowError::Target(reason)) => (target.unwrap_or(first), reason),
            };
            return Err(DataError::Cell {
                file: file.path.clone(),
                line: file.line_of(&record),
                column: file.columns.get(column).cloned().unwrap_or_default(),
                reason,
            });
        }
    }
    Ok(())
}
