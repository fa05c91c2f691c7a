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
    /// Number of what the rows hold: tokens of a text, else rows.
    pub items: u64,
}

/// Runs the validation data through the model; at most `limit` batches.
///
/// # Errors
/// When the data cannot be read any more, or a device fails.
pub fn evaluate(
    setup: &TrainingSetup,
    pipeline: &mut Pipeline,
    limit: Option<usize>,
) -> Result<Evaluated, RunError> {
    let (mut all, mut weight) = (Evaluated::default(), 0.0);
    for micro_batches in setup.validation(limit)? {
        let micro_batches = micro_batches?;
        all.rows += micro_batches.iter().map(|micro_batch| micro_batch.rows as u64).sum::<u64>();
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
    all.items = all.rows * setup.data()?.info().items_per_row;
    Ok(all)
}
