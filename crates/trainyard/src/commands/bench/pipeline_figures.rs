//! What `trainyard bench pipeline` prints.

use std::io::Write;

use serde::Serialize;

use super::blocks::{BLOCKS, MICRO_BATCHES, ROWS};
use super::pipeline::PipelineBench;

/// What was measured, medians over the rounds; ratios are taken within a round.
#[derive(Debug, Serialize)]
pub(super) struct Figures {
    pub(super) format: &'static str,
    pub(super) version: u64,
    pub(super) devices: Vec<String>,
    pub(super) schedule: String,
    pub(super) plain_burn_ms: f64,
    pub(super) one_device_ms: f64,
    pub(super) all_devices_ms: f64,
    /// The whole batch at once through one graph with a `to_device` in it.
    pub(super) naive_ms: f64,
    pub(super) rows_per_s: f64,
    /// One stage on one device ÷ plain Burn loop.
    pub(super) overhead: f64,
    /// One stage on one device ÷ the same without a trace.
    pub(super) tracing: f64,
    /// One stage with split backwards ÷ with whole ones.
    pub(super) splitting: f64,
    /// One device ÷ all devices.
    pub(super) speed_up: f64,
    /// All devices under 1F1B ÷ under the schedule.
    pub(super) over_1f1b: f64,
    /// `to_device` in one graph ÷ all devices.
    pub(super) over_naive: f64,
    /// Speed of a device beside the others, each with a model of its own, ÷ alone.
    pub(super) interference: f64,
    /// The schedule's bound, as simulated from measured times with links that take no time.
    pub(super) bound: f64,
    /// p·m ÷ (m + p − 1).
    pub(super) closed_form: f64,
}

/// The bound of `gpipe` and `1f1b` where all stages are equal: p·m ÷ (m + p − 1).
pub(super) fn closed_form(ranks: usize, micro_batches: usize) -> f64 {
    let (ranks, count) = (ranks as f64, micro_batches as f64);
    ranks * count / (count + ranks - 1.0)
}

pub(super) fn print(figures: &Figures, bench: &PipelineBench) -> std::io::Result<()> {
    let out = &mut std::io::stdout();
    if bench.json {
        serde_json::to_writer_pretty(&mut *out, figures)?;
        return writeln!(out);
    }
    let Figures { bound, interference, speed_up, .. } = figures;
    writeln!(
        out,
        "{BLOCKS} residual blocks 256→1024→256, {MICRO_BATCHES} micro-batches of {ROWS} rows, on \
         {};\nmedians of {} rounds, ratios within a round\n\n\
         plain Burn loop             {:8.1} ms a step\n\
         one stage on one device     {:8.1} ms   {:+.1} % beside that; tracing costs {:+.1} %, \
         splitting the backward {:+.1} %\n\
         to_device in one graph      {:8.1} ms\n\
         {:<27} {:8.1} ms   {speed_up:.2}× one device, {:.2}× to_device in one graph, \
         {:.2}× 1f1b; {:.0} rows/s\n\n\
         the bound of {} is {bound:.2}× (p·m/(m+p−1) is {:.2}×): {:.0} % of it are reached\n\
         side by side, a device has {:.0} % of its speed alone: {:.0} % of the bound with that",
        figures.devices.join(", "),
        bench.rounds.max(1),
        figures.plain_burn_ms,
        figures.one_device_ms,
        100.0 * (figures.overhead - 1.0),
        100.0 * (figures.tracing - 1.0),
        100.0 * (figures.splitting - 1.0),
        figures.naive_ms,
        format!("{} on {} devices", figures.schedule, figures.devices.len()),
        figures.all_devices_ms,
        figures.over_naive,
        figures.over_1f1b,
        figures.rows_per_s,
        figures.schedule,
        figures.closed_form,
        100.0 * speed_up / bound,
        100.0 * interference,
        100.0 * speed_up / (bound * interference),
    )
}
