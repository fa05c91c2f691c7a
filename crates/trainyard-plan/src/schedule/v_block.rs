//! V-Half and V-Min: ZB-V's layout with the micro-batches further apart, for half and a third of 1F1B's
//! memory.
//!
//! A micro-batch goes down the V, up, and back the same way. Each of these four legs takes a number of
//! steps from rank to rank, and so do the turns between them: together they say when each stage of it
//! runs. Micro-batches follow one another every six steps, as many as a rank has actions for one; the
//! numbers are such that no rank has two actions at a time, so that in between no rank idles. Where a
//! rank's four forwards and input gradients leave room, its two weight gradients go in.
//!
//! V-Half, two ranks, two micro-batches, the first alone:
//!
//! ```text
//! rank 0: 0F0     ·   ·   ·   ·   ·   3F0 3I0 3W0 ·   ·   ·   0I0 0W0
//! rank 1:     1F0 ·   ·   ·   ·   2F0         ·  2I0 …  1I0 …
//! ```
//!
//! Rank `i` holds what lies between F and I for as long as the legs take: in V-Half the legs down and
//! back down the other side are one and two steps a rank, three together, on every rank; in V-Min one
//! each. For `p` ranks a rank's two stages hold between F and W, for `F = I = W` and many micro-batches,
//! at most
//!
//! - V-Half: `p + 1` stages' activations for an odd `p`, `p + 2` for an even one;
//! - V-Min: `2(⌈(p − 1)/3⌉ + 1)`,
//!
//! where 1F1B and ZB-V hold `2p`; and the longest bubble is, in times of a stage,
//!
//! - V-Half: `(7p − 9)/2` for an odd `p`, `(7p − 8)/2` for an even one above 2, 3 for 2;
//! - V-Min: `4p − 4` where `p` is a multiple of 3, else `4p − 5`,
//!
//! where 1F1B's is `6(p − 1)`. V-Half's stays so where the times differ; V-Min's then grows with the
//! micro-batches. Source: Qi et al., Pipeline Parallelism with Controllable Memory, arXiv 2405.15362, §3
//! and Table 2; turns and formulas are derived and tested here.

use super::v::V;
use crate::{Action, ActionKind};

/// Steps between one micro-batch and the next: a rank's actions for one.
const PERIOD: usize = 6;

/// About half of 1F1B's memory.
pub(super) const V_HALF: V = V {
    name: "v-half",
    doc: "split backwards on a V: about half of 1f1b's memory and less of a bubble",
    row: |ranks, rank, micro_batches| {
        let turns = if ranks % 2 == 1 { [2, 1, 1] } else { [5, 1, 4] };
        Block { legs: [1, 2, 1, 2], turns }.repeated(ranks, rank, micro_batches)
    },
};

/// About a third.
pub(super) const V_MIN: V = V {
    name: "v-min",
    doc: "split backwards on a V: about a third of 1f1b's memory",
    row: |ranks, rank, micro_batches| {
        let turns = if ranks.is_multiple_of(3) { [3, 1, 3] } else { [1, 1, 1] };
        Block { legs: [1, 1, 1, 1], turns }.repeated(ranks, rank, micro_batches)
    },
};

/// When the stages of one micro-batch run.
struct Block {
    /// Steps from rank to rank: forward down and up the V, input gradients down and up.
    legs: [usize; 4],
    /// Steps from one leg's last action to the next one's first.
    turns: [usize; 3],
}

impl Block {
    /// The block again and again: a rank's actions in the order of their steps.
    fn repeated(&self, ranks: usize, rank: usize, micro_batches: usize) -> Vec<Action> {
        let of_one = self.of_rank(ranks, rank);
        let all = (0..micro_batches).flat_map(|micro_batch| {
            let start = PERIOD * micro_batch;
            let at =
                move |(step, stage, kind)| (start + step, Action::new(stage, kind, micro_batch));
            of_one.into_iter().map(at)
        });
        let mut all: Vec<(usize, Action)> = all.collect();
        all.sort_by_key(|(step, _)| *step);
        all.into_iter().map(|(_, action)| action).collect()
    }

    /// A rank's actions for the first micro-batch: step, stage and kind.
    fn of_rank(&self, ranks: usize, rank: usize) -> [(usize, usize, ActionKind); PERIOD] {
        use ActionKind::{Forward, InputGrad, WeightGrad};
        let (others, after) = (ranks - 1, ranks - 1 - rank);
        let [down, up, back_down, back_up] = self.legs;
        let [at_bottom, at_top, at_bottom_again] = self.turns;
        let second = others * down + at_bottom;
        let third = second + others * up + at_top;
        let fourth = third + others * back_down + at_bottom_again;
        let steps =
            [rank * down, second + after * up, third + rank * back_down, fourth + after * back_up];
        let mut taken = [false; PERIOD];
        for step in steps {
            taken[step % PERIOD] = true;
        }
        let mut free_after = |step: usize| {
            let free = (step + 1..=step + PERIOD).find(|step| !taken[step % PERIOD]);
            let free = free.unwrap_or(step + PERIOD);
            taken[free % PERIOD] = true;
            free
        };
        let (first_stage, second_stage) = (rank, 2 * ranks - 1 - rank);
        let second_weights = free_after(steps[2]);
        let first_weights = free_after(steps[3]);
        [
            (steps[0], first_stage, Forward),
            (steps[1], second_stage, Forward),
            (steps[2], second_stage, InputGrad),
            (steps[3], first_stage, InputGrad),
            (second_weights, second_stage, WeightGrad),
            (first_weights, first_stage, WeightGrad),
        ]
    }
}
