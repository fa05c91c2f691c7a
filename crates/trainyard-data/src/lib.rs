//! Data for training: batches of named tensors in host memory, from texts, chats, tables, IDX files,
//! folders of images and safetensors files, or from a source of your own.
//!
//! A [`DataSource`] is a function from a [`Cursor`] (a seed and the number of samples handed out so
//! far) to a [`Batch`]. Each training sample occurs once an epoch, in an order that follows from seed
//! and epoch and is computed on the way ([`Permutation`]), so a checkpoint needs the cursor alone, and
//! a batch may go over the end of an epoch. [`Prefetch`] prepares the next batch on a thread.
//! [`SOURCES`] has the sources that a run file can name; the options of each are keys of `[data]`.
//!
//! | source | tensors of a batch |
//! |---|---|
//! | [`text`](TextSource), [`chat`](ChatSource) | `tokens`, `targets` `[rows, context]` i32; [`IGNORED`] targets do not count |
//! | [`sentences`](SentencesSource) | `tokens`, `segments` and for pairs `token_types` `[rows, context]` i32; `targets` `[rows]` i32 or f32 |
//! | [`table`](TableSource) | `features` `[rows, n]` f32; `targets` `[rows]` i32 or `[rows, m]` f32 |
//! | [`idx`](IdxSource), [`images`](ImagesSource) | `image` `[rows, channels, height, width]` f32; `targets` `[rows]` i32 |
//! | [`tensors`](TensorsSource) | those of the file, `[rows, …]` |
//! | [`rows`](RowsSource) | `features` `[rows, inputs]` f32; `targets` `[rows, outputs]` f32 |
//!
//! ```
//! use trainyard_data::{Cursor, DataSource, HostTensor, TextOptions, TextSource};
//!
//! let options =
//!     TextOptions { builtin: Some("yard".to_owned()), context: 32, ..TextOptions::default() };
//! let source = TextSource::open(&options, 0.1)?;
//! assert_eq!(source.info().samples, Some(8436));
//! let batch = source.batch(Cursor::new(42), 8)?;
//! let Some(HostTensor::I32 { shape, .. }) = batch.get("tokens") else { panic!("no tokens") };
//! assert_eq!(*shape, [8, 32]);
//! assert_eq!(batch.split(2).len(), 4);
//! for batch in source.validation(8, Some(2)) {
//!     assert_eq!(batch?.rows, 8);
//! }
//! # Ok::<(), trainyard_data::DataError>(())
//! ```
//!
//! A source of your own implements three methods:
//!
//! ```
//! use trainyard_data::*;
//!
//! /// Numbers 0 to 9, to be doubled.
//! struct Doubles(DataInfo);
//!
//! impl Doubles {
//!     fn rows(&self, numbers: impl Iterator<Item = u64>) -> Result<Batch, DataError> {
//!         let values: Vec<f32> = numbers.map(|number| number as f32).collect();
//!         let rows = values.len();
//!         let targets = values.iter().map(|value| 2.0 * value).collect();
//!         let tensor = |values| HostTensor::F32 { shape: vec![rows, 1], values };
//!         let (features, targets) = (tensor(values), tensor(targets));
//!         Batch::new(vec![("features".into(), features), ("targets".into(), targets)], rows)
//!     }
//! }
//!
//! impl DataSource for Doubles {
//!     fn info(&self) -> &DataInfo {
//!         &self.0
//!     }
//!
//!     fn batch(&self, cursor: Cursor, rows: usize) -> Result<Batch, DataError> {
//!         let order = epoch_order(cursor, rows, 8, &self.0.name)?;
//!         self.rows(order.map(|(_epoch, sample)| sample))
//!     }
//!
//!     fn validation(
//!         &self,
//!         _rows: usize,
//!         _limit: Option<usize>,
//!     ) -> Box<dyn Iterator<Item = Result<Batch, DataError>> + Send + '_> {
//!         Box::new(std::iter::once_with(|| self.rows(8..10)))
//!     }
//! }
//! ```

mod batch;
mod chat;
mod classes;
mod error;
mod files;
mod idx;
mod images;
mod kind;
mod masked;
mod numbered;
mod order;
#[cfg(feature = "parquet")]
mod parquet_file;
#[cfg(not(feature = "parquet"))]
#[path = "parquet_file/without.rs"]
mod parquet_file;
mod plain_text;
mod prefetch;
mod random;
mod registry;
mod rows;
mod samples;
mod sentences;
mod source;
mod table;
mod tensors;
mod text;
mod tokens;

pub use batch::{Batch, DType, HostTensor};
pub use chat::{ChatOptions, ChatSource, TooLong, TrainOn};
pub use error::DataError;
pub use files::line_ends;
pub use idx::{IdxOptions, IdxSource};
pub use images::{Color, ImagesOptions, ImagesSource};
pub use kind::Source;
pub use masked::Masked;
pub use numbered::NumberedSource;
pub use order::{Permutation, Split, epoch_order};
pub use plain_text::{Newlines, Normalization};
pub use prefetch::Prefetch;
pub use registry::{SOURCES, key_groups, open, source_for};
pub use rows::{RowsOptions, RowsSource};
pub use samples::Samples;
pub use sentences::{SentencesOptions, SentencesSource, TooLongText};
pub use source::{Cursor, DataInfo, DataSource, DataState, IGNORED, SEGMENTS, TensorInfo, Unit};
pub use table::{ColumnHead, TableOptions, TableSource, TableTask, column_heads};
pub use tensors::{TensorsOptions, TensorsSource};
pub use text::{
    BUILTIN_TEXTS, CharText, TextOptions, TextSource, TokenSource, UnknownCharacter, builtin_names,
    builtin_text, encode, first_token, grown_vocabulary, in_known_letters, prompt_from,
    prompt_from_file, prompt_in_form, yard_text,
};
pub use tokens::{cache_folder, check_known, show_progress, tokenizer_at, tokenizer_mark};
