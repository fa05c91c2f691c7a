//! `trainyard bench`: measures this machine, in ratios within one run.

mod devices;
mod generate;
mod kernels;
mod links;
mod noise;
mod pipeline;
mod planner;
mod predictions;
mod split;
mod steps;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};

use super::run_command::RunCommand;
use crate::app::App;
use crate::error::RunError;

/// Measure this machine
#[derive(Debug, Args)]
pub struct Bench {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// What the engine costs beside a plain Burn loop, and what a second device brings
    Pipeline(pipeline::PipelineBench),
    /// What it takes to move a tensor between devices, beside Burn's own way and a copy of memory
    Links(links::LinksBench),
    /// What kernels of ours bring beside Burn's on wgpu devices
    Kernels(kernels::KernelsBench),
    /// What the planner's split brings beside an even one and one by memory, predicted and measured
    Planner(planner::PlannerBench),
    /// How fast a model writes: on one CPU device, and split over two
    Generate(generate::GenerateBench),
    /// Whether predictions hold, over a grid of plans none of which was run before it was predicted
    Predictions(predictions::PredictionsBench),
    /// Whether predictions hold on a busy machine: measured, planned and trained beside busy threads
    Noise(noise::NoiseBench),
}

/// A bar on the terminal's error output, where that is one, for so many parts.
pub(super) fn progress(parts: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:24.cyan/dim} {pos}/{len}  {msg}");
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("━╸─");
    ProgressBar::new(parts as u64).with_style(style)
}

impl RunCommand for Bench {
    /// Measures and prints; not a success where a bench has a limit and missed it.
    ///
    /// # Errors
    /// When a device fails.
    fn run(&self, app: &App) -> Result<ExitCode, RunError> {
        match &self.what {
            What::Pipeline(bench) => pipeline::run(bench).map(|()| ExitCode::SUCCESS),
            What::Links(bench) => links::run(bench).map(|()| ExitCode::SUCCESS),
            What::Kernels(bench) => kernels::run(bench).map(|()| ExitCode::SUCCESS),
            What::Planner(bench) => planner::run(bench, app).map(|()| ExitCode::SUCCESS),
            What::Generate(bench) => generate::run(bench, app).map(|()| ExitCode::SUCCESS),
            What::Predictions(bench) => predictions::run(bench, app).map(|()| ExitCode::SUCCESS),
            What::Noise(bench) => noise::run(bench, app),
        }
    }
}
