//! From coarse to fine: the exact search on ever finer grids of layers.
//!
//! What is found on a coarse grid is a plan as well, so it bounds what the next search has to look
//! at. A search that would look at more than its share of stages is given up: then the best of the
//! grids before, with its cuts sharpened, is the answer, and it is not called exact.

use super::chain::{along, near};
use super::orders::by_orders;
use super::search::{Effort, Found, Partition, Search};
use super::space::Space;

/// The stages that the exact search may look at: a good half of a second's worth.
pub(super) const WORK: u64 = 60_000_000;
/// The groups of layers on the grid of the first search.
const COARSE: usize = 24;
/// The labels that a round of the first search expands.
const BEAM: usize = 200;
/// Spaces of so few stages are searched without a limit, so that the simulator has a choice.
const SMALL: u64 = 40_000;
/// The partitions that are kept of a search that was given up.
const LEFT: usize = 8;
/// How much worse than the best a plan may be to be kept for the simulator.
const SLACK: f64 = 1.03;

/// The partitions worth a closer look, best first.
pub(super) struct Explored {
    pub(super) partitions: Vec<Partition>,
    /// Whether no partition costs less than the first.
    pub(super) exact: bool,
}

/// A beam search, with its cuts sharpened: nearly as good, and much faster. Where there are many
/// devices or layers, orders of devices are tried as well.
pub(super) fn glance(space: &Space) -> Option<Partition> {
    let layers = space.layer_count();
    let grid = groups(space, COARSE);
    let effort = Effort { width: BEAM, work: WORK / 10, slack: 1.0 };
    let found = Search::new(space, &grid, f64::INFINITY, effort).run();
    let mut best = found.partitions.into_iter().next();
    if space.device_count() > 8 || layers > 16 * COARSE {
        let by_orders = by_orders(space, &groups(space, COARSE * 2));
        let better = by_orders.filter(|b| best.as_ref().is_none_or(|best| b.cost < best.cost));
        best = better.or(best);
    }
    Some(sharpen(space, best?, layers.div_ceil(COARSE).min(64)))
}

/// The partition that costs least, as far as the search can tell.
pub(super) fn least(space: &Space) -> Option<(Partition, bool)> {
    let Explored { partitions, exact } = if is_small(space) {
        let grid: Vec<usize> = (0..=space.layer_count()).collect();
        let effort = Effort { width: usize::MAX, work: u64::MAX, slack: 1.0 };
        let Found { partitions, exact } = Search::new(space, &grid, f64::INFINITY, effort).run();
        Explored { partitions, exact }
    } else {
        explore(space, WORK)
    };
    Some((partitions.into_iter().next()?, exact))
}

fn is_small(space: &Space) -> bool {
    let (devices, layers) = (space.device_count() as u32, space.layer_count());
    (1_u64 << devices) * u64::from(devices * devices) * (layers * layers) as u64 / 8 <= SMALL
}

/// Searches a space, looking at no more than about `work` stages.
pub(super) fn explore(space: &Space, work: u64) -> Explored {
    let layers = space.layer_count();
    if is_small(space) {
        let grid: Vec<usize> = (0..=layers).collect();
        let effort = Effort { width: usize::MAX, work: u64::MAX, slack: f64::INFINITY };
        let Found { partitions, .. } = Search::new(space, &grid, f64::INFINITY, effort).run();
        return Explored { partitions, exact: true };
    }
    let mut partitions: Vec<Partition> = glance(space).into_iter().collect();
    let coarser = |count: &usize| Some(count / 4).filter(|count| *count >= COARSE);
    let mut counts: Vec<usize> = std::iter::successors(Some(layers), coarser).collect();
    counts.reverse();
    let mut exact = false;
    for count in counts {
        let grid = groups(space, count);
        let last = count == layers;
        let slack = if last { SLACK } else { 1.0 };
        let limit = partitions.first().map_or(f64::INFINITY, |best| best.cost * slack);
        let effort = Effort { width: usize::MAX, work, slack };
        let found = Search::new(space, &grid, limit, effort).run();
        partitions.extend(found.partitions);
        partitions.sort_by(|a, b| a.cost.total_cmp(&b.cost));
        exact = last && found.exact;
        if !exact {
            // On the way to the finest grid there only has to be one to beat.
            partitions.truncate(if found.exact { 1 } else { LEFT });
            let reach = layers.div_ceil(count).min(64);
            partitions = partitions.into_iter().map(|best| sharpen(space, best, reach)).collect();
            partitions.sort_by(|a, b| a.cost.total_cmp(&b.cost));
        }
        if !found.exact {
            break;
        }
    }
    partitions.dedup_by(|a, b| a.stages == b.stages);
    Explored { partitions, exact }
}

/// Moves cuts by up to `reach` layers at a time for as long as that helps.
pub(super) fn sharpen(space: &Space, mut best: Partition, reach: usize) -> Partition {
    // Few turns do; the bound is for sums that differ in their last digits only.
    for _ in 0..8 {
        let seats: Vec<usize> = best.stages.iter().map(|stage| stage.device).collect();
        let starts = near(&best.stages, space.layer_count(), reach);
        match along(space, &seats, &starts) {
            Some(better) if better.cost < best.cost => best = better,
            _ => break,
        }
    }
    best
}

/// A grid that cuts the layers into about `count` groups of equal weight.
pub(super) fn groups(space: &Space, count: usize) -> Vec<usize> {
    let (devices, layers) = (space.device_count(), space.layer_count());
    if count >= layers {
        return (0..=layers).collect();
    }
    // Time and bytes count alike; each layer weighs a little, so that no group grows without end.
    let mut weights = vec![1.0 / layers as f64; layers];
    for device in 0..devices {
        let of_device: [&dyn Fn(usize) -> f64; 2] =
            [&|layer| space.layer_time(device, layer), &|layer| {
                space.layer_bytes(device, layer) as f64
            }];
        for of_layer in of_device {
            let whole: f64 = (0..layers).map(of_layer).sum();
            if whole > 0.0 {
                for (layer, weight) in weights.iter_mut().enumerate() {
                    *weight += of_layer(layer) / whole / (2 * devices) as f64;
                }
            }
        }
    }
    let whole: f64 = weights.iter().sum();
    let mut grid = vec![0];
    let mut so_far = 0.0;
    for (layer, weight) in weights.iter().enumerate() {
        // A cut goes to the nearer end of the layer it falls in.
        let next = grid.len() as f64 / count as f64 * whole;
        if so_far + weight / 2.0 >= next && grid.last() != Some(&layer) {
            grid.push(layer);
        }
        so_far += weight;
    }
    grid.push(layers);
    grid
}
