//! Trainyard's desktop application.
//!
//! A person sees what their machine has, sees a model as layers on devices, drags layers between
//! them while the step is predicted anew under the pointer, presses Run, and watches the measured
//! timeline grow beside the prediction. The studio never trains: it runs `trainyard` as a child
//! process and follows the run's journal, so a graphics driver that crashes takes the child and
//! never the window. That is why this crate may use `trainyard-plan`, which has the types that cross
//! the process boundary, and nothing else of ours.
//!
//! - [`desk`] is what is worked on, without a window: arrangements of layers, edits, undo.
//! - [`board`], [`plans`], [`timeline`] and [`run`] are the four panels. A panel is shown what is on
//!   the desk and says what a person wants; `panels` joins them.
//! - [`open`](mod@open) tells files apart and reads them, [`export`] writes what is drawn;
//!   [`command`] lists what can be done.
//! - [`Studio`] is the application: what is drawn, and what commands do. Tests drive it without a
//!   window. [`open_window`] puts it into one.

mod app;
mod background;
pub mod board;
mod change;
mod closing;
pub mod command;
pub mod desk;
mod dialogs;
pub mod export;
mod hatch;
mod human_time;
mod kept;
pub mod open;
mod opening;
mod panels;
mod perform;
pub mod plans;
mod prediction_error;
pub mod run;
mod run_file;
mod running;
mod saving;
mod shell;
pub mod theme;
pub mod timeline;
mod window;

pub use app::Studio;
pub use kept::{FirstSteps, Kept, Recent, Settings};
pub use shell::layout::{Layout, Panel};
pub use shell::trouble::Trouble;
pub use window::{Options, Screenshot, WindowError, open_window};
