//! The run: `trainyard` as a child process, and what it tells of itself.
//!
//! A training never runs in the window's process: a driver that crashes takes the child and not the
//! window, and a training may outlive the window. What joins the two are files.
//!
//! - [`Program`] finds `trainyard`, [`named_program`] what a run file names in its place; [`Task`] asks it something (`devices`, `measure`, …).
//! - [`Child`] is a training that was started here; [`Follower`] reads a journal while it grows;
//!   [`RunState`] folds its records into what is shown; [`RunFiles`] is what else a run directory
//!   holds.
//! - [`Conversation`] is a model that is talked with.
//! - [`Session`] ties these together for one run, started here or found on disk. The window calls
//!   [`Session::poll`] every frame.

mod child;
mod conversation;
mod end;
mod files;
mod follow;
mod journal_files;
mod metrics;
mod named;
mod program;
mod recent_steps;
mod recent_trace;
mod records;
mod series;
mod session;
mod signal;
mod state;
mod status;
mod task;
mod wake;

pub use child::{Child, ChildError, Job, OUTPUT};
pub use conversation::{Conversation, Heard, Talk, Told};
pub use end::{End, Exit};
pub use files::{
    JOURNAL, PLAN, PREDICTED_TRACE, PROFILE, RUN_FILE, RunFiles, TRACE, Trains, Writer, is_run,
};
pub use follow::{Batch, Follower, Source};
pub(crate) use journal_files::{JournalFiles, Piece};
pub use metrics::Metric;
pub use named::{NamedProgram, named_program};
pub use program::{PROGRAM_VARIABLE, Place, Program, ProgramMissing};
pub use recent_trace::TRACED_STEPS;
pub use records::{Checkpoint, Correction, DeviceMemory, MeasuredMemory, Sample};
pub use series::{Point, Series, smooth};
pub use session::{Progress, Session, SessionError};
pub use state::RunState;
pub use status::{Phase, Status};
pub use task::{Task, TaskEnd, devices};
pub use wake::Wake;
