//! Trainyard's desktop application.
//!
//! A person sees what their machine has, sees a model as layers on devices, drags layers between
//! them while the step is predicted anew under the pointer, presses Run, and watches the measured
//! timeline grow beside the prediction. The studio never trains: it runs `trainyard` as a child
//! process and follows the run's journal, so a graphics driver that crashes takes the child and
//! never the window. That is why this crate may use `trainyard-plan`, which has the types that cross
//! the process boundary, and nothing else of ours.
//!
//! - [`document`] is what is worked on, without a window: arrangements of layers, edits, undo.
//!   [`fine_tuning`] is a fine-tuning that is being described.
//! - [`state`] is all that is known, in parts that update themselves from a [`message`]. What concerns
//!   several parts (a [`command`], an [`event`]) `update` turns into messages for each, and into an
//!   [`effect`] where something is to be done outside the state; `effects` carries these out.
//! - Views draw from the state and push messages: [`board`], [`plans`], [`timeline`], [`run_panel`]
//!   and `fine_tuning_panel` in the [`panels`], `shell` around them. None changes the state.
//! - [`open`](mod@open) tells files apart and reads them, [`run`] starts and watches trainings,
//!   [`export`] writes what is drawn.
//! - [`Studio`] is the application: it draws one frame after the other. Tests drive it without a
//!   window. [`open_window`] puts it into one.

mod app;
mod background;
pub mod board;
mod bytes_field;
mod change;
mod chat_panel;
pub mod command;
pub mod document;
pub mod effect;
mod effects;
mod error_dialog;
pub mod event;
pub mod export;
pub mod fine_tuning;
mod fine_tuning_panel;
mod hatch;
mod human_time;
mod layout;
pub mod menus;
pub mod message;
pub mod open;
pub mod panel;
pub mod panel_info;
pub mod panels;
mod paths;
mod persistence;
pub mod plan_search;
pub mod plans;
mod prediction_error;
pub mod run;
mod run_file;
pub mod run_panel;
mod sentence;
mod shell;
mod shortcuts;
pub mod shown;
pub mod state;
pub mod theme;
pub mod timeline;
mod under_way;
mod update;
mod views;
mod window;

pub use app::Studio;
pub use error_dialog::ErrorDialog;
pub use layout::Layout;
pub use persistence::{FirstSteps, Persisted, ProgramAnswer, ProgramAnswers, Recent, Settings};
pub use under_way::{Inquiry, Inspection, Reading, Writing};
pub use window::{Options, Screenshot, WindowError, open_window};
