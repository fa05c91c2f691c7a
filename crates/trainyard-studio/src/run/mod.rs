//! The run: `trainyard` as a child process, and what it tells of itself.
//!
//! A training never runs in the window's process: a driver that crashes takes the child and not the
//! window, and a training may outlive the window. What joins the two are files.
//!
//! - [`Program`] finds `trainyard`; [`Task`] asks it something (`devices`, `measure`, …).
//! - [`Child`] is a training that was started here; [`Follower`] reads a journal while it grows;
//!   [`RunState`] folds its records into what is shown; [`RunFiles`] is what else a run directory
//!   holds.
//! - [`Session`] ties these together for one run, started here or found on disk. The window calls
//!   [`Session::poll`] every frame and draws what it says with [`RunPanel`].

mod child;
mod end;
mod files;
mod follow;
mod panel;
mod program;
mod series;
mod session;
mod signal;
mod state;
mod task;
mod told;

use std::sync::Arc;

pub use child::{Child, ChildError, Job, OUTPUT};
pub use end::{End, Exit};
pub use files::{
    JOURNAL, PLAN, PREDICTED_TRACE, PROFILE, Prediction, RUN_FILE, RunFiles, TRACE, Writer, is_run,
};
pub use follow::{Batch, Follower, Source};
pub use panel::{Choice, RunPanel, RunWish, ask_before_closing};
pub use program::{PROGRAM_VARIABLE, Place, Program, ProgramMissing};
pub use series::{Point, Series, smooth};
pub use session::{Phase, Progress, Session, SessionError, Status};
pub use state::{RunState, TRACED_STEPS};
pub use task::{Task, TaskEnd, devices};
pub use told::{Checkpoint, DeviceMemory, MeasuredMemory, Sample};

/// Makes the window draw again. It is called from other threads: `Context::request_repaint`.
pub type Wake = Arc<dyn Fn() + Send + Sync>;
