//! Exact search over partitions: puts stages in front of one another, from the last to the first.
//!
//! A state is the set of used devices, the device of the first stage where it matters to the cut
//! before it, and the first layer. It keeps every [`Label`] that no other beats in both sum and
//! maximum. The set is also the number of stages that come after the next one, so what that holds
//! in memory is known, and stages that do not fit are never tried.
//!
//! [`Bounds`] cut off what cannot end below the limit. States are expanded in rounds, a stage a
//! round; given a `width`, a round expands only the labels of least bound, and the search is a beam
//! search: fast, and no longer exact.

use super::bounds::Bounds;
use super::pareto::{Label, ParetoFront};
use super::partition::{Partition, PlacedStage};
use super::space::Space;
use super::stage_cells::Cell;
use crate::Recompute;

/// Stages that a search may look at: half a second of one core for the largest, after which plans found
/// by the beam search are rarely beaten (`cargo bench --bench plan`, group `search`).
pub(super) const LOOKS: u64 = 60_000_000;

/// Limits of a search.
#[derive(Clone, Copy, Debug)]
pub(super) struct Effort {
    /// Most labels that a round expands.
    pub(super) width: usize,
    /// Most stages that are looked at.
    pub(super) looks: u64,
    /// Partitions within this factor of the best are kept, too.
    pub(super) slack: f64,
}

/// Result of a search.
pub(super) struct Found {
    /// The best of each state at the first layer, within the slack, best first.
    pub(super) partitions: Vec<Partition>,
    /// Whether the first partition costs least of all on this grid: neither the width nor the looks
    /// left anything out.
    pub(super) exact: bool,
}

/// Most partitions that are given back: beyond what the planner simulates (80 a round), with room for
/// one choice among orders of devices.
const MOST: usize = 1000;

/// An expanded label, to trace a partition back.
struct Node {
    parent: u32,
    device: u8,
    /// Position in the grid.
    first: u32,
    recompute: Recompute,
}

/// Parent of the empty suffix.
const NONE: u32 = u32::MAX;

/// States of one set of used devices and, where that matters, first device.
struct States {
    used: u32,
    /// By position in the grid.
    fronts: Vec<ParetoFront>,
}

pub(super) struct ExactSearch<'a> {
    space: &'a Space<'a>,
    /// Layers before which a cut may be, with 0 and the number of layers.
    grid: &'a [usize],
    /// The same, descending.
    starts: Vec<usize>,
    bounds: Bounds,
    effort: Effort,
    /// Most that a partition may cost.
    limit: f64,
    best: f64,
    /// Whether the cost of a cut depends on the devices.
    heads: bool,
    slot_of: Vec<u32>,
    rows: Vec<Option<Vec<Cell>>>,
    nodes: Vec<Node>,
    complete: Vec<(f64, u32)>,
    looked_at: u64,
}

impl<'a> ExactSearch<'a> {
    /// A search for partitions that cost no more than `limit`, with cuts on a grid of layers.
    pub(super) fn new(space: &'a Space<'a>, grid: &'a [usize], limit: f64, effort: Effort) -> Self {
        let devices = space.device_count();
        let heads = !space.links_are_alike();
        Self {
            space,
            grid,
            starts: grid.iter().rev().copied().collect(),
            bounds: Bounds::new(space, grid),
            effort,
            // Sums in another order may differ in their last digits.
            limit: limit * (1.0 + 1e-9),
            best: f64::INFINITY,
            heads,
            slot_of: vec![NONE; (1 << devices) * if heads { devices } else { 1 }],
            rows: std::iter::repeat_with(|| None).take(devices * devices * grid.len()).collect(),
            nodes: Vec::new(),
            complete: Vec::new(),
            looked_at: 0,
        }
    }

    /// Runs the search.
    pub(super) fn run(mut self) -> Found {
        let last = self.grid.len() - 1;
        let mut root = States { used: 0, fronts: vec![ParetoFront::default(); last + 1] };
        let recompute = Recompute::None;
        let empty = Label { sum: 0.0, max: 0.0, parent: NONE, device: 0, recompute };
        root.fronts[last].insert(empty, self.space.goal);
        let mut round = vec![root];
        let mut exact = true;
        for placed in 0..self.space.device_count() {
            self.prepare(&round);
            let widest = self.beam(&round);
            exact &= widest.is_infinite();
            let mut next = Vec::new();
            for states in &round {
                self.expand(states, placed, widest, &mut next);
            }
            for states in &next {
                self.complete(states);
            }
            if self.looked_at > self.effort.looks {
                exact = false;
                break;
            }
            round = next;
        }
        self.found(exact)
    }

    /// Works out the bounds that a round needs.
    fn prepare(&mut self, round: &[States]) {
        let devices = self.space.device_count();
        for states in round {
            let sets = (0..devices).map(|device| states.used | 1 << device);
            for used in sets.chain([states.used]) {
                if self.looked_at <= self.effort.looks && self.bounds.prepare(used) {
                    self.looked_at += (self.grid.len() * devices) as u64;
                }
            }
        }
    }

    /// Bound above which a label is not expanded.
    fn beam(&self, round: &[States]) -> f64 {
        let labels = round.iter().flat_map(|states| states.fronts.iter().skip(1));
        if labels.map(|front| front.labels().len()).sum::<usize>() <= self.effort.width {
            return f64::INFINITY;
        }
        let bound = |(states, at, label): (&States, usize, &Label)| {
            self.bounds.cost(self.bounds.of(states.used), at, label.sum, label.max)
        };
        let mut bounds: Vec<f64> = all_labels(round).map(bound).collect();
        *bounds.select_nth_unstable_by(self.effort.width, f64::total_cmp).1
    }

