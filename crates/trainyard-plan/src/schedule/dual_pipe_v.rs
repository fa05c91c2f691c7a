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

use super::v::{DOWN, Row, UP, V};
use crate::Action;

pub(super) const DUAL_PIPE_V: V = V {
    name: "dualpipe-v",
    doc: "forwards beside backwards on two stages a rank, laid out as a V: transfers hide best",
    row,
};

/// Built for at least the `2p` micro-batches that fill the pipeline, without the actions of those there are
/// not, as ZB-V is.
fn row(ranks: usize, rank: usize, micro_batches: usize) -> Vec<Action> {
    let mut row = Row::new(ranks, rank, micro_batches);
    let (others, turn) = (ranks - rank - 1, rank + 1);
    let all = micro_batches.max(2 * ranks);
    // Until the first micro-batch comes back up the V,
    for _ in 0..2 * others {
        row.forward(DOWN);
    }
    // until its gradient comes down again,
    for _ in 0..turn {
        row.forward(DOWN);
        row.forward(UP);
    }
    // and until that has passed the other ranks.
    for _ in 0..others {
        row.split_backward(UP);
        row.forward(UP);
    }
    for _ in 0..all + turn - 2 * ranks {
        row.forward(DOWN);
        row.backward(UP);
        row.forward(UP);
        row.backward(DOWN);
    }
    for _ in 0..others {
        row.backward(UP);
        row.forward(UP);
        row.backward(DOWN);
    }
    // Nothing is left to run forward. In the second half of these the other ranks wait for the
    // gradients of inputs.
    let mut waiting = VecDeque::new();
    for at in 0..turn {
        let splits = |of_first: usize| 2 * at + of_first >= turn;
        for (of_first, chunk) in [(0, UP), (1, DOWN)] {
            if splits(of_first) {
                row.input_grad(chunk);
                waiting.push_back(chunk);
            } else {
                row.backward(chunk);
            }
        }
    }
    for _ in 0..others {
        if let Some(chunk) = waiting.pop_front() {
            row.weight_grad(chunk);
        }
        row.input_grad(DOWN);
        waiting.push_back(DOWN);
    }
    for chunk in waiting {
        row.weight_grad(chunk);
    }
    row.actions
}
