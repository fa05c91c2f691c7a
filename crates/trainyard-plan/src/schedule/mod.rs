//! Schedules as data, a file each.
//!
//! To add one: write a file with a function from (ranks, chunks, micro-batches) to the actions of
//! every rank, and name it in `NAMED` of `registry`. Every property test then runs over it.

mod csv;
mod gpipe;
mod interleaved;
mod one_f_one_b;
mod registry;
mod transform;
mod zb_h;
mod zb_v;

pub(crate) use transform::transfers_of;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Action, ActionKind};

/// The ordered actions of every rank for one step. Communication is implied, an action waits for
/// its input and sends its output, unless the schedule has transfers of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// Its name, such as `1f1b`.
    pub name: String,
    /// A row a rank.
    pub ranks: Vec<Vec<Action>>,
}

impl Schedule {
    /// The number of stages: one more than the highest that appears.
    #[must_use]
    pub fn stages(&self) -> usize {
        self.ranks.iter().flatten().map(|action| action.stage.saturating_add(1)).max().unwrap_or(0)
    }

    /// The rank of every stage, as far as each stage has one: the first that does something for
    /// it. In a sound schedule these are all stages.
    #[must_use]
    pub fn owners(&self) -> Vec<usize> {
        let mut owners = BTreeMap::new();
        for (rank, row) in self.ranks.iter().enumerate() {
            for action in row {
                owners.entry(action.stage).or_insert(rank);
            }
        }
        // Stage numbers may be anything, so the list ends where the first is missing.
        owners
            .into_iter()
            .enumerate()
            .map_while(|(at, (s, rank))| (at == s).then_some(rank))
            .collect()
    }

    /// The most micro-batches whose forward has run and whose backward has not finished, on any
    /// one stage of the rank; 0 for a rank that does not exist.
    #[must_use]
    pub fn max_in_flight(&self, rank: usize) -> usize {
        let rows = self.ranks.get(rank).map(std::slice::from_ref).unwrap_or_default();
        peaks(rows).into_values().max().unwrap_or(0)
    }

    /// [`Schedule::max_in_flight`] of every stage that appears, by stage index.
    pub(crate) fn in_flight_by_stage(&self) -> BTreeMap<usize, usize> {
        peaks(&self.ranks)
    }
}

/// Walks the rows in order and keeps each stage's highest count. A micro-batch leaves with its
/// full backward or with its weight gradient, whichever the schedule has.
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
