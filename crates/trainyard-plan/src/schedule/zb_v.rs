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

use super::v::{DOWN, Row, UP, V};
use crate::Action;

pub(super) const ZB_V: V = V {
    name: "zb-v",
    doc: "split backwards on two stages a rank, laid out as a V: no bubble for 1f1b's memory",
    row,
};

/// Built for at least the `2p − 1` micro-batches that fill the pipeline, without the actions of those there
/// are not.
fn row(ranks: usize, rank: usize, micro_batches: usize) -> Vec<Action> {
    let mut row = Row::new(ranks, rank, micro_batches);
    let all = micro_batches.max(2 * ranks - 1);
    // Until the first micro-batch comes back up the V,
    for _ in 0..2 * (ranks - rank) - 1 {
        row.forward(DOWN);
    }
    // until its gradient comes down again,
    for _ in 0..rank {
        row.forward(UP);
        row.forward(DOWN);
    }
    // and until that has passed the other ranks.
    for _ in 0..ranks - rank {
        row.forward(UP);
        row.split_backward(UP);
    }
    while row.forwards[UP] < all {
        row.forward(DOWN);
        row.split_backward(DOWN);
        row.forward(UP);
        row.split_backward(UP);
    }
    // Nothing is left to run forward: other ranks wait for I, and W fills the gaps.
    for _ in 0..rank {
        row.input_grad(DOWN);
        row.input_grad(UP);
    }
    for _ in 0..ranks - rank {
        row.split_backward(DOWN);
    }
    for chunk in [UP, DOWN] {
        while row.weight_grads[chunk] < row.input_grads[chunk] {
            row.weight_grad(chunk);
        }
    }
    row.actions
}
