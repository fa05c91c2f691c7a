//! What schedules on a V have in common: two stages a rank, stage `s < p` on rank `s`, the others on rank
//! `2p − 1 − s`, so that the last stage is where the first is.

use super::kind::{Chunks, ScheduleKind};
use crate::{Action, ActionKind};

/// A kind of schedule on a V.
#[derive(Debug)]
pub(super) struct V {
    pub(super) name: &'static str,
    pub(super) doc: &'static str,
    /// The actions of a rank, given the number of ranks, its own and that of micro-batches.
    pub(super) row: fn(usize, usize, usize) -> Vec<Action>,
}

impl ScheduleKind for V {
    fn name(&self) -> &'static str {
        self.name
    }

    fn doc(&self) -> &'static str {
        self.doc
    }

    fn chunks(&self) -> Chunks {
        Chunks::Exactly(2)
    }

    fn placement(&self, ranks: usize, _chunks: usize) -> Vec<usize> {
        (0..ranks).chain((0..ranks).rev()).collect()
    }

    fn in_flight(&self, _stages_after: usize, _micro_batches: usize) -> usize {
        1
    }

    fn build(&self, ranks: usize, _chunks: usize, micro_batches: usize) -> Vec<Vec<Action>> {
        (0..ranks).map(|rank| (self.row)(ranks, rank, micro_batches)).collect()
    }
}

/// The half of the V a stage is on.
pub(super) type Chunk = usize;
pub(super) const DOWN: Chunk = 0;
pub(super) const UP: Chunk = 1;

/// One rank's actions, and how many of each kind it has for each of its two stages. Actions of
/// micro-batches that there are not are left out: the rest keeps its order, so it can still run.
pub(super) struct Row {
    pub(super) forwards: [usize; 2],
    pub(super) input_grads: [usize; 2],
    pub(super) weight_grads: [usize; 2],
    pub(super) actions: Vec<Action>,
    stages: [usize; 2],
    micro_batches: usize,
}

impl Row {
    pub(super) fn new(ranks: usize, rank: usize, micro_batches: usize) -> Self {
        Self {
            forwards: [0; 2],
            input_grads: [0; 2],
            weight_grads: [0; 2],
            actions: Vec::with_capacity(6 * micro_batches),
            stages: [rank, 2 * ranks - 1 - rank],
            micro_batches,
        }
    }

    pub(super) fn forward(&mut self, chunk: Chunk) {
        self.push(chunk, ActionKind::Forward, self.forwards[chunk]);
        self.forwards[chunk] += 1;
    }

    /// A whole backward. No weight gradient of the stage is outstanding.
    pub(super) fn backward(&mut self, chunk: Chunk) {
        self.push(chunk, ActionKind::Backward, self.input_grads[chunk]);
        self.input_grads[chunk] += 1;
        self.weight_grads[chunk] += 1;
    }

    /// The two halves of one, the second right behind the first.
    pub(super) fn split_backward(&mut self, chunk: Chunk) {
        self.input_grad(chunk);
        self.weight_grad(chunk);
    }

    pub(super) fn input_grad(&mut self, chunk: Chunk) {
        self.push(chunk, ActionKind::InputGrad, self.input_grads[chunk]);
        self.input_grads[chunk] += 1;
    }

    pub(super) fn weight_grad(&mut self, chunk: Chunk) {
        self.push(chunk, ActionKind::WeightGrad, self.weight_grads[chunk]);
        self.weight_grads[chunk] += 1;
    }

    fn push(&mut self, chunk: Chunk, kind: ActionKind, micro_batch: usize) {
        if micro_batch < self.micro_batches {
            self.actions.push(Action::new(self.stages[chunk], kind, micro_batch));
        }
    }
}
