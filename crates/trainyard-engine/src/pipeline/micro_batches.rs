//! The micro-batches that a pipeline is given for a step.

use trainyard_plan::PlanError;

use super::{MicroBatch, Pipeline};

impl Pipeline {
    /// How much each counts.
    pub(super) fn counts(&self, micro_batches: &[MicroBatch]) -> Vec<f64> {
        micro_batches.iter().map(|micro_batch| self.objective.count(micro_batch)).collect()
    }

    /// Refuses micro-batches that the plan was not made for, and slices that are not in its order.
    pub(super) fn check_micro_batches(
        &self,
        micro_batches: &[MicroBatch],
    ) -> Result<(), PlanError> {
        let bad = |what: &str, value: usize, must: String| {
            Err(PlanError::BadNumber { what: what.into(), value: value.to_string(), must })
        };
        let (given, planned) = (micro_batches.len(), self.plan.micro_batches);
        if given != planned {
            let must = format!("{planned}, as the plan says");
            return bad("the number of micro-batches", given, must);
        }
        let planned = self.options.rows;
        for (index, MicroBatch { slice, .. }) in micro_batches.iter().enumerate() {
            let wanted = self.plan.schedule.slice_of(index);
            if *slice != wanted {
                return Err(PlanError::BadNumber {
                    what: format!("the slice that micro-batch {index} is"),
                    value: format!("{} of {}", slice.index, slice.of),
                    must: format!("{} of {}, as the plan says", wanted.index, wanted.of),
                });
            }
        }
        match micro_batches.iter().find(|micro_batch| !(1..=planned).contains(&micro_batch.rows)) {
            None => Ok(()),
            Some(micro_batch) => {
                let must = format!("from 1 to {planned}, for which memory was set aside");
                bad("the number of rows of a micro-batch", micro_batch.rows, must)
            }
        }
    }
}
