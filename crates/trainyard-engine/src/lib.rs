//! Runs a [`Plan`](trainyard_plan::Plan) on devices.
//!
//! A [`Model`] is an ordered list of [`Layer`]s. A [`Device`] has an id, a memory capacity, and
//! `allocate` and `release` for parts of a model. A [`Pipeline`] distributes the model's layers
//! over devices as a plan says, runs forward and backward through the parts, adds up gradients and
//! updates the weights. What comes out equals training the whole model on one device.
//!
//! `examples/two_parts.rs` is the smallest complete use.

// The adapters of the tests in `tests/` are those of the tests inside, too.
#[cfg(test)]
extern crate self as trainyard_engine;

mod activity;
#[cfg(test)]
#[path = "../tests/adapter/mod.rs"]
mod adapter;
pub mod checkpoint;
mod compute_thread;
mod concurrency;
mod derive;
mod device;
pub mod discover;
mod error;
#[cfg(test)]
mod executor_tests;
mod fault;
mod generator;
mod gpu;
mod host_room;
pub mod kernels;
mod layer;
mod layers;
mod link;
mod loss_scale;
pub mod measure;
pub mod memory;
mod micro_batch;
mod model;
mod objective;
pub mod open;
pub mod optimizer;
mod pipeline;
mod precision;
mod queue;
mod stage;
mod tensor;
mod tie;
mod weight;
mod weight_half;
mod wire;
mod wiring;
mod worker;

pub use derive::{DeriveSettings, derive_profile, derive_profile_in};
pub use device::{Device, Part};
pub use error::{CheckpointFault, EngineError};
pub use fault::silence_worker_panics;
pub use generator::next_seed;
pub use gpu::DeviceClock;
pub use host_room::check_host_room;
pub use kernels::{portable_kernels, with_portable_kernels};
pub use layer::{AnyLayer, ErasedLayer, ForwardContext, Layer, erase, mix};
pub use layers::Layers;
pub use link::LinkWay;
pub use loss_scale::LossScale;
pub use micro_batch::MicroBatch;
pub use model::{LayerSpec, Model, SharedWeight, no_such_layer};
pub use objective::{
    BinaryCrossEntropy, CrossEntropy, Loss, MeanSquaredError, Metrics, Objective, Scores,
};
pub use optimizer::{AdamW, GroupedOptimizer, Optimizer, WeightRole, WeightSpec};
pub use pipeline::{Evaluation, Measured, Options, Pipeline, Sequences, StepResult};
pub use precision::{computes_in, precision, sixteen_bits, with_precision};
pub use tensor::{GiveTensors, HostTensors, TakeTensors, Tensors, Value};
pub use trainyard_config::WireFormat;
pub use trainyard_plan::{Precision, Slice};
pub use weight::weight;
pub use weight_half::{WeightHalf, compute_or_keep};
