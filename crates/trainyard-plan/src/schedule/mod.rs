//! Schedules as data, a file each.
//!
//! To add one: write a file with a function from (ranks, micro-batches) to the actions of every
//! rank, and name it in `NAMED`. Every property test then runs over it.

mod gpipe;
mod one_f_one_b;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Action, ActionKind, PlanError};

/// From the number of ranks and of micro-batches (both at least 1) to the actions of every rank.
type Build = fn(usize, usize) -> Vec<Vec<Action>>;

/// Every schedule that can be asked for by name.
const NAMED: &[(&str, Build)] = &[("gpipe", gpipe::actions), ("1f1b", one_f_one_b::actions)];

/// The most forwards a schedule may have, ranks × micro-batches: a mistyped number in a run file
/// must be an error, not an attempt to fill the memory with actions.
const MAX_FORWARDS: usize = 1 << 20;

/// The ordered actions of every rank for one step. Communication is implied: an action waits for
/// its input and sends its output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// Its name, such as `1f1b`.
    pub name: String,
    /// A row a rank.
    pub ranks: Vec<Vec<Action>>,
}

impl Schedule {
    /// The schedule of that name (see [`Schedule::names`]) for so many ranks and micro-batches.
    ///
    /// # Errors
    /// [`PlanError::UnknownSchedule`] for another name, [`PlanError::BadNumber`] for no ranks, no
    /// micro-batches, or more than 2²⁰ of ranks × micro-batches.
    pub fn named(name: &str, ranks: usize, micro_batches: usize) -> Result<Self, PlanError> {
        let (_, build) =
            NAMED.iter().find(|(known, _)| *known == name).ok_or_else(|| unknown(name))?;
        for (what, value) in [("the number of ranks", ranks), ("micro_batches", micro_batches)] {
            if value == 0 {
                return Err(PlanError::BadNumber {
                    what: what.into(),
                    value: "0".into(),
                    must: "at least 1".into(),
                });
            }
        }
        if ranks.saturating_mul(micro_batches) > MAX_FORWARDS {
            return Err(PlanError::BadNumber {
                what: "ranks × micro_batches".into(),
                value: format!("{ranks} × {micro_batches}"),
                must: format!("at most {MAX_FORWARDS}"),
            });
        }
        Ok(Self { name: name.to_owned(), ranks: build(ranks, micro_batches) })
    }

    /// Every name that [`Schedule::named`] knows.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMED.iter().map(|(name, _)| *name)
    }

    /// The rank of every stage, by stage index; a stage that nobody runs counts as rank 0's.
    #[must_use]
    pub fn owners(&self) -> Vec<usize> {
        let stages = self.ranks.iter().flatten().map(|a| a.stage + 1).max().unwrap_or(0);
        let mut owners = vec![0; stages];
        for (rank, row) in self.ranks.iter().enumerate() {
            for action in row {
                owners[action.stage] = rank;
            }
        }
        owners
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

/// The error for a name that is not there, with the nearest one that is.
fn unknown(name: &str) -> PlanError {
    let mut known = Schedule::names().collect::<Vec<_>>().join(", ");
    let wanted = name.to_lowercase();
    let nearest = Schedule::names().min_by_key(|name| strsim::levenshtein(name, &wanted));
    if let Some(nearest) = nearest.filter(|near| strsim::levenshtein(near, &wanted) <= 2) {
        known = format!("{known} (did you mean '{nearest}'?)");
    }
    PlanError::UnknownSchedule { name: name.to_owned(), known }
}
