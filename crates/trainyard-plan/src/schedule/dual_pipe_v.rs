//! `DualPipeV`: ZB-V's layout; forwards of the one half of the V lie beside backwards of the other all the
//! time, so that what one of them sends travels while the other computes.
//!
//! Most backwards are whole. They are split where a neighbour waits for the input's gradient, and the
//! gradients of the weights fill what would be a bubble. Two ranks, four micro-batches:
//!
//! ```text
//! rank 0: 0F0 0F1 0F2 3F0 3I0 3W0 3F1 0F3 3B1 3F2 0B0 3B2 3F3 0B1 3B3 0I2 0W2 0I3 0W3
//! rank 1:     1F0 2F0 1F1 2F1 1F2 2B0 2F2 1B0 1F3 2B1 2F3 1B1 2B2 1B2 2I3 1I3 2W3 1W3
//! ```
//!
//! For `W ≤ I ≤ F ≤ I + W`, free links and `m ≥ 2p` the longest bubble is `(p − 1)(F + I − W)`, where ZB-V's is none
//! for equal times; but there a transfer in the middle of the step has no other action to hide behind.
//!
//! Rank `i` holds at most `min(2m, m + i + 1, 2p + 1)` stages' activations between `F` and `W`. Source:
//! `DeepSeek`'s `DualPipe` (arXiv 2412.19437, §3.2.1) on half of its devices, as in `PyTorch`'s
//! `ScheduleDualPipeV`, whose pairs of actions run here one after the other; formulas derived and tested here.

use std::collections::VecDeque;

use super::kind::{Chunks, ScheduleKind};
use super::zb_v::{Chunk, DOWN, UP, ZbV};
use crate::{Action, ActionKind};

#[derive(Debug)]
pub(super) struct DualPipeV;

impl ScheduleKind for DualPipeV {
    fn name(&self) -> &'static str {
        "dualpipe-v"
    }

    fn doc(&self) -> &'static str {
        "forwards beside backwards on two stages a rank, laid out as a V: transfers hide best"
    }

    fn chunks(&self) -> Chunks {
        ZbV.chunks()
    }

    fn placement(&self, ranks: usize, chunks: usize) -> Vec<usize> {
        ZbV.placement(ranks, chunks)
    }

    fn in_flight(&self, _stages_after: usize, _micro_batches: usize) -> usize {
        1
    }

    /// Built for at least the `2p` micro-batches that fill the pipeline, without the actions of those
    /// there are not, as ZB-V is.
    fn build(&self, ranks: usize, _chunks: usize, micro_batches: usize) -> Vec<Vec<Action>> {
        (0..ranks).map(|rank| Row::new(ranks, rank, micro_batches).fill(ranks, rank)).collect()
    }
}

/// One rank's actions, and how far each of its two stages is.
struct Row {
    stages: [usize; 2],
    micro_batches: usize,
    forwards: [usize; 2],
    backwards: [usize; 2],
    /// Input gradients whose weight gradients have not come yet.
    waiting: VecDeque<(Chunk, usize)>,
    actions: Vec<Action>,
}

impl Row {
    fn new(ranks: usize, rank: usize, micro_batches: usize) -> Self {
        Self {
            stages: [rank, 2 * ranks - 1 - rank],
            micro_batches,
            forwards: [0; 2],
            backwards: [0; 2],
            waiting: VecDeque::new(),
            actions: Vec::with_capacity(6 * micro_batches),
        }
    }

    fn fill(mut self, ranks: usize, rank: usize) -> Vec<Action> {
        let (others, turn) = (ranks - rank - 1, rank + 1);
        let all = self.micro_batches.max(2 * ranks);
        // Until the first micro-batch comes back up the V,
        for _ in 0..2 * others {
            self.forward(DOWN);
        }
        // until its gradient comes down again,
        for _ in 0..turn {
            self.forward(DOWN);
            self.forward(UP);
        }
        // and until that has passed the other ranks.
        for _ in 0..others {
            self.input_grad(UP);
            self.weight_grad();
            self.forward(UP);
        }
        for _ in 0..all + turn - 2 * ranks {
            self.forward(DOWN);
            self.backward(UP);
            self.forward(UP);
            self.backward(DOWN);
        }
        for _ in 0..others {
            self.backward(UP);
            self.forward(UP);
            self.backward(DOWN);
        }
        // Nothing is left to run forward. In the second half of these the other ranks wait for the
        // gradients of inputs.
        for at in 0..turn {
            let splits = |of_first: usize| 2 * at + of_first >= turn;
            for (of_first, chunk) in [(0, UP), (1, DOWN)] {
                if splits(of_first) { self.input_grad(chunk) } else { self.backward(chunk) }
            }
        }
        for _ in 0..others {
            self.weight_grad();
            self.input_grad(DOWN);
        }
        while !self.waiting.is_empty() {
            self.weight_grad();
        }
        self.actions
    }

    fn forward(&mut self, chunk: Chunk) {
        self.push(chunk, ActionKind::Forward, self.forwards[chunk]);
        self.forwards[chunk] += 1;
    }

    fn backward(&mut self, chunk: Chunk) {
        self.push(chunk, ActionKind::Backward, self.backwards[chunk]);
        self.backwards[chunk] += 1;
    }

    fn input_grad(&mut self, chunk: Chunk) {
        let micro_batch = self.backwards[chunk];
        self.push(chunk, ActionKind::InputGrad, micro_batch);
        self.waiting.push_back((chunk, micro_batch));
        self.backwards[chunk] += 1;
    }

    /// That of the input gradient that has waited longest.
    fn weight_grad(&mut self) {
        if let Some((chunk, micro_batch)) = self.waiting.pop_front() {
            self.push(chunk, ActionKind::WeightGrad, micro_batch);
        }
    }

    fn push(&mut self, chunk: Chunk, kind: ActionKind, micro_batch: usize) {
        if micro_batch < self.micro_batches {
            self.actions.push(Action::new(self.stages[chunk], kind, micro_batch));
        }
    }
}
