//! `trainyard bench pipeline`: the engine against a plain Burn loop, against what a tutorial says,
//! against PyTorch's own pipelining, and several devices against one.

mod blocks;
mod bound;
mod contenders;
mod figures;
mod print;
mod stepper;
mod torch;
mod transfers;

use std::io::Write;

use clap::Args;
use trainyard_plan::{Api, Schedule};

use super::devices::hardware;
use crate::cli::at_least_one;
use crate::error::RunError;
use blocks::{MICRO_BATCHES, Shape};
use bound::{bound, closed_form};
use contenders::Contenders;
use figures::{Figures, Rounds};
use torch::Torch;
use transfers::Transfers;

/// `trainyard bench pipeline`
#[derive(Debug, Args)]
pub(super) struct PipelineBench {
    /// The devices that the pipeline runs on, by adapter, in the order of its ranks; the first is the one
    /// that they are measured against
    #[arg(long, value_name = "ADAPTER,…", value_delimiter = ',', default_value = "cpu,cpu")]
    devices: Vec<String>,
    /// The schedule
    #[arg(long, value_name = "NAME", default_value = "1f1b")]
    schedule: String,
    #[command(flatten)]
    shape: Shape,
    /// Rounds; in each, every contender takes a few steps, and ratios are taken within the round
    #[arg(long, default_value_t = 9, value_parser = at_least_one::<usize>)]
    rounds: usize,
    /// Where all devices are CPUs: the Python whose PyTorch runs the same model beside, under 1F1B; it is
    /// left out where that has none
    #[arg(long, value_name = "PROGRAM", default_value = "python3")]
    python: String,
    /// Print JSON for machines
    #[arg(long)]
    json: bool,
}

/// Measures and prints.
///
/// # Errors
/// When there is no such device, the schedule does not suit, or a device fails.
pub(super) fn run(bench: &PipelineBench) -> Result<(), RunError> {
    let hardware = hardware(&bench.devices)?;
    let (shape, ranks) = (bench.shape, hardware.len());
    let schedule = Schedule::named(&bench.schedule, ranks, MICRO_BATCHES)?;
    let torch = if hardware.iter().all(|device| device.api == Api::Cpu) {
        Torch::start(&bench.python, shape, ranks)
    } else {
        Torch::Skipped("its pipelining is measured on CPU devices alone".to_owned())
    };
    // The first round warms up: caches, pools, moments.
    let rounds = bench.rounds.max(1);
    let mut contenders = Contenders::new(shape, &hardware, &schedule, torch, rounds + 1)?;
    contenders.round()?;
    contenders.warmed_up();
    let measured = (0..rounds).map(|_| contenders.round());
    let measured = measured.collect::<Result<Vec<_>, _>>()?;
    contenders.done();
    let [one, split] = contenders.of_one_device()?;
    let bound = bound(&schedule, &one, &split);
    let of_plan = stepper::plan(schedule, |rank| rank.to_string());
    let transfers = (ranks > 1).then(|| Transfers::of(shape, &hardware, &of_plan)).transpose()?;

    let mut of = Rounds::new(&measured);
    let all_devices_ms = of.time(|round| round.all);
    let figures = Figures {
        format: "trainyard-bench-pipeline",
        version: 4,
        devices: hardware.iter().map(|hardware| hardware.adapter.clone()).collect(),
        schedule: bench.schedule.clone(),
        width: shape.width(),
        inner: shape.inner(),
        rows: shape.rows(),
        rounds,
        plain_burn_ms: of.time(|round| round.plain),
        one_device_ms: of.time(|round| round.one),
        all_devices_ms,
        naive_ms: of.time(|round| round.naive),
        rows_per_s: (MICRO_BATCHES * shape.rows()) as f64 * 1e3 / all_devices_ms,
        overhead: of.ratio("overhead", |round| round.one / round.plain),
        tracing: of.ratio("tracing", |round| round.one / round.untraced),
        splitting: of.ratio("splitting", |round| round.split / round.one),
        speed_up: of.ratio("speed_up", |round| round.one / round.all),
        over_1f1b: of.ratio("over_1f1b", |round| round.one_f_one_b / round.all),
        over_naive: of.ratio("over_naive", |round| round.naive / round.all),
        interference: of.ratio("interference", |round| round.one / round.side_by_side),
        bound: bound.unwrap_or_else(|| closed_form(ranks, MICRO_BATCHES)),
        closed_form: closed_form(ranks, MICRO_BATCHES),
        links: transfers.map(|transfers| of.links(transfers)),
        torch: of.torch(contenders.torch.version(), shape, MICRO_BATCHES),
        intervals: of.intervals,
    };
    let out = &mut std::io::stdout();
    let printed = if bench.json {
        let json = serde_json::to_string_pretty(&figures);
        writeln!(out, "{}", json.map_err(|error| RunError::config(error.to_string()))?)
    } else {
        print::print(out, &figures)
    };
    printed.map_err(RunError::io("write to", "the terminal"))
}
