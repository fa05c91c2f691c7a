//! The search space: which stages are allowed, and what each adds to the stated objective.

use super::RecomputeChoice;
use crate::memory::StageMemory;
use crate::{LinkCost, Profile, Recompute, Tensors};

/// What a search makes small.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Goal {
    /// Σ stations + so many times the longest of them.
    Time(f64),
    /// The largest share that a stage takes of its device's budget; among equals, Σ stations.
    Share,
    /// What the stage on this device needs, in bytes, where the others fit.
    Need(usize),
}

impl Goal {
    /// What the sum and the maximum count.
    pub(super) fn weights(self) -> (f64, f64) {
        match self {
            Self::Time(repeats) => (1.0, repeats),
            Self::Share | Self::Need(_) => (0.0, 1.0),
        }
    }
}

/// How many micro-batches a stage holds at least, given how many stages come after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InFlight {
    /// As many as there are: `GPipe`.
    All,
    /// `factor` for each stage after it, and one: 1 for 1F1B and ZB-H1, 2 for ZB-H2.
    Ahead(usize),
    /// Whatever the schedule, one.
    One,
}

impl InFlight {
    /// Under the schedule of that name; the least of all where the search is to serve several.
    pub(super) fn of(schedule: &str) -> Self {
        match schedule {
            "gpipe" => Self::All,
            "zb-h2" => Self::Ahead(2),
            "auto" | "1f1b" | "zb-h1" => Self::Ahead(1),
            _ => Self::One,
        }
    }
}

/// What one more stage adds: to the sum, and for the maximum.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cell {
    pub(super) sum: f64,
    /// Infinite for a stage that does not fit.
    pub(super) max: f64,
    pub(super) recompute: Recompute,
}

/// A device that may be used.
struct Usable {
    /// Index in the profile.
    index: usize,
    budget: u64,
    /// Forward and backward of the layers before each, µs.
    time: Vec<f64>,
    /// Forward alone.
    forward: Vec<f64>,
    /// First and last of the layers that are locked to it.
    locked: Option<(usize, usize)>,
    /// The devices before it that are no different, as a set of bits.
    twins: u32,
}

/// What may be placed where. Devices are numbered among those that may be used.
pub(super) struct Space<'a> {
    pub(super) profile: &'a Profile,
    pub(super) goal: Goal,
    pub(super) recompute: RecomputeChoice,
    pub(super) in_flight: InFlight,
    /// How many inputs and outputs to set aside beside what a stage holds for certain: the
    /// simulator knows how many wait, a search does not.
    pub(super) buffers: u64,
    /// How many stages share a device.
    pub(super) chunks: u64,
    devices: Vec<Usable>,
    links: Vec<LinkCost>,
    locked_to: Vec<Option<usize>>,
    tensors: Tensors,
}

impl<'a> Space<'a> {
    /// The space of a profile without the devices in `excluded`, with (layer, device) `locks`.
    pub(super) fn new(
        profile: &'a Profile,
        goal: Goal,
        excluded: &[usize],
        locks: &[(usize, usize)],
    ) -> Self {
        let usable = (0..profile.devices.len()).filter(|index| !excluded.contains(index));
        let usable: Vec<usize> = usable.collect();
        let links = usable.iter().flat_map(|from| usable.iter().map(|to| profile.link(*from, *to)));
        let mut locked_to = vec![None; profile.model.layers.len()];
        for (layer, device) in locks {
            if let Some(locked) = locked_to.get_mut(*layer) {
                *locked = usable.iter().position(|index| index == device);
            }
        }
        let device = |(number, index): (usize, &usize)| {
            let device = &profile.devices[*index];
            let layers = || locked_to.iter().enumerate().filter(|(_, to)| **to == Some(number));
            let first = layers().map(|(layer, _)| layer).next();
            let last = layers().map(|(layer, _)| layer).next_back();
            let sums = |parts: &[&Vec<f64>]| {
                let mut sums = vec![0.0];
                for layer in 0..profile.model.layers.len() {
                    let time: f64 = parts.iter().map(|times| times[layer]).sum();
                    sums.push(sums[layer] + time);
                }
                sums
            };
            Usable {
                index: *index,
                budget: device.budget_bytes().saturating_sub(device.overhead_bytes),
                time: sums(&[&device.forward_us, &device.input_grad_us, &device.weight_grad_us]),
                forward: sums(&[&device.forward_us]),
                locked: first.zip(last),
                twins: 0,
            }
        };
        let devices = usable.iter().enumerate().map(device).collect();
        let links = links.collect();
        let recompute = RecomputeChoice::Auto;
        let in_flight = InFlight::Ahead(1);
        let mut space = Self {
            profile,
            goal,
            recompute,
            in_flight,
            buffers: 0,
            chunks: 1,
            devices,
            links,
            locked_to,
            tensors: Tensors::of(&profile.model),
        };
        space.find_twins();
        space
    }

