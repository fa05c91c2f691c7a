//! ZB-V: two stages a rank, laid out as a V, so that the last stage is where the first is and
//! the backward starts at once.
//!
//! Stage `s < p` is on rank `s`, the others on rank `2p − 1 − s`. Two ranks, three micro-batches:
//!
//! ```text
//! rank 0: 0F0 0F1 0F2 3F0 3I0 3W0 3F1 3I1 3W1 0I0 0W0 3F2 3I2 3W2 0I1 0W1 0I2 0W2
//! rank 1:     1F0 2F0 1F1 2F1 2I0 2W0 1F2 1I0 1W0 2F2 2I1 2W1 1I1 2I2 1I2 1W1 2W2 1W2
//! ```
//!
//! For stages of `F = I = W`, free links and `m ≥ 2p − 1`, no rank idles between its first and its
//! last action; for fewer micro-batches the longest bubble is `2(2p − 1 − m)` of these times. For
//! `W ≤ F ≤ I` and `m ≥ 2p − 1` it is `2(p − 1)(I − W)`.
//!
//! Rank `i` holds at most `min(2m, m + i + 1, 2p)` stages' activations between `F` and `W`; `2p`
//! stages are what 1F1B's first rank holds. Source: Qi et al., arXiv 2401.10241, §6, in the order
//! of `PyTorch`'s `ScheduleZBVZeroBubble`; the terms for small `m` are derived and tested here.

use super::kind::{Chunks, ScheduleKind};
use crate::{Action, ActionKind};

#[derive(Debug)]
pub(super) struct ZbV;

impl ScheduleKind for ZbV {
    fn name(&self) -> &'static str {
        "zb-v"
    }

    fn doc(&self) -> &'static str {
        "split backwards on two stages a rank, laid out as a V: no bubble for 1f1b's memory"
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

    /// Built for at least the `2p − 1` micro-batches that fill the pipeline, without the actions of
    /// those there are not: the rest keeps its order, so it can still run.
    fn build(&self, ranks: usize, _chunks: usize, micro_batches: usize) -> Vec<Vec<Action>> {
        (0..ranks).map(|rank| Row::new(ranks, rank, micro_batches).fill(ranks, rank)).collect()
    }
}

/// The half of the V a stage is on.
pub(super) type Chunk = usize;
pub(super) const DOWN: Chunk = 0;
pub(super) const UP: Chunk = 1;

/// One rank's actions, and how many of each kind it has for each of its two stages.
struct Row {
    stages: [usize; 2],
    micro_batches: usize,
    forwards: [usize; 2],
    input_grads: [usize; 2],
    weight_grads: [usize; 2],
    actions: Vec<Action>,
}

impl Row {
    fn new(ranks: usize, rank: usize, micro_batches: usize) -> Self {
        Self {
            stages: [rank, 2 * ranks - 1 - rank],
            micro_batches,
            forwards: [0; 2],
            input_grads: [0; 2],
            weight_grads: [0; 2],
            actions: Vec::with_capacity(6 * micro_batches),
        }
    }

    fn fill(mut self, ranks: usize, rank: usize) -> Vec<Action> {
        let all = self.micro_batches.max(2 * ranks - 1);
        // Until the first micro-batch comes back up the V,
        for _ in 0..2 * (ranks - rank) - 1 {
            self.forward(DOWN);
        }
        // until its gradient comes down again,
        for _ in 0..rank {
            self.forward(UP);
            self.forward(DOWN);
        }
        // and until that has passed the other ranks.
        for _ in 0..ranks - rank {
            self.forward(UP);
            self.backward(UP);
        }
        while self.forwards[UP] < all {
            self.forward(DOWN);
            self.backward(DOWN);
            self.forward(UP);
            self.backward(UP);
        }
        // Nothing is left to run forward: other ranks wait for I, and W fills the gaps.
        for _ in 0..rank {
            self.input_grad(DOWN);
            self.input_grad(UP);
        }
        for _ in 0..ranks - rank {
            self.input_grad(DOWN);
            self.weight_grad(DOWN);
        }
        for chunk in [UP, DOWN] {
            while self.weight_grads[chunk] < self.input_grads[chunk] {
                self.weight_grad(chunk);
            }
        }
        self.actions
    }

    fn forward(&mut self, chunk: Chunk) {
        self.push(chunk, ActionKind::Forward, self.forwards[chunk]);
        self.forwards[chunk] += 1;
    }

    fn backward(&mut self, chunk: Chunk) {
        self.input_grad(chunk);
        self.weight_grad(chunk);
    }

    fn input_grad(&mut self, chunk: Chunk) {
        self.push(chunk, ActionKind::InputGrad, self.input_grads[chunk]);
        self.input_grads[chunk] += 1;
    }

    fn weight_grad(&mut self, chunk: Chunk) {
        self.push(chunk, ActionKind::WeightGrad, self.weight_grads[chunk]);
        self.weight_grads[chunk] += 1;
    }

    fn push(&mut self, chunk: Chunk, kind: ActionKind, micro_batch: usize) {
        if micro_batch < self.micro_batches {
            self.actions.push(Action::new(self.stages[chunk], kind, micro_batch));
        }
    }
}
