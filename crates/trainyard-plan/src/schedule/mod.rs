//! Schedules as data, and the named kinds that build them, a file each.
//!
//! A kind implements [`ScheduleKind`] in a file of its own here and is named in `BUILT_IN` of
//! `registry`; another crate adds one with [`Schedule::register`]. The planner, the validator and
//! the property tests then find it by its name.

mod csv;
mod dual_pipe_v;
mod gpipe;
mod interleaved;
mod kind;
mod one_by_one;
mod one_f_one_b;
mod registry;
mod request;
mod slices;
mod table;
mod transform;
mod v;
mod v_block;
mod zb_h;
mod zb_v;

pub use csv::{CsvRemark, CsvSchedule, Place};
pub use kind::{Chunks, ScheduleKind};
pub(crate) use one_by_one::OneByOne;
pub(crate) use registry::registered;
pub use request::ScheduleRequest;
pub use slices::Slice;
pub(crate) use slices::in_flight;
pub use table::Schedule;
pub(crate) use transform::transfers_of;
