//! `tensors`: the tensors of a safetensors file, whose first dimension counts samples.
//!
//! The names of the tensors become those of the batch. Rows are read when they are asked for.

mod element;
mod header;
#[cfg(test)]
pub(crate) mod tests;

use std::path::PathBuf;

use serde::Deserialize;

use crate::batch::Batch;
use crate::error::DataError;
use crate::files::{self, Stored, open_one};
use crate::order::Split;
use crate::registry::{Source, one_or_many, read_options};
use crate::source::{Cursor, DataInfo, DataSource, TensorInfo, Unit};
use header::{Entry, entries};

/// How much of a file is read at once for its fingerprint.
const PIECE_BYTES: usize = 1 << 20;

/// The line of the registry.
pub(crate) const SOURCE: Source = Source {
    name: "tensors",
    doc: "tensors of a safetensors file, a sample a row",
    builtins: &[],
    path_keys: &["tensors"],
    open: |options| {
        Ok(Box::new(TensorsSource::open(&read_options::<TensorsOptions>("tensors", options)?)?))
    },
    #[cfg(test)]
    sample: tests::sample,
};

/// Options of the source `tensors`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TensorsOptions {
    /// The safetensors file; `.gz` is unpacked. Required.
    pub tensors: PathBuf,
    /// Names of the tensors to take. Default: all.
    #[serde(deserialize_with = "one_or_many")]
    pub only: Vec<String>,
    /// Share of the samples kept for validation, from 0 to 1. Default: 0.1.
    pub validation_fraction: f64,
}

impl Default for TensorsOptions {
    fn default() -> Self {
        Self { tensors: PathBuf::new(), only: Vec::new(), validation_fraction: 0.1 }
    }
}

impl TensorsOptions {
    /// Refuses options that are missing.
    ///
    /// # Errors
    /// [`DataError::BadValue`].
    pub fn check(&self) -> Result<(), DataError> {
        if self.tensors.as_os_str().is_empty() {
            let must = "the path of a safetensors file";
            return Err(DataError::bad_value("data.tensors", "missing", must));
        }
        Ok(())
    }
}

/// Rows of tensors, in the order of their names: F32, F16, BF16 and F64 as f32; I32, U8, I8, I16, U16,
/// and I64 and U32 whose values fit, as i32; BOOL as bool.
pub struct TensorsSource {
    stored: Stored,
    entries: Vec<Entry>,
    split: Split,
    info: DataInfo,
}

impl TensorsSource {
    /// Opens a safetensors file.
    ///
    /// # Errors
    /// As [`TensorsOptions::check`]; [`DataError::BadFile`] for what is no whole safetensors file, or
    /// has tensors of unlike first dimensions or of an element type that is not supported;
    /// [`DataError::Io`], [`DataError::TooFew`].
    pub fn open(options: &TensorsOptions) -> Result<Self, DataError> {
        options.check()?;
        let stored = open_one(&options.tensors)?;
        let entries = entries(&stored, &options.only)?;
        let samples = entries.first().map_or(0, |entry| entry.rows);
        let name = options.tensors.display().to_string();
        let split = Split::new(samples as u64, options.validation_fraction, &name)?;
        let mut hash = blake3::Hasher::new();
        for piece in stored.pieces(0, PIECE_BYTES) {
            hash.update(&piece?);
        }
        let names: Vec<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
        let info = DataInfo {
            fingerprint: files::fingerprint(
                &hash.finalize().to_hex(),
                &[
                    ("tensors", names.join("\n")),
                    ("training", split.training_samples().to_string()),
                ],
            ),
            name,
            tensors: entries
                .iter()
                .map(|it| TensorInfo::new(&it.name, &it.row_shape[..], it.element.dtype()))
                .collect(),
            classes: Vec::new(),
            vocabulary: Vec::new(),
            samples: Some(split.training_samples()),
            validation_samples: Some(split.validation_samples()),
            items_per_row: 1,
            unit: Unit::Rows,
        };
        Ok(Self { stored, entries, split, info })
    }

    fn gather(&self, samples: &[u64]) -> Result<Batch, DataError> {
        let tensors = self.entries.iter().map(|entry| {
            let mut bytes = Vec::new();
            let mut row = vec![0; entry.row_bytes];
            for sample in samples {
                let offset = entry.offset + sample * entry.row_bytes as u64;
                self.stored.read_at(offset, &mut row)?;
                bytes.extend_from_slice(&row);
            }
            let shape = std::iter::once(samples.len()).chain(entry.row_shape.iter().copied());
            let tensor = entry.element.tensor(shape.collect(), &bytes).map_err(|reason| {
                let reason = format!("the tensor '{}' {reason}", entry.name);
                DataError::bad_file(self.stored.path(), reason)
            })?;
            Ok((entry.name.clone(), tensor))
        });
        Batch::new(tensors.collect::<Result<_, DataError>>()?, samples.len())
    }
}

impl DataSource for TensorsSource {
    fn info(&self) -> &DataInfo {
        &self.info
    }

    fn batch(&self, cursor: Cursor, rows: usize) -> Result<Batch, DataError> {
        self.gather(&self.split.training(cursor, rows)?.collect::<Vec<_>>())
    }

    fn validation(
        &self,
        rows: usize,
        limit: Option<usize>,
    ) -> Box<dyn Iterator<Item = Result<Batch, DataError>> + Send + '_> {
        let batches = self.split.validation(rows, limit);
        Box::new(batches.map(move |samples| self.gather(&samples.collect::<Vec<_>>())))
    }
}
