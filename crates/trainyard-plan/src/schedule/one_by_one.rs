//! One micro-batch after the other through the whole pipeline: no schedule holds less.
//!
//! Two ranks, two micro-batches (`B` one slot):
//!
//! ```text
//! rank 0: 0F0         0B0 0F1         0B1
//! rank 1:     1F0 1B0         1F1 1B1
//! ```
//!
//! Every stage holds one micro-batch, and nothing overlaps. It answers whether stages fit under any
//! schedule; what is run is then searched for, so it is not among the named kinds.

use super::kind::{Chunks, ScheduleKind};
use super::zb_v::ZbV;
use crate::Action;

/// One micro-batch after the other.
#[derive(Debug)]
pub(crate) enum OneByOne {
    /// Stage `s` on rank `s mod p`.
    Round,
    /// Two stages a rank, placed as a V.
    V,
}

impl ScheduleKind for OneByOne {
    fn name(&self) -> &'static str {
        match self {
            Self::Round => "one-by-one",
            Self::V => "one-by-one-v",
        }
    }

    fn doc(&self) -> &'static str {
        "one micro-batch after the other: the least memory"
    }

    fn chunks(&self) -> Chunks {
        match self {
            Self::Round => Chunks::Any { default: 1 },
            Self::V => ZbV.chunks(),
        }
    }

    fn placement(&self, ranks: usize, chunks: usize) -> Vec<usize> {
        match self {
            Self::Round => (0..ranks * chunks).map(|stage| stage % ranks).collect(),
            Self::V => ZbV.placement(ranks, chunks),
        }
    }

    fn in_flight(&self, _stages_after: usize, _micro_batches: usize) -> usize {
        1
    }

    fn build(&self, ranks: usize, chunks: usize, micro_batches: usize) -> Vec<Vec<Action>> {
        let owners = self.placement(ranks, chunks);
        let mut rows = vec![Vec::with_capacity(2 * chunks * micro_batches); ranks];
        for m in 0..micro_batches {
            for (stage, rank) in owners.iter().enumerate() {
                rows[*rank].push(Action::forward(stage, m));
            }
            for (stage, rank) in owners.iter().enumerate().rev() {
                rows[*rank].push(Action::backward(stage, m));
            }
        }
        rows
    }
}
