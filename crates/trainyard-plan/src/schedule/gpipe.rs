//! `GPipe`: all forwards, then all backwards.
//!
//! Three ranks, three micro-batches (`B` one slot):
//!
//! ```text
//! rank 0: 0F0 0F1 0F2                 0B0 0B1 0B2
//! rank 1:     1F0 1F1 1F2         1B0 1B1 1B2
//! rank 2:         2F0 2F1 2F2 2B0 2B1 2B2
//! ```
//!
//! Every rank holds the activations of all `m` micro-batches at its turning point. With equal
//! stages and free links a step takes `(m + p − 1)(F + B)`, so the bubble is `(p − 1)/(m + p − 1)`
//! of the step. Source: Huang et al., `GPipe`, arXiv 1811.06965.

use super::kind::ScheduleKind;
use crate::Action;

#[derive(Debug)]
pub(super) struct GPipe;

impl ScheduleKind for GPipe {
    fn name(&self) -> &'static str {
        "gpipe"
    }

    fn doc(&self) -> &'static str {
        "all forwards, then all backwards: simple, and holds every micro-batch at once"
    }

    fn in_flight(&self, _stages_after: usize, micro_batches: usize) -> usize {
        micro_batches
    }

    /// Forwards in order, then backwards in the same order, so that gradients add up in the order
    /// in which one device would add them.
    fn build(&self, ranks: usize, _chunks: usize, micro_batches: usize) -> Vec<Vec<Action>> {
        let row = |stage| {
            let forwards = (0..micro_batches).map(move |m| Action::forward(stage, m));
            forwards.chain((0..micro_batches).map(move |m| Action::backward(stage, m))).collect()
        };
        (0..ranks).map(row).collect()
    }
}
