//! Loss and metrics over validation data on the split model.

use trainyard_engine::{Metrics, Pipeline};

use crate::error::RunError;
use crate::setup::TrainingSetup;

/// Loss and metrics over data that were not trained on.
#[derive(Clone, Debug, Default)]
pub struct Evaluated {
    /// Mean loss.
    pub loss: f64,
    /// Metrics by name.
    pub metrics: Metrics,
    /// Number of rows.
    pub rows: u64,
    /// Number of what was predicted: tokens of a text, else rows.
    pub items: u64,
    /// Whether that was all of the validation data.
    pub whole: bool,
}

/// Runs the validation data through the model; at most `limit` batches. `go_on` is asked before each,
/// told how many are done and of how many; where it says no there is no result.
///
/// # Errors
/// When the data cannot be read any more, or a device fails.
pub fn evaluate(
    setup: &TrainingSetup,
    pipeline: &mut Pipeline,
    limit: Option<usize>,
    go_on: &mut dyn FnMut(u64, u64) -> bool,
) -> Result<Option<Evaluated>, RunError> {
    let (mut all, mut weight) = (Evaluated::default(), 0.0);
    let there_are = setup.validation_batches()?;
    let wanted = limit.map_or(there_are, |limit| there_are.min(limit as u64));
    let slices = pipeline.plan().schedule.slices;
    for (done, micro_batches) in (0..).zip(setup.validation(limit, slices)?) {
        if !go_on(done, wanted) {
            return Ok(None);
        }
        let micro_batches = micro_batches?;
        // Slices are of the same rows.
        let firsts = micro_batches.iter().filter(|micro_batch| micro_batch.slice.is_first());
        all.rows += firsts.map(|micro_batch| micro_batch.rows as u64).sum::<u64>();
        let batch = pipeline.evaluate(micro_batches)?;
        all.loss += batch.loss * batch.count;
        for (name, value) in batch.metrics {
            *all.metrics.entry(name).or_default() += value * batch.count;
        }
        weight += batch.count;
    }
    if weight > 0.0 {
        all.loss /= weight;
        all.metrics.values_mut().for_each(|value| *value /= weight);
    }
    setup.job.objective.summarize(all.loss, &mut all.metrics);
    // An objective that counts tokens knows which of a row's are predicted.
    all.items = match setup.job.objective.unit() {
        "tokens" => weight.round() as u64,
        _ => all.rows * setup.data()?.info().items_per_row,
    };
    all.whole = wanted == there_are;
    Ok(Some(all))
}
