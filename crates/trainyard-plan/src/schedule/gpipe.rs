//! `GPipe`: all forwards, then all backwards.
//!
//! Every rank holds the activations of all `m` micro-batches at its turning point. With equal
//! stages and free links a step takes `(m + p − 1)(F + B)`, so the bubble is `(p − 1)/(m + p − 1)`
//! of the step.

use crate::Action;

/// One stage a rank: forwards in order, then backwards in the same order, so that gradients add up
/// in the order in which one device would add them.
pub(super) fn actions(ranks: usize, _: usize, micro_batches: usize) -> Vec<Vec<Action>> {
    let row = |stage| {
        let forwards = (0..micro_batches).map(move |m| Action::forward(stage, m));
        forwards.chain((0..micro_batches).map(move |m| Action::backward(stage, m))).collect()
    };
    (0..ranks).map(row).collect()
}
