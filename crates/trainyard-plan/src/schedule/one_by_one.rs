//! One micro-batch after the other through the whole pipeline: hardly any schedule holds less.
//!
//! Two ranks, two micro-batches (`B` one slot):
//!
//! ```text
//! rank 0: 0F0         0B0 0F1         0B1
//! rank 1:     1F0 1B0         1F1 1B1
//! ```
//!
//! Every stage holds one micro-batch, and nothing overlaps. It answers whether stages fit under any
//! schedule; what is run is then searched for, so it is not among the named kinds. With a split
//! backward, each `I` is followed by its `W`: neither needs what the other does at its fullest moment.

use super::kind::{Chunks, ScheduleKind};
use super::zb_v::ZB_V;
use crate::{Action, ActionKind};

/// One micro-batch after the other.
#[derive(Debug)]
pub(crate) struct OneByOne {
    /// Two stages a rank, placed as a V; else stage `s` is on rank `s mod p`.
    pub(crate) v: bool,
    /// With split backwards.
    pub(crate) split: bool,
}

impl ScheduleKind for OneByOne {
    fn name(&self) -> &'static str {
        match (self.v, self.split) {
            (false, false) => "one-by-one",
            (false, true) => "one-by-one-split",
            (true, false) => "one-by-one-v",
            (true, true) => "one-by-one-v-split",
        }
    }

    fn doc(&self) -> &'static str {
        "one micro-batch after the other: the least memory"
    }

    fn chunks(&self) -> Chunks {
        if self.v { ZB_V.chunks() } else { Chunks::Any { default: 1 } }
    }

    fn placement(&self, ranks: usize, chunks: usize) -> Vec<usize> {
        if self.v {
            return ZB_V.placement(ranks, chunks);
        }
        (0..ranks * chunks).map(|stage| stage % ranks).collect()
    }

    fn in_flight(&self, _stages_after: usize, _micro_batches: usize) -> usize {
        1
    }

    fn build(&self, ranks: usize, chunks: usize, micro_batches: usize) -> Vec<Vec<Action>> {
        let owners = self.placement(ranks, chunks);
        let backward: &[ActionKind] = if self.split {
            &[ActionKind::InputGrad, ActionKind::WeightGrad]
        } else {
            &[ActionKind::Backward]
        };
        let mut rows = vec![Vec::new(); ranks];
        for m in 0..micro_batches {
            for (stage, rank) in owners.iter().enumerate() {
                rows[*rank].push(Action::forward(stage, m));
            }
            for (stage, rank) in owners.iter().enumerate().rev() {
                rows[*rank].extend(backward.iter().map(|kind| Action::new(stage, *kind, m)));
            }
        }
        rows
    }
}
