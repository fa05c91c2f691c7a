//! `tensors`: the tensors of a safetensors file, whose first dimension counts samples.
//!
//! The names of the tensors become those of the batch. Rows are read when they are asked for.

mod element;
mod header;
#[cfg(test)]
pub(crate) mod tests;

use std::path::PathBuf;

use trainyard_config::{BadKey, KeyGroup, keys, must};

use crate::batch::Batch;
use crate::error::DataError;
use crate::files::{self, Stored, hash_of, open_one};
use crate::kind::{self, Source};
use crate::numbered::NumberedSource;
use crate::order::Split;
use crate::source::{DataInfo, TensorInfo, Unit};
use header::{Entry, entries};

/// The line of the registry.
pub(crate) const SOURCE: Source = Source {
    group: KeyGroup::of::<TensorsOptions>("tensors").named_by("tensors"),
    open: |section| {
        let options = kind::options(section)?;
        Ok(Box::new(TensorsSource::open(&options, section.validation_fraction)?))
    },
    #[cfg(test)]
    sample: tests::sample,
};

keys! {
    /// Tensors of a safetensors file, a sample a row.
    pub struct TensorsOptions in "data", check = check {
        /// The file; `.gz` is unpacked.
        tensors: Option<PathBuf>;
        /// Names of the tensors to take; all where not given.
        only: Vec<String>;
    }
}

fn check(options: &TensorsOptions) -> Result<(), BadKey> {
    let words = "the path of a safetensors file";
    must(options.tensors.is_some(), "tensors", &"missing", words)
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
    /// [`DataError::BadValue`] for options that make no sense; [`DataError::BadFile`] for what is
    /// no whole safetensors file, or has tensors of unlike first dimensions or of an element type
    /// that is not supported; [`DataError::Io`], [`DataError::TooFew`].
    pub fn open(options: &TensorsOptions, validation_fraction: f64) -> Result<Self, DataError> {
        kind::check(options)?;
        let path = options.tensors.clone().unwrap_or_default();
        let stored = open_one(&path)?;
        let entries = entries(&stored, &options.only)?;
        let samples = entries.first().map_or(0, |entry| entry.rows);
        let name = path.display().to_string();
        let split = Split::new(samples as u64, validation_fraction, &name)?;
        let names: Vec<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
        let info = DataInfo {
            fingerprint: files::fingerprint(
                &hash_of(&[&stored])?,
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
            token_count: 0,
            samples: Some(split.training_samples()),
            validation_samples: Some(split.validation_samples()),
            items_per_row: 1,
            unit: Unit::Rows,
            remarks: Vec::new(),
        };
        Ok(Self { stored, entries, split, info })
    }
}

impl NumberedSource for TensorsSource {
    fn parts(&self) -> (&DataInfo, &Split) {
        (&self.info, &self.split)
    }

    fn gather(&self, samples: impl Iterator<Item = u64>) -> Result<Batch, DataError> {
        let samples: Vec<u64> = samples.collect();
        let tensors = self.entries.iter().map(|entry| {
            let mut bytes = Vec::new();
            let mut row = vec![0; entry.row_bytes];
            for sample in &samples {
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
