//! Runs a [`Plan`](trainyard_plan::Plan) on devices.
//!
//! A [`Model`] is an ordered list of [`Layer`]s. A [`Device`] has an id, a memory capacity, and
//! `allocate` and `release` for parts of a model. A [`Pipeline`] distributes the model's layers
//! over devices as a plan says, runs forward and backward through the parts, adds up gradients and
//! updates the weights. What comes out equals training the whole model on one device.
//!
//! `examples/two_parts.rs` is the smallest complete use.

pub mod checkpoint;
mod compute_thread;
mod device;
pub mod discover;
mod error;
mod fault;
mod layer;
mod link;
pub mod measure;
pub mod memory;
mod model;
pub mod open;
pub mod optimizer;
mod pipeline;
mod stage;
mod tie;
mod value;
mod worker;

pub use device::{Device, Part};
pub use error::EngineError;
pub use fault::silence_worker_panics;
pub use layer::{
    AnyLayer, ForwardContext, Layer, PlacedLayer, WeightUpdate, mix, place, weight,
};
pub use model::{Model, Tie};
pub use optimizer::{AdamW, GroupedOptimizer, Optimizer, WeightRole, WeightSpec};
pub use pipeline::{Measured, MicroBatch, Options, Pipeline, StepResult};
pub use value::{Activation, Value};
