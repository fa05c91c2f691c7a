//! Sequence slices: every kind of schedule with micro-batches that are cut along the context.
//!
//! The rows of a micro-batch are cut along their context into `S` slices, each of which the schedule
//! treats as a micro-batch of its own: number `n` is slice `n mod S` of the rows `⌊n / S⌋`. In a causal
//! model a slice needs of those before it what attention looks back at, so a stage does forwards from the
//! first slice to the last, and backwards from the last to the first. With 1F1B this is `Seq1F1B` (arXiv
//! 2406.03488). Two ranks, two rows of two slices each (`B` one slot):
//!
//! ```text
//! rank 0: 0F0 0F1 0F2         0B1 0F3 0B0     0B3     0B2
//! rank 1:     1F0 1F1     1B1 1F2 1B0 1F3 1B3     1B2
//! ```
//!
//! The backward of the last slice needs `S − 1` forwards more than that of a micro-batch. So the
//! schedule of `n` slices is that of `n + S − 1` micro-batches, without the first `S − 1` backwards and the
//! last `S − 1` forwards, and with the backwards of each micro-batch turned round:
//!
//! - the backward in the place of `B k+S−1` is the `k`-th, of a slice of which no later one than
//!   `k + S − 1` was needed, and that forward comes before this place in the schedule it is made of;
//! - every stage has its backwards in the same places, so each still comes after that of the next stage.
//!
//! So it is sound for every kind, and holds `S − 1` slices more than the kind holds micro-batches: under
//! 1F1B `min(n, p − i + S − 1)` slices on rank `i` of `p`, each of the size of `1/S` micro-batch. With equal stages
//! and free links it takes `(n + p − 1)(F + B)` of a slice, where whole micro-batches take `(n/S + p − 1)`
//! times `S` as long.

use super::kind::ScheduleKind;
use crate::{Action, ActionKind};

/// One of the parts along the context into which the rows of a micro-batch are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Slice {
    /// Its number, from 0.
    pub index: usize,
    /// How many there are; 1 where nothing is cut.
    pub of: usize,
}

impl Default for Slice {
    fn default() -> Self {
        Self { index: 0, of: 1 }
    }
}

impl Slice {
    /// The slice that a micro-batch of a schedule is, where rows are cut into `of`.
    #[must_use]
    pub fn of_micro_batch(micro_batch: usize, of: usize) -> Self {
        Self { index: micro_batch % of.max(1), of: of.max(1) }
    }

    /// No slice comes before it.
    #[must_use]
    pub fn is_first(self) -> bool {
        self.index == 0
    }

    /// No slice comes after it.
    #[must_use]
    pub fn is_last(self) -> bool {
        self.index + 1 >= self.of
    }

    /// The part of what all slices hand on that is there before this one, rounded up.
    #[must_use]
    pub fn before(self, bytes: u64) -> u64 {
        share(bytes, self.index, self.of)
    }

    /// The part of what all slices hand on that is there after this one, rounded up.
    #[must_use]
    pub fn after(self, bytes: u64) -> u64 {
        share(bytes, self.index + 1, self.of)
    }
}

fn share(bytes: u64, part: usize, of: usize) -> u64 {
    let scaled = (u128::from(bytes) * part as u128).div_ceil(of.max(1) as u128);
    u64::try_from(scaled).unwrap_or(u64::MAX)
}

/// Actions of every rank for `micro_batches` slices, `slices` of each rows. All counts are at least 1.
pub(super) fn build(
    kind: &dyn ScheduleKind,
    ranks: usize,
    chunks: usize,
    micro_batches: usize,
    slices: usize,
) -> Vec<Vec<Action>> {
    let later = slices - 1;
    let rows = kind.build(ranks, chunks, micro_batches + later);
    let sliced = |action: &Action| {
        let micro_batch = if action.kind == ActionKind::Forward {
            Some(action.micro_batch).filter(|number| *number < micro_batches)
        } else {
            action.micro_batch.checked_sub(later).map(|number| turned(number, slices))
        };
        micro_batch.map(|micro_batch| Action { micro_batch, ..*action })
    };
    rows.iter().map(|row| row.iter().filter_map(sliced).collect()).collect()
}

/// The slice that is as far from the last as this one is from the first, of the same rows.
fn turned(micro_batch: usize, slices: usize) -> usize {
    let index = micro_batch % slices;
    micro_batch - index + slices - 1 - index
}

/// Slices that a stage holds under a kind of schedule that is cut so: exact or a lower bound, as
/// [`ScheduleKind::in_flight`] is.
pub(crate) fn in_flight(
    kind: &dyn ScheduleKind,
    stages_after: usize,
    micro_batches: usize,
    slices: usize,
) -> usize {
    let later = slices.max(1) - 1;
    if later > 0 && kind.chunks().default_count() > 1 {
        return 1;
    }
    let held = kind.in_flight(stages_after, micro_batches.saturating_add(later));
    held.saturating_add(later).min(micro_batches)
}
