//! Orders without numbers: what a rank does, stage and kind, one after the other.
//!
//! Within a stage every kind goes through the micro-batches in ascending order, as the engine's
//! links are first in, first out. So the micro-batch follows from the position, and whatever a
//! search does to a row, the order stays ascending.

use std::collections::VecDeque;

use crate::costs::PipelineCosts;
use crate::{Action, ActionKind, Schedule};

/// What is done, on which micro-batch it does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    pub(super) stage: usize,
    pub(super) kind: ActionKind,
}

/// The turns of every rank.
pub(super) type Rows = Vec<Vec<Turn>>;

/// How many micro-batches a stage has done of each kind so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Done {
    pub(super) forwards: usize,
    /// B and I together.
    pub(super) backwards: usize,
    /// The micro-batches whose W is to come, where some backwards are not split.
    weights: VecDeque<usize>,
}

impl Done {
    /// Which micro-batch a kind takes next; `None` if it may not come now.
    pub(super) fn advance(&mut self, kind: ActionKind) -> Option<usize> {
        match kind {
            ActionKind::Forward => {
                self.forwards += 1;
                Some(self.forwards - 1)
            }
            ActionKind::WeightGrad => self.weights.pop_front(),
            _ if self.backwards == self.forwards => None,
            _ => {
                if kind == ActionKind::InputGrad {
                    self.weights.push_back(self.backwards);
                }
                self.backwards += 1;
                Some(self.backwards - 1)
            }
        }
    }

    /// Nothing is done. Keeps its memory.
    pub(super) fn reset(&mut self) {
        (self.forwards, self.backwards) = (0, 0);
        self.weights.clear();
    }
}

/// A schedule without its numbers.
pub(super) fn rows(schedule: &Schedule) -> Rows {
    let turn = |action: &Action| Turn { stage: action.stage, kind: action.kind };
    schedule.ranks.iter().map(|row| row.iter().map(turn).collect()).collect()
}

/// The schedule named `auto` of these rows. A turn that may not come where it stands is left out,
/// which no schedule that is sound has.
pub(super) fn schedule(rows: &Rows, stages: usize) -> Schedule {
    let mut done = vec![Done::default(); stages];
    let mut number = |turn: &Turn| {
        let micro_batch = done.get_mut(turn.stage)?.advance(turn.kind)?;
        Some(Action::new(turn.stage, turn.kind, micro_batch))
    };
    let ranks = rows.iter().map(|row| row.iter().filter_map(&mut number).collect()).collect();
    Schedule { name: "auto".to_owned(), ranks }
}

/// The same with every backward as an I and a W.
pub(super) fn split(rows: &Rows) -> Rows {
    let halves = |turn: &Turn| match turn.kind {
        ActionKind::Backward => vec![
            Turn { kind: ActionKind::InputGrad, ..*turn },
            Turn { kind: ActionKind::WeightGrad, ..*turn },
        ],
        _ => vec![*turn],
    };
    rows.iter().map(|row| row.iter().flat_map(halves).collect()).collect()
}

/// One micro-batch after the other: no schedule holds less, so if this does not fit, nothing does.
pub(super) fn one_by_one(costs: &PipelineCosts, micro_batches: usize) -> Rows {
    let mut rows = vec![Vec::new(); costs.ranks.len()];
    for _ in 0..micro_batches {
        for (stage, of_stage) in costs.stages.iter().enumerate() {
            rows[of_stage.rank].push(Turn { stage, kind: ActionKind::Forward });
        }
        for (stage, of_stage) in costs.stages.iter().enumerate().rev() {
            rows[of_stage.rank].push(Turn { stage, kind: ActionKind::Backward });
        }
    }
    rows
}
