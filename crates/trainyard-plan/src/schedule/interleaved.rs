//! Interleaved 1F1B: several stages a rank, so that the pipeline fills in smaller steps.
//!
//! Stage `s` is on rank `s mod p`. Micro-batches go round in groups: a group passes a rank's
//! first chunk, then its second, and so on. Two ranks, two chunks, four micro-batches (`B` one
//! slot):
//!
//! ```text
//! rank 0: 0F0 0F1 2F0 2F1 0F2 2B0 0F3 2B1 2F2 0B0 2F3 0B1     2B2     2B3 0B2 0B3
//! rank 1:     1F0 1F1 3F0 3B0 3F1 3B1 1F2 1B0 1F3 1B1 3F2 3B2 3F3 3B3 1B2 1B3
//! ```
//!
//! With `v` chunks, `F` and `B` the times of a whole rank's work on one micro-batch, equal stages
//! and free links, a step takes
//!
//! - `(m + (p − 1)/v)(F + B)` for `m ≥ p`: the bubble is 1F1B's ÷ `v`;
//! - `(p + (m − 1)/v)(F + B)` for `m < p`: one micro-batch's way through all stages, and one chunk
//!   for each that follows it.
//!
//! No order beats either: the last rank cannot begin before `p − 1` forwards, nor the last stage
//! before `pv − 1`, and as many backwards follow their last.
//!
//! Rank `i` holds `min(m·v, 2(p − 1 − i) + (v − 1)·g + 1)` chunks' activations, where `g` is the
//! largest group. Source: Narayanan et al., arXiv 2104.04473, §2.2.2, and Megatron-LM's
//! `num_warmup_microbatches`. Both want `m mod p = 0` and groups of `p`. A remainder as a small
//! group of its own would leave gaps at each change of chunk, so here it is spread over the others,
//! as in `PyTorch`'s rounds: `⌊m/p⌋` groups (at least one) that differ by one at most, the
//! larger first. The price is memory: `g = ⌈m/⌊m/p⌋⌉` instead of `p`, and up to `g − p` activations
//! that wait on a link from the last rank to the first. With `v = 1` there is nothing to
//! interleave and it is plain 1F1B.

use super::kind::{Chunks, ScheduleKind};
use super::one_f_one_b::OneFOneB;
use crate::Action;

#[derive(Debug)]
pub(super) struct Interleaved;

impl ScheduleKind for Interleaved {
    fn name(&self) -> &'static str {
        "interleaved"
    }

    fn doc(&self) -> &'static str {
        "1f1b with several stages a rank: a smaller bubble for more transfers"
    }

    fn chunks(&self) -> Chunks {
        Chunks::Any { default: 2 }
    }

    fn in_flight(&self, _stages_after: usize, _micro_batches: usize) -> usize {
        1
    }

    /// Each rank works off the same list of (chunk, micro-batch), the backwards with the chunks in
    /// reverse, and runs so far ahead that the first backward is there when its turn comes.
    fn build(&self, ranks: usize, chunks: usize, micro_batches: usize) -> Vec<Vec<Action>> {
        if chunks == 1 {
            return OneFOneB.build(ranks, 1, micro_batches);
        }
        let groups = (micro_batches / ranks).max(1);
        let largest = micro_batches.div_ceil(groups);
        let order = order(groups, chunks, micro_batches);
        let row = |rank: usize| {
            let forward = |&(chunk, m): &(usize, usize)| Action::forward(chunk * ranks + rank, m);
            let backward = |&(chunk, m): &(usize, usize)| {
                Action::backward((chunks - 1 - chunk) * ranks + rank, m)
            };
            let ahead = (2 * (ranks - 1 - rank) + (chunks - 1) * largest).min(order.len());
            let mut row: Vec<Action> = order[..ahead].iter().map(forward).collect();
            for (f, b) in order[ahead..].iter().zip(&order) {
                row.extend([forward(f), backward(b)]);
            }
            row.extend(order[order.len() - ahead..].iter().map(backward));
            row
        };
        (0..ranks).map(row).collect()
    }
}

/// (chunk, micro-batch) in the order in which forwards run on every rank.
fn order(groups: usize, chunks: usize, micro_batches: usize) -> Vec<(usize, usize)> {
    let (least, larger) = (micro_batches / groups, micro_batches % groups);
    let mut order = Vec::with_capacity(chunks * micro_batches);
    let mut first = 0;
    for group in 0..groups {
        let end = first + least + usize::from(group < larger);
        for chunk in 0..chunks {
            order.extend((first..end).map(|m| (chunk, m)));
        }
        first = end;
    }
    order
}
