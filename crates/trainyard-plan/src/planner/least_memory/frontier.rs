//! Partitions that leave one device the least, by what stages need.
//!
//! The devices of a set, a stage each, hold layers from the last one backward, or from the first one
//! forward. For each set, the order that reaches furthest is kept. Whatever set comes before a device
//! and whatever set after it, what they leave is the device's stage.

use super::super::candidate::{Candidate, CandidateSchedule};
use super::super::goal::Goal;
use super::super::grid::grid;
use super::super::space::Space;
use super::super::stage_cells::Cell;

/// Most positions between which is cut: tables grow with their square.
const POSITIONS: usize = 96;

/// Devices up to which all sets are tried: the time grows threefold with each.
pub(super) const MOST_DEVICES: usize = 10;

/// Starts for each device.
const STARTS: usize = 3;

/// A set of devices that holds layers up to a position, with the device whose stage is next to it.
#[derive(Clone, Copy)]
struct Reach {
    position: usize,
    device: usize,
}

/// What the stages of a space need, and how far sets of devices reach.
struct Frontier<'s> {
    grid: &'s [usize],
    /// Micro-batches held with so many stages after, as an index of `rows`.
    class_of: Vec<usize>,
    /// By device and class: the stages that end at each position, from the shortest on.
    rows: Vec<Vec<Vec<Vec<Cell>>>>,
    budgets: Vec<u64>,
    /// By set: the layers from a position to the end. `None` where some stage has none to hold.
    suffixes: Vec<Option<Reach>>,
    /// By set and number of stages after it: the layers before a position.
    prefixes: Vec<Vec<Option<Reach>>>,
}

/// For each device, candidates that need little of it while the others fit; for [`MOST_DEVICES`] at
/// most.
pub(super) fn starts(space: &mut Space, schedule: &CandidateSchedule) -> Vec<(usize, Candidate)> {
    let devices = space.device_count();
    let grid = grid(space, POSITIONS);
    let frontier = Frontier::new(space, &grid);
    (0..devices)
        .flat_map(|device| {
            let found = frontier.around(device);
            found.into_iter().map(move |found| (device, found))
        })
        .map(|(device, found)| (device, frontier.candidate(space, device, found, schedule)))
        .collect()
}

impl<'s> Frontier<'s> {
    fn new(space: &mut Space, grid: &'s [usize]) -> Self {
        let devices = space.device_count();
        let mut held: Vec<usize> = Vec::new();
        let class_of = (0..devices).map(|after| {
            let count = space.held(after);
            held.iter().position(|known| *known == count).unwrap_or_else(|| {
                held.push(count);
                held.len() - 1
            })
        });
        let class_of: Vec<usize> = class_of.collect();
        let mut rows = Vec::new();
        for device in 0..devices {
            // A need is what a cell says of the device that has no limit.
            space.goal = Goal::Need(device);
            let row = |held: usize, end: usize| {
                let starts: Vec<usize> = grid[..end].iter().rev().copied().collect();
                space.row(device, held, grid[end], &starts, f64::INFINITY)
            };
            let of_class = |held: &usize| (0..grid.len()).map(|end| row(*held, end)).collect();
            rows.push(held.iter().map(of_class).collect());
        }
        let mut frontier = Self {
            grid,
            class_of,
            rows,
            budgets: (0..devices).map(|device| space.budget(device)).collect(),
            suffixes: vec![None; 1 << devices],
            prefixes: vec![vec![None; devices + 1]; 1 << devices],
        };
        for set in 0..1 << devices {
            frontier.suffixes[set] = frontier.suffix(set);
        }
        for set in 0..1_usize << devices {
            for after in 0..=devices - set.count_ones() as usize {
                frontier.prefixes[set][after] = frontier.prefix(set, after);
            }
        }
        frontier
    }

    fn last(&self) -> usize {
        self.grid.len() - 1
    }

    /// What a stage needs; `None` where locks forbid it.
    fn need(&self, device: usize, after: usize, first: usize, end: usize) -> Option<f64> {
        let cell = self.rows[device][*self.class_of.get(after)?].get(end)?.get(end - first - 1)?;
        cell.max.is_finite().then_some(cell.max)
    }

    fn fits(&self, device: usize, after: usize, first: usize, end: usize) -> bool {
        let need = self.need(device, after, first, end);
        need.is_some_and(|need| need <= self.budgets[device] as f64)
    }

