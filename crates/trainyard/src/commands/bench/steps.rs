//! Steps of a run file's training, timed.

use std::time::Instant;

use trainyard_engine::{Measured, Pipeline};

use crate::error::RunError;
use crate::setup::TrainingSetup;

/// What steps took and held.
#[derive(Default)]
pub(super) struct Timed {
    /// The time of each, µs.
    pub(super) times_us: Vec<f64>,
    /// By rank: the most that it held, bytes, where somebody counts.
    pub(super) peak_bytes: Vec<Option<u64>>,
}

/// Trains from the first step and the first data on until it is enough.
///
/// # Errors
/// When a device fails or the data cannot be read.
pub(super) fn train_until(
    setup: &TrainingSetup,
    mut pipeline: Pipeline,
    enough: impl Fn(&[f64]) -> bool,
) -> Result<Timed, RunError> {
    let mut timed = Timed::default();
    let peaks = |measured: Measured| {
        measured.usage.into_iter().map(|usage| usage.map(|(_, peak)| peak)).collect()
    };
    while !enough(&timed.times_us) {
        let step = timed.times_us.len() as u64 + 1;
        let rows = setup.config.train.batch;
        let cursor = setup.first_cursor().advanced(rows * (step as usize - 1));
        let data = setup.micro_batches(cursor, pipeline.plan().schedule.slices)?;
        let start = Instant::now();
        let result = pipeline.step(step, setup.config.train.learning_rate, data)?;
        timed.times_us.push(start.elapsed().as_nanos() as f64 / 1e3);
        timed.peak_bytes = peaks(result.measured);
    }
    Ok(timed)
}
