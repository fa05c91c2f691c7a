//! The objective's metrics over a run.

use std::collections::BTreeMap;

use super::series::Series;

/// Metrics kept at most: an objective has a handful, and a journal may be anybody's.
const MOST: usize = 64;

/// A metric of the objective, such as accuracy.
#[derive(Clone, Debug, Default)]
pub struct Metric {
    /// Over each batch.
    pub training: Series,
    /// Over validation data.
    pub validation: Series,
}

/// The metrics of a run by name.
#[derive(Clone, Debug, Default)]
pub(super) struct Metrics(BTreeMap<String, Metric>);

impl Metrics {
    /// Adds those of a step.
    pub(super) fn note_step(&mut self, step: u64, values: &BTreeMap<String, f64>) {
        self.each(values, |metric, value| metric.training.push(step, value));
    }

    /// Adds those of a validation after a step.
    pub(super) fn note_validation(&mut self, step: u64, values: &BTreeMap<String, f64>) {
        self.each(values, |metric, value| metric.validation.push(step, value));
    }

    fn each(&mut self, values: &BTreeMap<String, f64>, note: impl Fn(&mut Metric, f64)) {
        for (name, value) in values {
            if self.0.len() < MOST || self.0.contains_key(name) {
                note(self.0.entry(name.clone()).or_default(), *value);
            }
        }
    }

    /// Forgets what came after a step.
    pub(super) fn cut_after(&mut self, step: u64) {
        for metric in self.0.values_mut() {
            metric.training.cut_after(step);
            metric.validation.cut_after(step);
        }
    }

    pub(super) fn by_name(&self) -> &BTreeMap<String, Metric> {
        &self.0
    }
}
