//! Beam search over partitions: nearly as good as the exact search, and much faster.

use super::device_orders::by_orders;
use super::exact_search::{Effort, ExactSearch, LOOKS};
use super::grid::grid;
use super::partition::Partition;
use super::refine_cuts::refine_cuts;
use super::space::Space;

/// Groups of layers on the grid of the first search: three stages a device for eight devices, which
/// moving the cuts afterwards makes up for.
pub(super) const COARSE: usize = 24;
/// Labels that a round expands: some milliseconds on the coarse grid.
const WIDTH: usize = 200;
/// Devices, and layers, beyond which a beam of this width misses good orders of devices, so that these
/// are searched by themselves.
const MANY_DEVICES: usize = 8;
const MANY_LAYERS: usize = 16 * COARSE;

/// A good partition: found by a beam search on a coarse grid and, where there are many devices or
/// layers, by a search over orders of devices, with its cuts refined.
pub(super) fn beam_search(space: &Space) -> Option<Partition> {
    let layers = space.layer_count();
    let coarse = grid(space, COARSE);
    let effort = Effort { width: WIDTH, looks: LOOKS / 10, slack: 1.0 };
    let found = ExactSearch::new(space, &coarse, f64::INFINITY, effort).run();
    let mut best = found.partitions.into_iter().next();
    if space.device_count() > MANY_DEVICES || layers > MANY_LAYERS {
        let by_orders = by_orders(space, &grid(space, COARSE * 2));
        let better = by_orders.filter(|b| best.as_ref().is_none_or(|best| b.cost < best.cost));
        best = better.or(best);
    }
    Some(refine_cuts(space, best?, layers.div_ceil(COARSE).min(64)))
}
