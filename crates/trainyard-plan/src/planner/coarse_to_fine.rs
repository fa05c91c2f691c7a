//! From coarse to fine: the exact search on ever finer grids of layers.
//!
//! A partition on a coarse grid is one on the finer grid as well, so its cost bounds the next search. A search that would look at more stages than it may is given up: then the best of the grids
//! before, with its cuts refined, is the answer, and it is not called exact.

use super::beam_search::{COARSE, beam_search};
use super::exact_search::{Effort, ExactSearch, Found, LOOKS};
use super::grid::grid;
use super::partition::Partition;
use super::refine_cuts::refine_cuts;
use super::space::Space;

/// Stages of a space that is searched whole, without a limit on the cost, in a millisecond, so that
/// the simulator has every partition to choose from.
const SMALL: u64 = 40_000;
/// Partitions that are kept of a search that was given up: their cuts are all refined, which takes as
/// long as a beam search each.
const LEFT: usize = 8;
/// Cost, relative to the best, up to which a partition is kept for the simulator: the closed form and
/// the simulated step of neighbouring partitions differ by a few percent.
const SLACK: f64 = 1.03;

/// Partitions for the simulator, best first.
pub(super) struct Explored {
    pub(super) partitions: Vec<Partition>,
    /// Whether no partition costs less than the first.
    pub(super) exact: bool,
}

/// The partition that costs least, and whether the search left none out.
pub(super) fn least(space: &Space) -> Option<(Partition, bool)> {
    let Explored { partitions, exact } = if is_small(space) {
        let grid: Vec<usize> = (0..=space.layer_count()).collect();
        let effort = Effort { width: usize::MAX, looks: u64::MAX, slack: 1.0 };
        let Found { partitions, exact } =
            ExactSearch::new(space, &grid, f64::INFINITY, effort).run();
        Explored { partitions, exact }
    } else {
        explore(space, LOOKS)
    };
    Some((partitions.into_iter().next()?, exact))
}

fn is_small(space: &Space) -> bool {
    let (devices, layers) = (space.device_count() as u32, space.layer_count());
    (1_u64 << devices) * u64::from(devices * devices) * (layers * layers) as u64 / 8 <= SMALL
}

/// Searches a space; the exact search looks at about `looks` stages at most.
pub(super) fn explore(space: &Space, looks: u64) -> Explored {
    let layers = space.layer_count();
    if is_small(space) {
        let grid: Vec<usize> = (0..=layers).collect();
        let effort = Effort { width: usize::MAX, looks: u64::MAX, slack: f64::INFINITY };
        let Found { partitions, .. } = ExactSearch::new(space, &grid, f64::INFINITY, effort).run();
        return Explored { partitions, exact: true };
    }
    let mut partitions: Vec<Partition> = beam_search(space).into_iter().collect();
    let coarser = |count: &usize| Some(count / 4).filter(|count| *count >= COARSE);
    let mut counts: Vec<usize> = std::iter::successors(Some(layers), coarser).collect();
    counts.reverse();
    let mut exact = false;
    for count in counts {
        let fine = grid(space, count);
        let last = count == layers;
        let slack = if last { SLACK } else { 1.0 };
        let limit = partitions.first().map_or(f64::INFINITY, |best| best.cost * slack);
        let effort = Effort { width: usize::MAX, looks, slack };
        let found = ExactSearch::new(space, &fine, limit, effort).run();
        partitions.extend(found.partitions);
        partitions.sort_by(|a, b| a.cost.total_cmp(&b.cost));
        exact = last && found.exact;
        if !exact {
            // On the way to the finest grid one to beat is enough.
            partitions.truncate(if found.exact { 1 } else { LEFT });
            let reach = layers.div_ceil(count).min(64);
            partitions =
                partitions.into_iter().map(|best| refine_cuts(space, best, reach)).collect();
            partitions.sort_by(|a, b| a.cost.total_cmp(&b.cost));
        }
        if !found.exact {
            break;
        }
    }
    partitions.dedup_by(|a, b| a.stages == b.stages);
    Explored { partitions, exact }
}
