//! Checks that slices of the same rows come in an order in which they can be computed.

use std::collections::BTreeMap;

use super::bad;
use crate::{ActionKind, PlanError, Schedule, Slice};

/// Refuses a number of micro-batches of which the last rows would lack slices.
pub(crate) fn whole_rows(micro_batches: usize, slices: usize) -> Result<(), PlanError> {
    let refuse = |what: &str, value: usize, must: String| {
        Err(PlanError::BadNumber { what: what.to_owned(), value: value.to_string(), must })
    };
    if slices == 0 {
        return refuse("slices", 0, "at least 1".to_owned());
    }
    if !micro_batches.is_multiple_of(slices) {
        let must = format!("a multiple of the {slices} slices, as each slice counts as one");
        return refuse("micro_batches", micro_batches, must);
    }
    Ok(())
}

/// Checks the order of the slices of a stage: forward from the first to the last, as each looks back at
/// those before; backward from the last to the first, as each gives gradients to those before. Every
/// action is known to be there once.
pub(super) fn check(schedule: &Schedule) -> Result<(), PlanError> {
    if schedule.slices == 1 {
        return Ok(());
    }
    // By stage and rows, forward and backward: how many slices there have been.
    let mut done: BTreeMap<(usize, usize), [usize; 2]> = BTreeMap::new();
    for (rank, row) in schedule.ranks.iter().enumerate() {
        for (position, action) in row.iter().enumerate() {
            let rows = action.micro_batch / schedule.slices;
            let Slice { index, of } = schedule.slice_of(action.micro_batch);
            let [forwards, backwards] = done.entry((action.stage, rows)).or_default();
            let (seen, place, order) = match action.kind {
                ActionKind::Forward => (forwards, index, "forwards go from the first to the last"),
                ActionKind::Backward | ActionKind::InputGrad => {
                    (backwards, of - 1 - index, "backwards go from the last to the first")
                }
                _ => continue,
            };
            if *seen != place {
                let reason = format!(
                    "it is slice {index} of {of} of its rows, which is not the next: {order} slice"
                );
                return Err(bad(schedule, rank, position, action, &reason));
            }
            *seen += 1;
        }
    }
    Ok(())
}
