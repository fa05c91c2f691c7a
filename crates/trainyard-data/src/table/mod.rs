//! `table`: rows of CSV, TSV and JSON-lines files, held in memory.
//!
//! Cells of feature columns are numbers (`true` and `false` are 1 and 0). A target column of words or
//! whole numbers has classes, numbered in sorted order; anything else is a number to be predicted.
//! A cell that is empty or cannot be read is an error with file, line and column: rows are never
//! dropped in silence.

mod head;
mod load;
mod options;
mod read;
mod target;
#[cfg(test)]
pub(crate) mod tests;

use trainyard_config::KeyGroup;

use crate::batch::{Batch, DType, HostTensor};
use crate::classes::check_classes;
use crate::error::DataError;
use crate::files;
use crate::kind::{self, Source};
use crate::numbered::NumberedSource;
use crate::order::Split;
use crate::source::{DataInfo, TensorInfo, Unit};
pub use head::{ColumnHead, column_heads};
use load::{Table, Targets, load};

pub(crate) use load::place_of;
pub(crate) use options::is_delimiter;
pub use options::{TableOptions, TableTask};
pub(crate) use read::TableFile;
pub(crate) use target::{Target, finite};

/// Kinds of files taken out of a folder.
pub(crate) const EXTENSIONS: &[&str] = &["csv", "tsv", "tab", "jsonl", "ndjson"];

/// The line of the registry.
pub(crate) const SOURCE: Source = Source {
    group: KeyGroup::of::<TableOptions>("table").named_by("table"),
    open: |section| {
        let options = kind::options(section)?;
        Ok(Box::new(TableSource::open(&options, section.validation_fraction)?))
    },
    #[cfg(test)]
    sample: tests::sample,
};

/// Rows of tables: `features` `[rows, columns]` f32, and `targets`: `[rows]` i32 class numbers, or
/// `[rows, target columns]` f32.
pub struct TableSource {
    table: Table,
    split: Split,
    info: DataInfo,
}

impl TableSource {
    /// Reads the tables that the options name.
    ///
    /// # Errors
    /// [`DataError::BadValue`] for options that make no sense; [`DataError::NoFiles`],
    /// [`DataError::NoColumn`]; [`DataError::Cell`] for a cell that cannot be used;
    /// [`DataError::BadFile`] for a file that is no table; [`DataError::TooFew`].
    pub fn open(options: &TableOptions, validation_fraction: f64) -> Result<Self, DataError> {
        kind::check(options)?;
        let paths = files::expand(&options.table, EXTENSIONS, "table")?;
        let name = files::name_of(&paths);
        let (table, remarks) = load(&paths, options)?;
        if let Targets::Classes(classes, rows) = &table.targets {
            check_classes(&name, classes, rows.iter().copied(), validation_fraction)?;
        }
        let split = Split::new(table.rows as u64, validation_fraction, &name)?;
        let (target, classes) = match &table.targets {
            Targets::Classes(classes, _) => {
                (TensorInfo::new("targets", [], DType::I32), classes.clone())
            }
            Targets::Numbers(_) => {
                (TensorInfo::new("targets", [options.target.len()], DType::F32), Vec::new())
            }
        };
        let features = TensorInfo::new("features", [table.feature_names.len()], DType::F32);
        let info = DataInfo {
            name,
            fingerprint: fingerprint(&table, options, &split),
            tensors: vec![features, target],
            classes,
            vocabulary: Vec::new(),
            token_count: 0,
            samples: Some(split.training_samples()),
            validation_samples: Some(split.validation_samples()),
            items_per_row: 1,
            unit: Unit::Rows,
            remarks,
        };
        Ok(Self { table, split, info })
    }

    /// Names of the feature columns, in the order of `features`.
    #[must_use]
    pub fn feature_names(&self) -> &[String] {
        &self.table.feature_names
    }
}

/// Fingerprint of the cells that are used, wherever and however they are written down.
fn fingerprint(table: &Table, options: &TableOptions, split: &Split) -> String {
    let mut hash = blake3::Hasher::new();
    let mut floats = |values: &[f32]| {
        for chunk in values.chunks(1 << 14) {
            let bytes: Vec<u8> = chunk.iter().flat_map(|value| value.to_le_bytes()).collect();
            hash.update(&bytes);
        }
    };
    floats(&table.features);
    let classes = match &table.targets {
        Targets::Classes(classes, rows) => {
            for chunk in rows.chunks(1 << 14) {
                let bytes: Vec<u8> = chunk.iter().flat_map(|row| row.to_le_bytes()).collect();
                hash.update(&bytes);
            }
            classes.join("\n")
        }
        Targets::Numbers(values) => {
            floats(values);
            String::new()
        }
    };
    let data = hash.finalize().to_hex();
    files::fingerprint(
        &data,
        &[
            ("features", table.feature_names.join("\n")),
            ("target", options.target.join("\n")),
            ("classes", classes),
            ("training", split.training_samples().to_string()),
        ],
    )
}

impl NumberedSource for TableSource {
    fn parts(&self) -> (&DataInfo, &Split) {
        (&self.info, &self.split)
    }

    fn gather(&self, samples: impl Iterator<Item = u64>) -> Result<Batch, DataError> {
        let width = self.table.feature_names.len();
        let (mut rows, mut features) = (0, Vec::new());
        let (mut classes, mut numbers) = (Vec::new(), Vec::new());
        for sample in samples {
            let row = sample as usize;
            features.extend_from_slice(&self.table.features[row * width..(row + 1) * width]);
            match &self.table.targets {
                Targets::Classes(_, class) => classes.push(class[row]),
                Targets::Numbers(all) => {
                    let columns = all.len() / self.table.rows;
                    numbers.extend_from_slice(&all[row * columns..(row + 1) * columns]);
                }
            }
            rows += 1;
        }
        let targets = match &self.table.targets {
            Targets::Classes(..) => HostTensor::I32 { shape: vec![rows], values: classes },
            Targets::Numbers(all) => {
                HostTensor::F32 { shape: vec![rows, all.len() / self.table.rows], values: numbers }
            }
        };
        let features = HostTensor::F32 { shape: vec![rows, width], values: features };
        Batch::new(vec![("features".to_owned(), features), ("targets".to_owned(), targets)], rows)
    }
}
