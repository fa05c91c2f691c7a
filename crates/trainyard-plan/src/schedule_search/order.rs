//! Orders: the operations of every rank, without micro-batch numbers.
//!
//! Within a stage every kind goes through the micro-batches in ascending order, as the engine's
//! links are first in, first out. So the micro-batch follows from the position, and whatever a
//! search does to a rank's operations, the numbers stay ascending.

use std::collections::VecDeque;

use crate::costs::PipelineCosts;
use crate::{Action, ActionKind, Schedule};

/// An action without its micro-batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Op {
    pub(super) stage: usize,
    pub(super) kind: ActionKind,
}

/// Operations in order, a row a rank.
pub(super) type Order = Vec<Vec<Op>>;

/// Micro-batches that a stage has done of each kind so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Done {
    pub(super) forwards: usize,
    /// B and I together.
    pub(super) backwards: usize,
    /// Micro-batches between their I and their W.
    weights: VecDeque<usize>,
}

impl Done {
    /// Micro-batch of the next operation of a kind; `None` if it cannot come now.
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

    /// Back to nothing done; keeps its allocation.
    pub(super) fn reset(&mut self) {
        (self.forwards, self.backwards) = (0, 0);
        self.weights.clear();
    }
}

/// The order of a schedule.
pub(super) fn of_schedule(schedule: &Schedule) -> Order {
    let op = |action: &Action| Op { stage: action.stage, kind: action.kind };
    schedule.ranks.iter().map(|row| row.iter().map(op).collect()).collect()
}

/// The schedule of an order. An operation that cannot come where it stands is left out; orders of
/// sound schedules have none such.
pub(super) fn to_schedule(order: &Order, stages: usize) -> Schedule {
    let mut done = vec![Done::default(); stages];
    let mut number = |op: &Op| {
        let micro_batch = done.get_mut(op.stage)?.advance(op.kind)?;
        Some(Action::new(op.stage, op.kind, micro_batch))
    };
    let ranks = order.iter().map(|row| row.iter().filter_map(&mut number).collect()).collect();
    Schedule::new(Schedule::SEARCHED, ranks)
}

/// The same with every backward as an I and a W.
pub(super) fn split(order: &Order) -> Order {
    let halves = |op: &Op| match op.kind {
        ActionKind::Backward => vec![
            Op { kind: ActionKind::InputGrad, ..*op },
            Op { kind: ActionKind::WeightGrad, ..*op },
        ],
        _ => vec![*op],
    };
    order.iter().map(|row| row.iter().flat_map(halves).collect()).collect()
}

/// One micro-batch after the other. Hardly any order with whole backwards holds less, nor any with split
/// ones than the same [split](self::split).
pub(super) fn one_by_one(costs: &PipelineCosts, micro_batches: usize) -> Order {
    let mut order = vec![Vec::new(); costs.ranks.len()];
    for _ in 0..micro_batches {
        for (stage, of_stage) in costs.stages.iter().enumerate() {
            order[of_stage.rank].push(Op { stage, kind: ActionKind::Forward });
        }
        for (stage, of_stage) in costs.stages.iter().enumerate().rev() {
            order[of_stage.rank].push(Op { stage, kind: ActionKind::Backward });
        }
    }
    order
}