    /// The furthest that a set reaches from the end backward.
    fn suffix(&self, set: usize) -> Option<Reach> {
        if set == 0 {
            return Some(Reach { position: self.last(), device: 0 });
        }
        let after = set.count_ones() as usize - 1;
        let reaches = members(set).filter_map(|device| {
            let end = self.suffixes[set & !(1 << device)]?.position;
            let position = (0..end).find(|first| self.fits(device, after, *first, end))?;
            Some(Reach { position, device })
        });
        reaches.min_by_key(|reach| reach.position)
    }

    /// The furthest that a set reaches from the beginning on, with `after` stages after it.
    fn prefix(&self, set: usize, after: usize) -> Option<Reach> {
        if set == 0 {
            return Some(Reach { position: 0, device: 0 });
        }
        let reaches = members(set).filter_map(|device| {
            let first = self.prefixes[set & !(1 << device)].get(after + 1)?.as_ref()?.position;
            let mut ends = (first + 1..=self.last()).rev();
            let position = ends.find(|end| self.fits(device, after, first, *end))?;
            Some(Reach { position, device })
        });
        reaches.max_by_key(|reach| reach.position)
    }

    /// The sets before and after a device that leave it least, the best first.
    fn around(&self, device: usize) -> Vec<(usize, usize)> {
        let all = self.suffixes.len() - 1;
        let mut found: Vec<(f64, usize, usize)> = Vec::new();
        for after in (0..=all).filter(|after| after & (1 << device) == 0) {
            let rest = all & !after & !(1 << device);
            // Every subset of the rest, the empty one last.
            let mut before = rest;
            loop {
                if let Some((first, end)) = self.between(before, after)
                    && let Some(need) = self.need(device, after.count_ones() as usize, first, end)
                {
                    found.push((need, before, after));
                }
                if before == 0 {
                    break;
                }
                before = (before - 1) & rest;
            }
        }
        found.sort_by(|a, b| a.0.total_cmp(&b.0));
        found.truncate(STARTS);
        found.into_iter().map(|(_, before, after)| (before, after)).collect()
    }

    /// The stage that two sets leave between them.
    fn between(&self, before: usize, after: usize) -> Option<(usize, usize)> {
        let end = self.suffixes[after]?.position;
        let stages_after = after.count_ones() as usize + 1;
        let first = self.prefixes[before].get(stages_after)?.as_ref()?.position;
        // Where they would hold all, they leave the last one.
        (end > 0).then(|| (first.min(end - 1), end))
    }

    /// The candidate in which two sets are before and after a device.
    fn candidate(
        &self,
        space: &Space,
        device: usize,
        (before, after): (usize, usize),
        schedule: &CandidateSchedule,
    ) -> Candidate {
        let mut stages: Vec<(usize, usize)> = Vec::new();
        let (mut set, mut stages_after) = (before, after.count_ones() as usize + 1);
        while let Some(Reach { device, .. }) =
            self.prefixes[set].get(stages_after).copied().flatten().filter(|_| set != 0)
        {
            set &= !(1 << device);
            stages_after += 1;
            let first = self.prefixes[set].get(stages_after).copied().flatten();
            stages.push((device, first.map_or(0, |reach| reach.position)));
        }
        stages.reverse();
        let (first, _) = self.between(before, after).unwrap_or((0, self.last()));
        stages.push((device, first));
        let mut set = after;
        while let Some(Reach { position, device }) = self.suffixes[set].filter(|_| set != 0) {
            stages.push((device, position));
            set &= !(1 << device);
        }
        let count = stages.len();
        let recompute = stages.iter().enumerate().map(|(stage, (device, first))| {
            let end = stages.get(stage + 1).map_or(self.last(), |(_, first)| *first);
            let class = self.class_of.get(count - 1 - stage).copied().unwrap_or(0);
            let cells = self.rows[*device][class].get(end);
            let cell = cells.and_then(|cells| cells.get((end - first).saturating_sub(1)));
            cell.map(|cell| cell.recompute).unwrap_or_default()
        });
        Candidate {
            ranks: stages.iter().map(|(device, _)| space.index(*device)).collect(),
            firsts: stages.iter().map(|(_, first)| self.grid[*first]).collect(),
            recompute: recompute.collect(),
            schedule: schedule.clone(),
        }
    }
}

/// The devices of a set.
fn members(set: usize) -> impl Iterator<Item = usize> {
    (0..usize::BITS as usize).filter(move |device| set & (1 << device) != 0)
}
