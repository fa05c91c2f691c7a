//! `trainyard bench`: measures this machine, in ratios within one run.

mod blocks;
mod pipeline;

use clap::{Args, Subcommand};

use crate::error::RunError;

/// `trainyard bench …`
#[derive(Debug, Args)]
pub struct Bench {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// What the engine costs beside a plain Burn loop, and what a second device brings
    Pipeline(pipeline::PipelineBench),
}

/// Measures and prints.
///
/// # Errors
/// When a device fails.
pub fn run(bench: &Bench) -> Result<(), RunError> {
    match &bench.what {
        What::Pipeline(bench) => pipeline::run(bench),
    }
}
