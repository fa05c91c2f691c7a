//! Local search over orders of devices, where there are too many to search them all: cuts every order
//! it tries on a coarse grid.

use std::collections::BTreeMap;

use super::fixed_order_dp::best_cuts_of_rows;
use super::partition::Partition;
use super::space::Space;
use super::stage_cells::Cell;

/// Most orders that are tried: all neighbours of an order of 16 devices, and some rounds more for 8.
const TRIES: usize = 400;

struct Orders<'a> {
    space: &'a Space<'a>,
    grid: &'a [usize],
    /// Rows by device, micro-batches held, end, and whether it is the first stage: the same stages
    /// come up in many orders.
    rows: BTreeMap<(usize, usize, usize, bool), Vec<Cell>>,
    tries: usize,
    best: Option<Partition>,
}

/// The best partition that single changes of an order lead to: exchange two devices, replace one, add
/// one, leave one out. Begins with the fastest devices, the fastest first and last.
pub(super) fn by_orders(space: &Space, grid: &[usize]) -> Option<Partition> {
    let devices = space.device_count();
    let whole = |device: &usize| -> f64 {
        (0..space.layer_count()).map(|layer| space.layer_time(*device, layer)).sum()
    };
    let mut fastest: Vec<usize> = (0..devices).collect();
    fastest.sort_by(|a, b| whole(a).total_cmp(&whole(b)));
    let mut orders = Orders { space, grid, rows: BTreeMap::new(), tries: TRIES, best: None };
    for count in 1..=devices {
        let descending: Vec<usize> = fastest[..count].iter().rev().copied().collect();
        orders.enter(&fastest[..count]);
        orders.enter(&descending);
    }
    while orders.improve() {}
    orders.best
}

impl Orders<'_> {
    /// Tries an order. Returns whether it is the best so far.
    fn enter(&mut self, stage_devices: &[usize]) -> bool {
        let stages = stage_devices.len();
        if stages == 0 || stages >= self.grid.len() || self.tries == 0 {
            return false;
        }
        self.tries -= 1;
        let inner = self.grid[1..self.grid.len() - 1].to_vec();
        let mut starts = vec![inner; stages];
        starts[0] = vec![0];
        let (space, rows) = (self.space, &mut self.rows);
        let row = &mut |device, held, end, starts: &[usize]| {
            // The first stage can begin with the first layer alone, so its rows have one cell.
            let key = (device, held, end, starts == [0]);
            let row = || space.row(device, held, end, starts, f64::INFINITY);
            rows.entry(key).or_insert_with(row).clone()
        };
        let found = best_cuts_of_rows(space, stage_devices, &starts, row);
        let better = found.filter(|found| self.best.as_ref().is_none_or(|b| found.cost < b.cost));
        let improved = better.is_some();
        self.best = better.or(self.best.take());
        improved
    }

    /// Tries the neighbours of the best order. Returns whether one was better.
    fn improve(&mut self) -> bool {
        let Some(best) = &self.best else { return false };
        let order = best.stage_devices();
        let unused = (0..self.space.device_count()).filter(|device| !order.contains(device));
        let unused: Vec<usize> = unused.collect();
        let stages = order.len();
        let mut improved = false;
        for at in 0..stages {
            for other in at + 1..stages {
                let mut swapped = order.clone();
                swapped.swap(at, other);
                improved |= self.enter(&swapped);
            }
            for device in &unused {
                let mut replaced = order.clone();
                replaced[at] = *device;
                improved |= self.enter(&replaced);
            }
            let mut without = order.clone();
            without.remove(at);
            improved |= self.enter(&without);
        }
        for device in &unused {
            for at in 0..=stages {
                let mut with = order.clone();
                with.insert(at, *device);
                improved |= self.enter(&with);
            }
        }
        improved
    }
}
