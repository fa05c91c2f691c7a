//! Formats, costs, simulator, planner and schedule search of Trainyard.
//!
//! This crate is pure: data in, data out. It never touches a device, a clock, a file or a thread,
//! and builds for wasm. The engine runs a [`Plan`] and reports a [`Trace`]; the studio draws both;
//! they agree because the types that cross a process boundary all live here.
//!
//! ```
//! use trainyard_plan::{Schedule, validate};
//!
//! let schedule = Schedule::named("1f1b", 2, 4)?;
//! assert_eq!(schedule.ranks[1][0].to_string(), "1F0");
//! validate::validate(&schedule, 2, 4)?;
//! # Ok::<(), trainyard_plan::PlanError>(())
//! ```

mod action;
mod calibrate;
pub mod compare;
pub mod costs;
mod device;
mod error;
mod file_kind;
pub mod fit;
mod idle;
pub mod journal;
mod json;
mod json_walk;
mod json_words;
mod layer_selection;
pub mod memory;
mod model;
pub mod noise;
mod plan;
pub mod planner;
mod precision;
mod prediction;
mod profile;
mod profile_scale;
mod quantile;
mod schedule;
pub mod schedule_search;
pub mod simulate;
mod table_columns;
mod tensor_limits;
mod trace;
pub mod validate;

pub use action::{Action, ActionKind};
pub use calibrate::{calibrate, fit_step};
pub use device::{
    Api, ComputeProbe, DeviceInfo, DeviceKind, DeviceLink, DeviceList, MemoryInfo, MemorySource,
};
pub use error::PlanError;
pub use file_kind::{FileKind, OtherFile};
pub use memory::MemoryUse;
pub use model::{BatchTensor, LayerProfile, ModelProfile, TensorProfile, Tensors};
pub use noise::Noise;
pub use plan::{Plan, Predicted, PredictedDevice, Recompute, Stage};
pub use precision::Precision;
pub use profile::{
    DeviceProfile, FixedTimes, LinkCost, LinkProfile, OptimizerTime, Profile, SequencesKept,
};
pub use schedule::{
    Chunks, CsvRemark, CsvSchedule, Place, Schedule, ScheduleKind, ScheduleRequest, Slice,
};
pub use table_columns::{TableColumn, TableColumns};
pub use tensor_limits::{TensorLimits, TensorTooLarge};
pub use trace::{
    Lane, MemorySample, Trace, TraceBuilder, TraceDevice, TraceEvent, chrome, foreign, text,
};
