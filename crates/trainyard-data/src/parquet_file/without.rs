//! Parquet files in a program that was built without the cargo feature `parquet`: each is refused.

use std::convert::Infallible;
use std::path::Path;

use serde_json::{Map, Value};

use crate::error::DataError;
use crate::files::Stored;

type Objects = std::iter::Empty<Result<Map<String, Value>, DataError>>;

/// None there can be.
#[derive(Debug)]
pub(crate) struct ParquetFile(Infallible);

impl ParquetFile {
    /// Refuses it.
    ///
    /// # Errors
    /// [`DataError::BadFile`].
    pub(crate) fn open(path: &Path) -> Result<Self, DataError> {
        let reason = "this program was built without the cargo feature parquet; build it with, or write the file \
                      as .jsonl";
        Err(DataError::bad_file(path, reason))
    }

    pub(crate) fn stored(&self) -> &Stored {
        match self.0 {}
    }

    pub(crate) fn rows(&self) -> u64 {
        match self.0 {}
    }

    pub(crate) fn columns(&self) -> Vec<&str> {
        match self.0 {}
    }

    pub(crate) fn objects(&self, _columns: &[&str]) -> Result<Objects, DataError> {
        match self.0 {}
    }
}
