//! Trainyard's desktop application.
//!
//! It will be the place where a model's layers are dragged between devices and where predicted and
//! measured timelines stand side by side. Today it is a window that says so. It never trains: it
//! will run `trainyard` as a child process and follow the run's journal, so a graphics driver that
//! crashes takes the child and never the window. That is why this crate may use `trainyard-plan`,
//! which has the types that cross the process boundary, and nothing else of ours.
//!
//! - [`Studio`] is the application: what is drawn. Tests drive it without a window.
//! - [`open`] puts it into a window.

mod app;
pub mod board;
pub mod desk;
pub mod export;
pub mod plans;
pub mod run;
pub mod theme;
pub mod timeline;
mod window;

pub use app::Studio;
pub use window::{WindowError, open};
