//! What leaves the studio: pictures, tables, traces, and the command that trains without it.
//!
//! - [`Drawing`] is a panel drawn without a window; [`svg`] writes what egui painted in it as
//!   text, [`png`] has it painted by the graphics card.
//! - [`data`] and [`stages`] write what is drawn as tables, [`perfetto`] as a trace for Perfetto.
//! - [`command_line`] says how to train the same plan without the studio.
//! - [`write_atomic`] and [`write_with`] put any of it into a file that is never half-written.
//!
//! ```
//! use trainyard_plan::Trace;
//! use trainyard_studio::export;
//!
//! let folder = tempfile::tempdir()?;
//! let trace = Trace::default();
//! export::write_with(&folder.path().join("events.csv"), |out| {
//!     export::data::events_csv(&trace, out)
//! })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod command;
mod csv;
pub mod data;
mod drawing;
mod error;
mod file;
pub mod perfetto;
pub mod png;
pub mod stages;
pub mod svg;

pub use command::{Shell, Training, command_line, on_run_file};
pub use drawing::Drawing;
pub use error::ExportError;
pub use file::{write_atomic, write_with};