    /// Twins can be swapped in any plan without changing what it costs.
    fn find_twins(&mut self) {
        for b in 0..self.devices.len() {
            self.devices[b].twins = (0..b).filter(|a| self.alike(*a, b)).map(|a| 1 << a).sum();
        }
    }

    fn alike(&self, a: usize, b: usize) -> bool {
        let [x, y] = [a, b].map(|device| &self.profile.devices[self.devices[device].index]);
        let same_link = |(p, q): (usize, usize), (r, s): (usize, usize)| {
            self.link(p, q) == self.link(r, s) && self.link(q, p) == self.link(s, r)
        };
        let mut others = (0..self.devices.len()).filter(|other| *other != a && *other != b);
        x.budget_bytes() == y.budget_bytes()
            && x.overhead_bytes == y.overhead_bytes
            && (&x.forward_us, &x.input_grad_us, &x.weight_grad_us, &x.optimizer_us)
                == (&y.forward_us, &y.input_grad_us, &y.weight_grad_us, &y.optimizer_us)
            && (&x.saved_bytes, &x.workspace_bytes) == (&y.saved_bytes, &y.workspace_bytes)
            && self.devices[a].locked.is_none()
            && self.devices[b].locked.is_none()
            && self.link(a, b) == self.link(b, a)
            && others.all(|other| same_link((a, other), (b, other)))
    }

    /// How many devices may be used.
    pub(super) fn device_count(&self) -> usize {
        self.devices.len()
    }

    /// How many layers are to be placed.
    pub(super) fn layer_count(&self) -> usize {
        self.locked_to.len()
    }

    /// A device's index in the profile.
    pub(super) fn index(&self, device: usize) -> usize {
        self.devices[device].index
    }

    /// A device's number, by its index in the profile.
    pub(super) fn number(&self, index: usize) -> Option<usize> {
        self.devices.iter().position(|device| device.index == index)
    }

    /// The time of a layer on a device, µs.
    pub(super) fn layer_time(&self, device: usize, layer: usize) -> f64 {
        let time = &self.devices[device].time;
        time[layer + 1] - time[layer]
    }

    /// A device's budget, in bytes.
    pub(super) fn budget(&self, device: usize) -> u64 {
        self.devices[device].budget
    }

    /// What a layer takes on a device whatever else is there, in bytes.
    pub(super) fn layer_bytes(&self, device: usize, layer: usize) -> u64 {
        let device = self.index(device);
        let memory =
            StageMemory::with_tensors(self.profile, &self.tensors, device, layer..layer + 1);
        memory.fixed.total().saturating_add(memory.saved)
    }

    /// Whether all devices before `device` that are no different are in the set `used`: of equal
    /// devices the first goes first, as any other order would be the same again.
    pub(super) fn is_next_of_twins(&self, device: usize, used: u32) -> bool {
        self.devices[device].twins & !used == 0
    }

    /// Puts devices that are no different in their own order, as people expect them.
    pub(super) fn sort_twins(&self, devices: &mut [usize]) {
        for first in 0..devices.len() {
            for later in first + 1..devices.len() {
                if self.devices[devices[first]].twins & (1 << devices[later]) != 0 {
                    devices.swap(first, later);
                }
            }
        }
    }

    fn link(&self, from: usize, to: usize) -> LinkCost {
        self.links[from * self.devices.len() + to]
    }

    /// Whether it does not matter which devices a cut lies between.
    pub(super) fn links_are_alike(&self) -> bool {
        let count = self.devices.len();
        let pairs = (0..count).flat_map(|a| (0..count).map(move |b| (a, b)));
        let mut pairs = pairs.filter(|(a, b)| a != b).map(|(a, b)| self.link(a, b));
        let first = pairs.next();
        pairs.all(|link| Some(link) == first)
    }