    /// Puts one more stage in front of every suffix, while looks are left.
    fn expand(&mut self, states: &States, placed: usize, widest: f64, next: &mut Vec<States>) {
        for (end, front) in states.fronts.iter().enumerate().skip(1) {
            for label in front.labels() {
                let rest = self.bounds.of(states.used);
                let bound = self.bounds.cost(rest, end, label.sum, label.max);
                if bound > self.limit || bound > widest {
                    continue;
                }
                if self.looked_at > self.effort.looks {
                    return;
                }
                let node = if placed == 0 { NONE } else { self.keep(label, end) };
                for device in 0..self.space.device_count() {
                    if states.used & (1 << device) == 0
                        && self.space.is_next_interchangeable(device, states.used)
                    {
                        self.put_in_front((states, end, label, node), device, placed, next);
                    }
                }
            }
        }
    }

    fn keep(&mut self, label: &Label, first: usize) -> u32 {
        let Label { parent, device, recompute, .. } = *label;
        self.nodes.push(Node { parent, device, first: first as u32, recompute });
        (self.nodes.len() - 1) as u32
    }

    /// Tries all stages on `device` that end where a suffix begins.
    fn put_in_front(
        &mut self,
        (states, end, label, node): (&States, usize, &Label, u32),
        device: usize,
        placed: usize,
        next: &mut Vec<States>,
    ) {
        let row = self.row(placed, device, end);
        let used = states.used | 1 << device;
        let (cut_sum, cut_max) = if placed == 0 {
            (0.0, 0.0)
        } else {
            self.space.cut(device, usize::from(label.device), self.grid[end])
        };
        let (alpha, beta) = self.space.goal.weights();
        let base = label.sum + cut_sum;
        let base_max = label.max.max(cut_max);
        let slot = self.slot(used, device, next);
        let fronts = &mut next[slot].fronts;
        let (before, rest) = (self.bounds.of(states.used), self.bounds.of(used));
        for (cell, start) in self.rows[row].iter().flatten().zip((0..end).rev()) {
            self.looked_at += 1;
            let (sum, max) = (base + cell.sum, base_max.max(cell.max));
            // Where longer stages only cost more, none of them is worth a look.
            let cheapest = alpha * sum + before.cheapest(start);
            if alpha > 0.0 && cheapest + beta * base_max.max(cell.sum) > self.limit {
                break;
            }
            if max.is_finite() && self.bounds.cost(rest, start, sum, max) <= self.limit {
                let recompute = cell.recompute;
                let label = Label { sum, max, parent: node, device: device as u8, recompute };
                fronts[start].insert(label, self.space.goal);
                if start == 0 && alpha * sum + beta * max < self.best {
                    self.best = alpha * sum + beta * max;
                    self.limit = self.limit.min(self.best * self.effort.slack * (1.0 + 1e-9));
                }
            }
        }
    }

    /// Index of the row of stages on `device` that end at a position, with `placed` stages after them.
    fn row(&mut self, placed: usize, device: usize, end: usize) -> usize {
        let devices = self.space.device_count();
        let held = self.space.held(placed);
        // Rounds in which a stage holds as many micro-batches share their rows.
        let class = (0..placed).find(|after| self.space.held(*after) == held).unwrap_or(placed);
        let row = (class * devices + device) * self.grid.len() + end;
        if self.rows[row].is_none() {
            let starts = &self.starts[self.grid.len() - end..];
            let limit = self.limit;
            self.looked_at += (self.grid[end] * 4) as u64;
            self.rows[row] = Some(self.space.row(device, held, self.grid[end], starts, limit));
        }
        row
    }

    fn slot(&mut self, used: u32, head: usize, next: &mut Vec<States>) -> usize {
        let key = if self.heads {
            used as usize * self.space.device_count() + head
        } else {
            used as usize
        };
        if self.slot_of[key] == NONE {
            self.slot_of[key] = next.len() as u32;
            // States take memory, which the looks limit, too.
            self.looked_at += (self.grid.len() * 16) as u64;
            next.push(States { used, fronts: vec![ParetoFront::default(); self.grid.len()] });
        }
        self.slot_of[key] as usize
    }

    /// Notes the partitions that have reached the first layer.
    fn complete(&mut self, states: &States) {
        let (alpha, beta) = self.space.goal.weights();
        for label in states.fronts[0].labels() {
            let node = self.keep(label, 0);
            self.complete.push((alpha * label.sum + beta * label.max, node));
        }
    }

    fn found(mut self, exact: bool) -> Found {
        self.complete.sort_by(|a, b| a.0.total_cmp(&b.0));
        self.complete.truncate(MOST);
        let partitions = self.complete.iter().map(|(cost, node)| {
            let mut stages: Vec<PlacedStage> = Vec::new();
            let mut next = *node;
            while let Some(node) = self.nodes.get(next as usize) {
                let device = usize::from(node.device);
                let first = self.grid[node.first as usize];
                let end = self.space.layer_count();
                stages.push(PlacedStage { device, first, end, recompute: node.recompute });
                next = node.parent;
            }
            for stage in 1..stages.len() {
                stages[stage - 1].end = stages[stage].first;
            }
            Partition { cost: *cost, stages }
        });
        Found { partitions: partitions.collect(), exact }
    }
}

fn all_labels(round: &[States]) -> impl Iterator<Item = (&States, usize, &Label)> {
    round.iter().flat_map(|states| {
        let fronts = states.fronts.iter().enumerate().skip(1);
        fronts.flat_map(move |(at, front)| front.labels().iter().map(move |l| (states, at, l)))
    })
}

#[cfg(test)]
mod tests;
