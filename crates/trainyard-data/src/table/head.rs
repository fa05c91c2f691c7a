//! The columns of a table and its first cells, for those who choose among them.

use std::path::PathBuf;

use super::EXTENSIONS;
use super::options::TableOptions;
use super::read::TableFile;
use crate::error::DataError;
use crate::files;
use crate::plain_text::Remarks;

/// A column by its name, with its first cells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ColumnHead {
    /// Its name; a number where the table has no header.
    pub name: String,
    /// Its cells in the first rows.
    pub cells: Vec<String>,
}

/// The columns of the first table that a path, folder or pattern leads to, with their cells in up to `rows` rows.
///
/// # Errors
/// [`DataError::NoFiles`]; [`DataError::BadFile`] for a file that is no table; [`DataError::Io`].
pub fn column_heads(table: &PathBuf, rows: usize) -> Result<Vec<ColumnHead>, DataError> {
    let paths = files::expand(std::slice::from_ref(table), EXTENSIONS, "table")?;
    let Some(path) = paths.first() else { return Ok(Vec::new()) };
    let mut file = TableFile::open(path, &TableOptions::default(), &mut Remarks::default())?;
    let named = file.columns.iter().cloned();
    let mut heads: Vec<ColumnHead> =
        named.map(|name| ColumnHead { name, cells: Vec::new() }).collect();
    for _ in 0..rows {
        let Some(record) = file.next_record()? else { break };
        for (head, cell) in heads.iter_mut().zip(record.cells) {
            head.cells.push(cell);
        }
    }
    Ok(heads)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heads(name: &str, text: &str) -> Result<Vec<ColumnHead>, DataError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        column_heads(&path, 2)
    }

    fn names(heads: &[ColumnHead]) -> Vec<&str> {
        heads.iter().map(|head| head.name.as_str()).collect()
    }

    #[test]
    fn columns_have_the_names_that_run_files_take() {
        let found = heads("a.csv", "text, of \n\"one, two\",x\nthree,y\nfour,z\n").unwrap();
        assert_eq!(names(&found), ["text", "of"]);
        assert_eq!(found[0].cells, ["one, two", "three"]);
        // Without a header they are numbered; a folder stands for the tables in it.
        assert_eq!(names(&heads("a.tsv", "one\t0.5\ntwo\t1\n").unwrap()), ["1", "2"]);
        let lines = "{\"score\": 1, \"a\": \"x\"}\n{\"a\": \"y\", \"score\": 2}\n";
        assert_eq!(names(&heads("a.jsonl", lines).unwrap()), ["a", "score"]);
        assert!(heads("empty.csv", "").unwrap().is_empty());
        let refused = heads("a.jsonl", "[1]\n").unwrap_err();
        assert!(refused.to_string().contains("line 1"), "{refused}");
        let missing = column_heads(&PathBuf::from("/nothing/here.csv"), 2);
        assert!(matches!(missing, Err(DataError::NoFiles { .. } | DataError::Io { .. })));
    }
}
