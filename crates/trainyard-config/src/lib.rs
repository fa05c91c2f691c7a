//! Run files of Trainyard: keys declared once, read with line and column, listed and written.
//!
//! A key is declared with its name, doc, default and check by [`keys!`]. From the declaration come
//! the reader with its messages and suggestions ([`Keys::read`]), the list that `trainyard keys`
//! prints ([`listing`]), the JSON Schema for editors ([`schema::schema`]) and the resolved file
//! ([`RunConfig::to_toml`]).
//!
//! Sections are of two sorts. `[train]`, `[pipeline]`, `[run]`, `[[device]]` and
//! `[[optimizer.group]]` are the same for every run: [`sections`] declares them. `[model]`, `[data]` and `[optimizer]` depend on a `kind`:
//! recipes, data sources and optimizers declare their keys as a [`KeyGroup`], and whoever loads a
//! run file hands the groups in.
//!
//! The way of a file: [`Document`] remembers where every value stands, `set` puts the `--set
//! key=value` arguments over it, `known` refuses names that no section has, [`SectionReader`] turns
//! values into typed ones, and [`RunConfig`] puts the sections together.
//!
//! A path is relative to the place it is written in: the folder of the run file, or the working
//! directory for a `--set`. A loaded config holds absolute paths.
//!
//! ```
//! use trainyard_config::{Document, Keys, keys};
//!
//! keys! {
//!     /// A network that looks both ways.
//!     pub struct Options in "model" {
//!         /// Layers.
//!         layers: usize = 4, in 1..=100;
//!         /// Share of activations dropped in training.
//!         dropout: f64 = 0.0, in 0.0..1.0;
//!     }
//! }
//!
//! let document = Document::parse("[model]\nlayers = 400", "run.toml".as_ref())?;
//! let refused = Options::read(&document.section("model")?).unwrap_err();
//! assert_eq!(
//!     refused.to_string(),
//!     "run.toml:2:10: model.layers is 400, but must be from 1 to 100"
//! );
//! assert_eq!(Options::keys()[1].default.as_deref(), Some("0.0"));
//! # Ok::<(), trainyard_config::ConfigError>(())
//! ```

mod document;
mod error;
mod file;
mod key;
mod kinds;
mod known;
mod limit;
pub mod listing;
mod macros;
mod moved;
mod names;
mod not_toml;
mod run_config;
pub mod schema;
mod section;
pub mod sections;
mod set;
mod value;
mod write;

#[cfg(test)]
mod tests;

pub use document::Document;
pub use error::{BadKey, ConfigError, ConfigProblem, must};
pub use file::{check_file, read_file};
pub use key::{Entry, Key, KeyGroup, Keys};
pub use limit::{Bounds, Limit};
pub use names::{list, nearest};
pub use run_config::{DataSection, KindSection, RunConfig};
pub use section::SectionReader;
pub use sections::{
    BlockFormat, DeviceSection, LearningRateSchedule, LoraSection, LoraTarget, OptimizerGroup,
    PipelineSection, RecomputeChoice, RunSection, TrainMethod, TrainSection, WireFormat,
};
pub use value::{ByteSize, Choice, KeyType, Show, SliceCount, ValueContext};

/// What the macros of this crate need where they are used.
#[doc(hidden)]
pub mod __private {
    pub use serde;
    pub use serde_json;
    pub use toml;

    pub use crate::key::{doc, entry, key};
    pub use crate::section::derive;
    pub use crate::value::{choice_schema, read_choice};
}
