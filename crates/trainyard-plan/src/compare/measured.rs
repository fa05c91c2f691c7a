//! What was measured of a run, for the comparison.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Trace, TraceEvent};

/// Measurements of a run.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    /// Its actions.
    pub trace: Trace,
    /// The steps to compare with the time each took, µs: those that are warm.
    pub steps: Vec<(u64, f64)>,
    /// By device of the trace: the most it held, bytes, where it was counted.
    pub peak_bytes: Vec<Option<u64>>,
}

/// The events of every step that is compared, of those whose events are still there.
pub(crate) fn steps_of(measured: &Measured) -> BTreeMap<u64, Vec<&TraceEvent>> {
    let compared: BTreeSet<u64> = measured.steps.iter().map(|(step, _)| *step).collect();
    let mut steps: BTreeMap<u64, Vec<&TraceEvent>> = BTreeMap::new();
    for event in measured.trace.events.iter().filter(|event| compared.contains(&event.step)) {
        steps.entry(event.step).or_default().push(event);
    }
    steps
}
