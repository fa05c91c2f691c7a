//! Moves the cuts of a partition to where they are best.

use super::fixed_order_dp::{best_cuts, starts_near};
use super::partition::Partition;
use super::space::Space;

/// Most rounds of moves: a few do, and this ends sums that differ in their last digits only.
const ROUNDS: usize = 8;

/// Moves cuts by up to `reach` layers at a time while the cost falls.
pub(super) fn refine_cuts(space: &Space, mut best: Partition, reach: usize) -> Partition {
    for _ in 0..ROUNDS {
        let stage_devices = best.stage_devices();
        let starts = starts_near(&best.stages, space.layer_count(), reach);
        match best_cuts(space, &stage_devices, &starts) {
            Some(better) if better.cost < best.cost => best = better,
            _ => break,
        }
    }
    best
}
