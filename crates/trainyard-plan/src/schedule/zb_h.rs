//! ZB-H1 and ZB-H2: 1F1B with the backward in two halves. The previous stage waits for `I` alone,
//! and `W` fills what would be idle.
//!
//! ZB-H1, three ranks, four micro-batches:
//!
//! ```text
//! rank 0: 0F0 0F1 0F2         0I0 0W0 0F3 0I1 0W1 0I2 0W2 0I3 0W3
//! rank 1:     1F0 1F1     1I0 1F2 1I1 1W0 1F3 1I2 1W1 1I3 1W2 1W3
//! rank 2:         2F0 2I0 2F1 2I1 2F2 2I2 2W0 2F3 2I3 2W1 2W2 2W3
//! ```
//!
//! ZB-H2, three ranks, five micro-batches:
//!
//! ```text
//! rank 0: 0F0 0F1 0F2 0F3 0F4 0I0 0W0 0I1 0W1 0I2 0W2 0I3 0W3 0I4 0W4
//! rank 1:     1F0 1F1 1F2 1I0 1F3 1I1 1F4 1I2 1W0 1I3 1W1 1I4 1W2 1W3 1W4
//! rank 2:         2F0 2I0 2F1 2I1 2F2 2I2 2F3 2I3 2F4 2I4 2W0 2W1 2W2 2W3 2W4
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

use super::kind::ScheduleKind;
use crate::{Action, ActionKind};

#[derive(Debug)]
pub(super) struct ZbH1;

impl ScheduleKind for ZbH1 {
    fn name(&self) -> &'static str {
        "zb-h1"
    }

    fn doc(&self) -> &'static str {
        "1f1b with split backwards: a third of its bubble for the same memory"
    }

    fn in_flight(&self, stages_after: usize, micro_batches: usize) -> usize {
        micro_batches.min(stages_after + 1)
    }

    /// 1F1B's forwards ahead; rank `i` puts its weight gradients off by `i` micro-batches.
    fn build(&self, ranks: usize, _chunks: usize, micro_batches: usize) -> Vec<Vec<Action>> {
        (0..ranks).map(|rank| row(rank, ranks - rank, rank, micro_batches)).collect()
    }
}

#[derive(Debug)]
pub(super) struct ZbH2;

impl ScheduleKind for ZbH2 {
    fn name(&self) -> &'static str {
        "zb-h2"
    }

    fn doc(&self) -> &'static str {
        "split backwards and twice the forwards ahead: no bubble for twice 1f1b's memory"
    }

    fn in_flight(&self, stages_after: usize, micro_batches: usize) -> usize {
        micro_batches.min(2 * stages_after + 1)
    }

    /// Enough forwards ahead that no rank waits for its first `I` after it has begun.
    fn build(&self, ranks: usize, _chunks: usize, micro_batches: usize) -> Vec<Vec<Action>> {
        let ahead = |rank| 2 * (ranks - rank) - 1;
        (0..ranks).map(|rank| row(rank, ahead(rank), 2 * rank, micro_batches)).collect()
    }
}

/// `ahead` forwards, then I, W and F in turn, where W is `delay` micro-batches behind I.
fn row(stage: usize, ahead: usize, delay: usize, micro_batches: usize) -> Vec<Action> {
    let at = |kind, m| (m < micro_batches).then(|| Action::new(stage, kind, m));
    let weight = |slot: usize| at(ActionKind::WeightGrad, slot.checked_sub(delay)?);
    let mut row = Vec::with_capacity(3 * micro_batches);
    row.extend((0..ahead.min(micro_batches)).map(|m| Action::forward(stage, m)));
    for slot in 0..micro_batches + delay {
        row.extend(at(ActionKind::InputGrad, slot));
        row.extend(weight(slot));
        row.extend(at(ActionKind::Forward, slot + ahead));
    }
    row
}