    /// What a cut before layer `at` between two devices adds: the forward's transfer and the
    /// backward's.
    pub(super) fn cut(&self, before: usize, after: usize, at: usize) -> (f64, f64) {
        if before == after || at == 0 {
            return (0.0, 0.0);
        }
        let layers = &self.profile.model.layers;
        let there = self.link(before, after).transfer_us(layers[at - 1].output_bytes);
        let back = self.link(after, before).transfer_us(layers[at].input_bytes);
        match self.goal {
            Goal::Time(_) => (there + back, there.max(back)),
            Goal::Share | Goal::Need(_) => (there + back, 0.0),
        }
    }

    /// How many micro-batches a stage holds with so many stages after it.
    pub(super) fn held(&self, after: usize) -> usize {
        let all = self.profile.micro_batches;
        match self.in_flight {
            InFlight::All => all,
            InFlight::Ahead(factor) => all.min(factor * after + 1),
            InFlight::One => 1,
        }
    }

    /// The stages on `device` that end before layer `end` and hold `held` micro-batches, one for
    /// each of `starts` (descending). Ends early where no longer stage can be part of a plan that
    /// costs `limit` or less.
    pub(super) fn row(
        &self,
        device: usize,
        held: usize,
        end: usize,
        starts: &[usize],
        limit: f64,
    ) -> Vec<Cell> {
        let Usable { index, budget, locked, .. } = self.devices[device];
        let mut cells = Vec::new();
        if locked.is_some_and(|(_, last)| last >= end) && self.chunks == 1 {
            return cells;
        }
        let mut memory = StageMemory::default();
        let mut layer = end;
        for &start in starts {
            while layer > start {
                layer -= 1;
                if self.locked_to[layer].is_some_and(|to| to != device) {
                    return cells;
                }
                memory.push_front(self.profile, &self.tensors, index, layer);
            }
            if self.is_too_long(device, start..end, &memory, budget, limit) {
                return cells;
            }
            let leaves_lock = locked.is_some_and(|(first, _)| first < start) && self.chunks == 1;
            let mut cell = self.cell(device, start..end, &memory, held);
            if leaves_lock {
                cell.max = f64::INFINITY;
            }
            cells.push(cell);
        }
        cells
    }

    /// Whether this stage and every longer one is beyond the limit.
    fn is_too_long(
        &self,
        device: usize,
        layers: std::ops::Range<usize>,
        memory: &StageMemory,
        budget: u64,
        limit: f64,
    ) -> bool {
        let fixed = memory.fixed.total().saturating_mul(self.chunks);
        match self.goal {
            Goal::Time(repeats) => {
                let time = &self.devices[device].time;
                let time = time[layers.end] - time[layers.start];
                fixed > budget || time * (1.0 + repeats) > limit
            }
            Goal::Share => share(fixed, budget) > limit,
            Goal::Need(free) => free != device && fixed > budget,
        }
    }

    fn cell(
        &self,
        device: usize,
        layers: std::ops::Range<usize>,
        memory: &StageMemory,
        held: usize,
    ) -> Cell {
        let Usable { budget, time, forward, .. } = &self.devices[device];
        let need = |recompute| {
            let buffers = memory.input.saturating_add(memory.output).saturating_mul(self.buffers);
            let peak = memory.peak(recompute, held).total().saturating_add(buffers);
            peak.saturating_mul(self.chunks)
        };
        let time = time[layers.end] - time[layers.start];
        let again = forward[layers.end] - forward[layers.start];
        let cell = |recompute, max: Option<f64>| {
            let sum = if recompute == Recompute::Full { time + again } else { time };
            let max = max.unwrap_or(sum);
            Cell { sum, max, recompute }
        };
        let least = self.modes().iter().map(|mode| (need(*mode), *mode));
        let (least, frugal) = least.min_by_key(|(need, _)| *need).unwrap_or_default();
        match self.goal {
            Goal::Share => cell(frugal, Some(share(least, *budget))),
            Goal::Need(free) if free == device => cell(frugal, Some(least as f64)),
            Goal::Time(_) | Goal::Need(_) => {
                let fits = self.modes().iter().find(|mode| need(**mode) <= *budget);
                let max = matches!(self.goal, Goal::Need(_)).then_some(0.0);
                fits.map_or(cell(Recompute::Full, Some(f64::INFINITY)), |mode| cell(*mode, max))
            }
        }
    }

    /// What a stage may do, the fastest first.
    fn modes(&self) -> &'static [Recompute] {
        self.recompute.modes()
    }
}

/// A need as a part of a budget.
fn share(need: u64, budget: u64) -> f64 {
    need as f64 / budget.max(1) as f64
}
