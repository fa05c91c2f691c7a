//! 1F1B: a few forwards to fill the pipeline, then one forward and one backward in turn.
//!
//! Three ranks, four micro-batches (`B` one slot):
//!
//! ```text
//! rank 0: 0F0 0F1 0F2         0B0 0F3 0B1     0B2     0B3
//! rank 1:     1F0 1F1     1B0 1F2 1B1 1F3 1B2     1B3
//! rank 2:         2F0 2B0 2F1 2B1 2F2 2B2 2F3 2B3
//! ```
//!
//! A step takes as long as under `GPipe`, `(m + p − 1)(F + B)` with equal stages and free links, but rank `i`
//! of `p` holds the activations of `min(m, p − i)` micro-batches at most.
//! Source: Narayanan et al., `PipeDream`, arXiv 1806.03377; the flush at the end of the step:
//! arXiv 2104.04473, §2.2.1.

use super::kind::ScheduleKind;
use crate::Action;

#[derive(Debug)]
pub(super) struct OneFOneB;

impl ScheduleKind for OneFOneB {
    fn name(&self) -> &'static str {
        "1f1b"
    }

    fn doc(&self) -> &'static str {
        "one forward and one backward in turn: as fast as gpipe with fewer micro-batches in flight"
    }

    fn in_flight(&self, stages_after: usize, micro_batches: usize) -> usize {
        micro_batches.min(stages_after + 1)
    }

    /// Rank `i` runs `p − 1 − i` forwards ahead of its first forward-backward pair, which is exactly
    /// how long the first backward takes to come back to it.
    fn build(&self, ranks: usize, _chunks: usize, micro_batches: usize) -> Vec<Vec<Action>> {
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
}
