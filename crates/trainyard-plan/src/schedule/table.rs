//! A schedule: the ordered actions of every rank.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::slices::Slice;
use crate::json::{is_one, one};
use crate::{Action, ActionKind};

/// The ordered actions of every rank for one step. Communication is implied, an action waits for
/// its input and sends its output, unless the schedule has transfers of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// Name of its kind, such as `1f1b`; `auto` for one that was searched for.
    pub name: String,
    /// Actions in order, a row a rank.
    pub ranks: Vec<Vec<Action>>,
    /// Slices along the context into which the rows of micro-batches are cut; each counts as a
    /// micro-batch. 1 where they are not cut.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub slices: usize,
}

impl Schedule {
    /// A schedule from its rows, without slices.
    #[must_use]
    pub fn new(name: impl Into<String>, ranks: Vec<Vec<Action>>) -> Self {
        Self { name: name.into(), ranks, slices: 1 }
    }

    /// The slice that one of its micro-batches is.
    #[must_use]
    pub fn slice_of(&self, micro_batch: usize) -> Slice {
        Slice::of_micro_batch(micro_batch, self.slices)
    }

    /// Name of a schedule that was [searched for](crate::schedule_search).
    pub const SEARCHED: &'static str = "auto";

    /// Most forwards (stages × micro-batches) of a schedule: a mistyped number in a run file is an
    /// error, not an attempt to fill the memory with actions.
    pub(crate) const MAX_FORWARDS: usize = 1 << 20;

    /// Number of stages: one more than the highest that appears.
    #[must_use]
    pub fn stages(&self) -> usize {
        self.ranks.iter().flatten().map(|action| action.stage.saturating_add(1)).max().unwrap_or(0)
    }

    /// Number of micro-batches: one more than the highest that appears.
    #[must_use]
    pub fn micro_batches(&self) -> usize {
        let counts = self.ranks.iter().flatten().map(|action| action.micro_batch.saturating_add(1));
        counts.max().unwrap_or(0)
    }

    /// The rank of every stage: the first with an action of it. Ends before the first stage without
    /// actions; a sound schedule has none such.
    #[must_use]
    pub fn owners(&self) -> Vec<usize> {
        let mut owners = BTreeMap::new();
        for (rank, row) in self.ranks.iter().enumerate() {
            for action in row {
                owners.entry(action.stage).or_insert(rank);
            }
        }
        // A schedule from a file may leave stages out.
        owners
            .into_iter()
            .enumerate()
            .map_while(|(at, (s, rank))| (at == s).then_some(rank))
            .collect()
    }

    /// Most micro-batches between their forward and the end of their backward, on any one stage of
    /// the rank; 0 for a rank that does not exist.
    #[must_use]
    pub fn max_in_flight(&self, rank: usize) -> usize {
        let rows = self.ranks.get(rank).map(std::slice::from_ref).unwrap_or_default();
        peaks(rows).into_values().max().unwrap_or(0)
    }

    /// Whether it splits a backward into I and W.
    #[must_use]
    pub fn splits_backward(&self) -> bool {
        self.ranks.iter().flatten().any(|action| action.kind == ActionKind::WeightGrad)
    }

    /// [`Schedule::max_in_flight`] of every stage that appears, by stage index.
    pub(crate) fn in_flight_by_stage(&self) -> BTreeMap<usize, usize> {
        peaks(&self.ranks)
    }
}

/// Highest count of micro-batches in flight, by stage. A micro-batch leaves with its full backward or
/// with its weight gradient, whichever the schedule has.
fn peaks(rows: &[Vec<Action>]) -> BTreeMap<usize, usize> {
    let mut now_and_peak: BTreeMap<usize, (usize, usize)> = BTreeMap::new();
    for action in rows.iter().flatten() {
        let (now, peak) = now_and_peak.entry(action.stage).or_default();
        match action.kind {
            ActionKind::Forward => {
                *now += 1;
                *peak = (*peak).max(*now);
            }
            ActionKind::Backward | ActionKind::WeightGrad => *now = now.saturating_sub(1),
            _ => {}
        }
    }
    now_and_peak.into_iter().map(|(stage, (_, peak))| (stage, peak)).collect()
}
