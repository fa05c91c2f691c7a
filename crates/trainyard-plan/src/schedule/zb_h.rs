//! ZB-H1 and ZB-H2: 1F1B with the backward in two halves. The previous stage waits for `I` alone,
//! and `W` fills what would be idle.
//!
//! ZB-H1, three ranks, four micro-batches:
//!
//! ```text
//! GRID1
//! ```
//!
//! ZB-H2, three ranks, five micro-batches:
//!
//! ```text
//! GRID2
//! ```
//!
//! On every rank, let the bubble be (last end − first start) − work. With equal stages and free
//! links the longest is
//!
//! - ZB-H1: `(p − 1)(F + I) − min(m − 1, p − 1)·W`, so `(p − 1)(F + I − W)` for `m ≥ p`, if
//!   `W ≤ F`;
//! - ZB-H2: `(p − 1)(F + I) − min(m − 1, 2(p − 1))·W`, so `(p − 1)(F + I − 2W)` for `m ≥ 2p − 1`,
//!   which is 0 for `F = I = W`, if `W ≤ F` and `2W ≤ F + I`.
//!
//! With `m = 1` a rank idles while the micro-batch passes the ranks after it, `(p − 1)(F + I)`;
//! each further one brings one `W` to fill that with, until those delayed have all found a place.
//!
//! Rank `i` has between `F` and `I` at most `min(m, p − i)` micro-batches in ZB-H1 and
//! `min(m, 2(p − i) − 1)` in ZB-H2; between `F` and `W` at most `min(m, p)` and `min(m, 2p − 1)`.
//! Source: Qi et al., Zero Bubble Pipeline Parallelism, arXiv 2401.10241, Table 2; the terms for
//! small `m` are derived and tested here.

use crate::{Action, ActionKind};

/// 1F1B's forwards ahead; rank `i` puts its weight gradients off by `i` micro-batches.
pub(super) fn h1(ranks: usize, _: usize, micro_batches: usize) -> Vec<Vec<Action>> {
    (0..ranks).map(|rank| row(rank, ranks - rank, rank, micro_batches)).collect()
}

/// Enough forwards ahead that no rank waits for its first `I` after it has begun.
pub(super) fn h2(ranks: usize, _: usize, micro_batches: usize) -> Vec<Vec<Action>> {
    let ahead = |rank| 2 * (ranks - rank) - 1;
    (0..ranks).map(|rank| row(rank, ahead(rank), 2 * rank, micro_batches)).collect()
}

/// `ahead` forwards, then I, W and F in turn, where W is `delay` micro-batches behind I.
fn row(stage: usize, ahead: usize, delay: usize, micro_batches: usize) -> Vec<Action> {
    let at = |kind, m| (m < micro_batches).then(|| Action::new(stage, kind, m));
    let weight = |turn: usize| at(ActionKind::WeightGrad, turn.checked_sub(delay)?);
    let mut row = Vec::with_capacity(3 * micro_batches);
    row.extend((0..ahead.min(micro_batches)).map(|m| Action::forward(stage, m)));
    for turn in 0..micro_batches + delay {
        row.extend(at(ActionKind::InputGrad, turn));
        row.extend(weight(turn));
        row.extend(at(ActionKind::Forward, turn + ahead));
    }
    row
}
