//! Parquet files, row by row as objects of JSON.

#[cfg(test)]
pub(crate) mod tests;

use std::fmt;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{Field, Row};
use parquet::schema::types::Type;
use serde_json::{Map, Value};

use crate::error::DataError;
use crate::files::{Stored, open_one};

/// An open file.
pub(crate) struct ParquetFile {
    path: PathBuf,
    reader: SerializedFileReader<File>,
    stored: Stored,
}

impl ParquetFile {
    /// Opens a file and reads what it says of itself.
    ///
    /// # Errors
    /// [`DataError::Io`]; [`DataError::BadFile`] for one that is damaged, or compressed in a way that is not
    /// known.
    pub(crate) fn open(path: &Path) -> Result<Self, DataError> {
        let stored = open_one(path)?;
        if stored.was_packed() {
            let reason = "a Parquet file is not to be compressed as a whole; unpack it";
            return Err(DataError::bad_file(path, reason));
        }
        let file = File::open(path).map_err(DataError::io("read", path))?;
        let reader = caught(path, || SerializedFileReader::new(file))?;
        let file = Self { path: path.to_owned(), reader, stored };
        file.check_compression()?;
        Ok(file)
    }

    fn check_compression(&self) -> Result<(), DataError> {
        let groups = self.reader.metadata().row_groups().iter();
        for column in groups.flat_map(parquet::file::metadata::RowGroupMetaData::columns) {
            let found = column.compression();
            let is_known = matches!(
                found,
                Compression::UNCOMPRESSED | Compression::SNAPPY | Compression::GZIP(_)
            );
            if !is_known {
                let reason = format!(
                    "the column '{}' is compressed with {found}, which is not supported; write the file again \
                     with snappy",
                    column.column_path().string()
                );
                return Err(DataError::bad_file(&self.path, reason));
            }
        }
        Ok(())
    }

    /// Its bytes.
    pub(crate) fn stored(&self) -> &Stored {
        &self.stored
    }

    /// Number of rows.
    pub(crate) fn rows(&self) -> u64 {
        u64::try_from(self.reader.metadata().file_metadata().num_rows()).unwrap_or(0)
    }

    /// Names of its columns.
    pub(crate) fn columns(&self) -> Vec<&str> {
        self.schema().get_fields().iter().map(|field| field.name()).collect()
    }

    fn schema(&self) -> &Type {
        self.reader.metadata().file_metadata().schema()
    }

    /// Its rows in order, each with those of some columns that the file has.
    ///
    /// # Errors
    /// [`DataError::BadFile`] where it is damaged; so for each row.
    pub(crate) fn objects(
        &self,
        columns: &[&str],
    ) -> Result<impl Iterator<Item = Result<Map<String, Value>, DataError>> + '_, DataError> {
        let fields = self.schema().get_fields().iter();
        let wanted = fields.filter(|field| columns.contains(&field.name())).map(Arc::clone);
        let schema = Type::group_type_builder(self.schema().name()).with_fields(wanted.collect());
        let open = || schema.build().and_then(|schema| self.reader.get_row_iter(Some(schema)));
        let mut rows = caught(&self.path, open)?;
        Ok(std::iter::from_fn(move || {
            let row = caught(&self.path, || rows.next().transpose());
            row.map(|row| row.map(object)).transpose()
        }))
    }
}

impl fmt::Debug for ParquetFile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("ParquetFile").field(&self.path).finish()
    }
}

/// Does what reads, which of some damaged files panics.
fn caught<T>(path: &Path, read: impl FnOnce() -> Result<T, ParquetError>) -> Result<T, DataError> {
    let panicked = |_| Err(ParquetError::General("its parts do not fit together".to_owned()));
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(panicked).map_err(damaged(path))
}

fn damaged(path: &Path) -> impl Fn(ParquetError) -> DataError + '_ {
    |error| {
        let reason = format!("it is no whole Parquet file ({error}); get or write it again");
        DataError::bad_file(path, reason)
    }
}

fn object(row: Row) -> Map<String, Value> {
    row.into_columns().into_iter().map(|(name, field)| (name, value(field))).collect()
}

/// What is in a cell; numbers that JSON does not have are nothing.
fn value(field: Field) -> Value {
    match field {
        Field::Null => Value::Null,
        Field::Bool(value) => value.into(),
        Field::Byte(number) => number.into(),
        Field::Short(number) => number.into(),
        Field::Int(number) => number.into(),
        Field::Long(number) => number.into(),
        Field::UByte(number) => number.into(),
        Field::UShort(number) => number.into(),
        Field::UInt(number) => number.into(),
        Field::ULong(number) => number.into(),
        Field::Float(number) => number.into(),
        Field::Double(number) => number.into(),
        Field::Str(text) => text.into(),
        // A text that its writer did not call one.
        Field::Bytes(bytes) => bytes.as_utf8().map_or(Value::Null, Value::from),
        Field::Group(row) => object(row).into(),
        Field::ListInternal(list) => list.elements().iter().cloned().map(value).collect(),
        other => other.to_string().into(),
    }
}
