//! The library behind the program `trainyard`: run files, data, the training loop, run
//! directories, and the commands.
//!
//! The way of a training: [`config`] reads the run file, [`setup`] finds data, model and devices and
//! makes the plan, [`train`] runs the steps and writes what happens into the [`run_dir`] by way of
//! the [`journal`]. To add a command: a file in [`commands`] and a line in its list.

mod app;
mod cache;
pub mod cli;
mod command_line;
pub mod commands;
pub mod config;
pub mod error;
pub mod evaluate;
mod files;
mod generation;
mod interrupt;
pub mod journal;
mod learning_rate;
mod progress;
mod room;
pub mod run_dir;
pub mod setup;
mod tokenizing;
pub mod train;
mod validations;

pub use app::App;
pub use command_line::{main, main_with};
pub use error::RunError;
pub use trainyard_config::keys;
pub use trainyard_models::{OwnRecipe, Recipe, nn};
pub use {trainyard_data as data, trainyard_engine as engine, trainyard_plan as plan};

/// What a program with a model of its own needs.
pub mod prelude {
    pub use trainyard_config::{self, keys};
    pub use trainyard_data::{Batch, DataError, DataSource, HostTensor, Samples};
    pub use trainyard_engine::{
        BinaryCrossEntropy, CrossEntropy, LayerSpec, Layers, MeanSquaredError, Objective,
    };
    pub use trainyard_models::{OwnRecipe, Recipe};

    pub use crate::main_with;
}

/// Counts what the CPU devices hold, in every program that uses this library.
#[global_allocator]
static ALLOCATOR: trainyard_engine::memory::CountingAllocator =
    trainyard_engine::memory::CountingAllocator;
