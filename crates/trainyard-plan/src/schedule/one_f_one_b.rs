//! 1F1B: a few forwards to fill the pipeline, then one forward and one backward in turn.
//!
//! It takes as long as `GPipe`, `(m + p − 1)(F + B)` with equal stages and free links, but rank `i`
//! of `p` holds the activations of `min(m, p − i)` micro-batches at most.

use crate::Action;

/// One stage a rank. Rank `i` runs `p − 1 − i` forwards ahead of its first forward-backward pair,
/// which is exactly how long the first backward takes to come back to it.
pub(super) fn actions(ranks: usize, _: usize, micro_batches: usize) -> Vec<Vec<Action>> {
    let row = |stage: usize| {
        let ahead = (ranks - 1 - stage).min(micro_batches);
        let mut row: Vec<Action> = (0..ahead).map(|m| Action::forward(stage, m)).collect();
        for m in ahead..micro_batches {
            row.extend([Action::forward(stage, m), Action::backward(stage, m - ahead)]);
        }
        row.extend((micro_batches - ahead..micro_batches).map(|m| Action::backward(stage, m)));
        row
    };
    (0..ranks).map(row).collect()
}
