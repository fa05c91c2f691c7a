//! The library behind the program `trainyard`: run files, data, the training loop, run
//! directories, and the commands.
//!
//! The way of a training: [`config`] reads the run file, [`setup`] finds data, model and devices and
//! makes the plan, [`train`] runs the steps and writes what happens into the [`run_dir`] by way of
//! the [`journal`]. To add a command: a file in [`commands`] and a line in [`cli`].

mod cache;
pub mod cli;
pub mod commands;
pub mod config;
pub mod data;
pub mod error;
mod files;
mod interrupt;
pub mod journal;
mod learning_rate;
mod progress;
pub mod run_dir;
mod sampler;
pub mod setup;
pub mod train;

pub use error::RunError;
