//! The interface of a data source: what it has, and batches by cursor.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use trainyard_pretrained::Tokenizer;

use crate::batch::{Batch, DType, HostTensor};
use crate::error::DataError;

/// A target of this number is not to be learned, and counts in no loss.
pub const IGNORED: i32 = -100;

/// The tensor of rows that hold several samples, `[rows, context]` i32: the number of each position's sample in
/// its row, from 1, or 0 for what the row is filled up with. Samples of one row are not to see each other.
pub const SEGMENTS: &str = "segments";

/// Batches of training and validation data.
///
/// A source is a function: the same cursor gives the same rows, on every machine and after every
/// restart. Within an epoch each training sample occurs once, in an order that follows from seed and
/// epoch; [`epoch_order`](crate::epoch_order) computes it for sources outside this crate, too.
pub trait DataSource: Send + Sync {
    /// Names, shapes and sizes of what the source gives.
    fn info(&self) -> &DataInfo;

    /// The `rows` training samples from `cursor` on. A batch that reaches past the end of an epoch
    /// goes on with the next one.
    ///
    /// # Errors
    /// [`DataError`] where data cannot be read any more or is damaged.
    fn batch(&self, cursor: Cursor, rows: usize) -> Result<Batch, DataError>;

    /// The validation samples, `rows` (at least 1) at a time; the last batch may have fewer. With a
    /// `limit`, at most that many batches. The same ones each time, none of them a training sample.
    fn validation(
        &self,
        rows: usize,
        limit: Option<usize>,
    ) -> Box<dyn Iterator<Item = Result<Batch, DataError>> + Send + '_>;

    /// Whether `targets` of tokens stand in the places of what is to be found, instead of one place before.
    fn learns_in_place(&self) -> bool {
        false
    }

    /// How many [items](DataInfo::unit) a batch of it has, without what rows are filled up with.
    fn items(&self, batch: &Batch) -> u64 {
        items_of(self.info(), batch)
    }

    /// Refuses tokens that a model does not know, which knows the first `known`; where a [tokenizer](Self::tokenizer) makes
    /// them.
    ///
    /// # Errors
    /// [`DataError::UnknownToken`]; [`DataError`] where data cannot be read any more.
    fn check_known(&self, _known: u64) -> Result<(), DataError> {
        Ok(())
    }

    /// What makes tokens of its texts, where that is a model's tokenizer.
    fn tokenizer(&self) -> Option<Arc<Tokenizer>> {
        None
    }
}

/// The items of a batch: what its segments say is no filling, or else all that its rows have room for.
pub(crate) fn items_of(info: &DataInfo, batch: &Batch) -> u64 {
    match batch.get(SEGMENTS) {
        Some(HostTensor::I32 { values, .. }) => {
            values.iter().filter(|segment| **segment != 0).count() as u64
        }
        _ => (batch.rows as u64).saturating_mul(info.items_per_row),
    }
}

/// Position of a training in its data. It is all that a checkpoint needs to go on with the very next
/// sample.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Cursor {
    /// Seed of the order of samples.
    pub seed: u64,
    /// Samples handed out so far. The epoch is `position / samples`, counted from 0.
    pub position: u64,
}

impl Cursor {
    /// Start of the first epoch.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { seed, position: 0 }
    }

    /// Cursor after `rows` more samples.
    #[must_use]
    pub fn advanced(self, rows: usize) -> Self {
        Self { position: self.position.saturating_add(rows as u64), ..self }
    }

    /// Epochs completed, in a source with `samples` training samples; 0 for an endless one.
    #[must_use]
    pub fn epoch(self, samples: Option<u64>) -> u64 {
        samples.and_then(|samples| self.position.checked_div(samples)).unwrap_or(0)
    }
}

/// State of a source in a checkpoint: where the training is, and in which data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataState {
    /// The next sample.
    pub cursor: Cursor,
    /// [`DataInfo::fingerprint`] of the source.
    pub fingerprint: String,
}

impl DataState {
    /// State of a source at a cursor.
    #[must_use]
    pub fn new(info: &DataInfo, cursor: Cursor) -> Self {
        Self { cursor, fingerprint: info.fingerprint.clone() }
    }

    /// The cursor, if the source is the one that this state was made with.
    ///
    /// # Errors
    /// [`DataError::OtherData`].
    pub fn resume(&self, info: &DataInfo) -> Result<Cursor, DataError> {
        if self.fingerprint == info.fingerprint {
            return Ok(self.cursor);
        }
        Err(DataError::OtherData {
            name: info.name.clone(),
            expected: self.fingerprint.clone(),
            found: info.fingerprint.clone(),
        })
    }
}

/// Description of a source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DataInfo {
    /// Name for messages: a file, a folder, or a built-in.
    pub name: String,
    /// BLAKE3 in hex of the data and of all options that decide which samples there are.
    pub fingerprint: String,
    /// Tensors of a batch, in order.
    pub tensors: Vec<TensorInfo>,
    /// Names of the classes, in the order of their numbers; empty where targets are not classes.
    pub classes: Vec<String>,
    /// Text of each token, in the order of their numbers; empty where there are no tokens, or a
    /// [tokenizer](DataSource::tokenizer) has their texts.
    pub vocabulary: Vec<String>,
    /// Different tokens; 0 where there are none.
    pub token_count: usize,
    /// Training samples an epoch; `None` for an endless source.
    pub samples: Option<u64>,
    /// Validation samples; `None` for an endless source.
    pub validation_samples: Option<u64>,
    /// Items that a row has room for, in `unit`s: tokens of a window, or 1.
    pub items_per_row: u64,
    /// Unit of the counted items.
    pub unit: Unit,
    /// What is worth knowing of the files, such as a byte order mark that was left out; a sentence each.
    pub remarks: Vec<String>,
}

/// Unit in which progress and speed are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Tokens of texts.
    Tokens,
    /// Rows of anything else.
    Rows,
}

impl Unit {
    /// The word for people: `tokens` or `rows`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Tokens => "tokens",
            Self::Rows => "rows",
        }
    }
}

/// A tensor of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TensorInfo {
    /// Its name in [`Batch::tensors`].
    pub name: String,
    /// Sizes of the dimensions after the first, which counts rows.
    pub row_shape: Vec<usize>,
    /// Element type.
    pub dtype: DType,
}

impl TensorInfo {
    /// A tensor of `[rows, row_shape…]`.
    #[must_use]
    pub fn new(name: impl Into<String>, row_shape: impl Into<Vec<usize>>, dtype: DType) -> Self {
        Self { name: name.into(), row_shape: row_shape.into(), dtype }
    }
}
