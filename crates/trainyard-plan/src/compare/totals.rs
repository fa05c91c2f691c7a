//! Times of a step's actions, summed by their sort.

use std::collections::BTreeMap;

use crate::quantile::median;
use crate::{ActionKind, Lane, Trace, TraceEvent};

/// Actions that are compared as one: those of a kind of a stage, of receives those from one stage.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Sort {
    /// The device's id.
    pub(crate) device: String,
    pub(crate) stage: usize,
    pub(crate) kind: ActionKind,
    /// Of a receive: the stage at its other end.
    pub(crate) peer: Option<usize>,
}

impl Sort {
    /// Computations of a stage.
    pub(crate) fn computing(device: &str, stage: usize, kind: ActionKind) -> Self {
        Self { device: device.to_owned(), stage, kind, peer: None }
    }

    /// Whether both are receives of one stage, from different stages.
    pub(super) fn differs_in_peer_from(&self, other: &Self) -> bool {
        self.peer != other.peer
            && (&self.device, self.stage, self.kind) == (&other.device, other.stage, other.kind)
    }
}

/// Number of actions of each sort, and the time of all of them, µs.
pub(super) fn totals<'a>(
    trace: &Trace,
    events: impl Iterator<Item = &'a TraceEvent>,
) -> BTreeMap<Sort, (usize, f64)> {
    let mut totals = BTreeMap::new();
    for event in events {
        let Some(device) = trace.devices.get(event.device) else { continue };
        // A send and its receive are one transfer, and the receive's end is the one that counts.
        if event.lane == Lane::TransferOut {
            continue;
        }
        let peer = event.other_end().map(|other| other.stage);
        let sort =
            Sort { peer, ..Sort::computing(&device.id, event.action.stage, event.action.kind) };
        let (count, total) = totals.entry(sort).or_insert((0, 0.0));
        *count += 1;
        *total += event.duration_ns() as f64 / 1e3;
    }
    totals
}

/// Time of all actions of each sort in a step, µs: the median of the steps that have it.
pub(crate) fn taken(trace: &Trace, steps: &BTreeMap<u64, Vec<&TraceEvent>>) -> BTreeMap<Sort, f64> {
    let mut by_sort: BTreeMap<Sort, Vec<f64>> = BTreeMap::new();
    for events in steps.values() {
        for (sort, (_, us)) in totals(trace, events.iter().copied()) {
            by_sort.entry(sort).or_default().push(us);
        }
    }
    by_sort.into_iter().map(|(sort, of_steps)| (sort, median(of_steps))).collect()
}
