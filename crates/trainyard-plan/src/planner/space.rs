//! The search space: devices that may be used, layers, links and locks.

use super::goal::Goal;
use super::in_flight::InFlight;
use super::validated::ValidatedRequest;
use crate::memory::StageMemory;
use crate::{LinkCost, Profile, Recompute, TensorLimits, Tensors};

/// A device that may be used.
pub(super) struct UsableDevice {
    /// Index in the profile.
    pub(super) index: usize,
    /// Bytes for its stages.
    pub(super) budget: u64,
    /// Forward and backward of all layers before each, µs.
    pub(super) time: Vec<f64>,
    /// Forward of all layers before each, µs.
    pub(super) forward: Vec<f64>,
    /// First and last of the layers that are locked to it.
    pub(super) locked: Option<(usize, usize)>,
    /// Interchangeable devices before it, as a set of bits.
    interchangeable: u32,
}

/// The search space. Devices are numbered among those that may be used.
pub(super) struct Space<'a> {
    pub(super) profile: &'a Profile,
    pub(super) goal: Goal,
    /// Modes that a stage may have, the fastest first.
    pub(super) recompute: &'static [Recompute],
    pub(super) in_flight: InFlight,
    /// Inputs and outputs to set aside beside what a stage holds for certain: the simulator knows
    /// how many wait, a search does not.
    pub(super) buffers: u64,
    /// Micro-batches of the step that stages must have memory for: many, so that sums of gradients
    /// count beside what is in flight, which leaves room for what only the simulator knows: buffers, and
    /// what schedules hold beyond the least.
    pub(super) micro_batches: usize,
    /// Stages that share a device.
    pub(super) chunks: u64,
    pub(super) devices: Vec<UsableDevice>,
    links: Vec<LinkCost>,
    pub(super) locked_to: Vec<Option<usize>>,
    pub(super) tensors: Tensors,
    pub(super) limits: TensorLimits,
    /// By boundary between layers: bytes there and back.
    cuts: Vec<(u64, u64)>,
}

impl<'a> Space<'a> {
    /// The space of a request.
    pub(super) fn new(profile: &'a Profile, request: &ValidatedRequest, goal: Goal) -> Self {
        let ValidatedRequest { excluded, locks, .. } = request;
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
            UsableDevice {
                index: *index,
                budget: device.budget_bytes().saturating_sub(device.overhead_bytes),
                time: sums(&[&device.forward_us, &device.input_grad_us, &device.weight_grad_us]),
                forward: sums(&[&device.forward_us]),
                locked: first.zip(last),
                interchangeable: 0,
            }
        };
        let devices = usable.iter().enumerate().map(device).collect();
        let links = links.collect();
        let tensors = Tensors::of(&profile.model);
        let mut space = Self {
            profile,
            goal,
            recompute: request.recompute.modes(),
            in_flight: request.in_flight(profile),
            buffers: 0,
            micro_batches: usize::MAX,
            chunks: 1,
            devices,
            links,
            locked_to,
            cuts: tensors.cuts(&profile.model),
            tensors,
            limits: TensorLimits::of(profile),
        };
        space.find_interchangeable();
        space
    }

    /// Interchangeable devices can be swapped in any plan without changing what it costs.
    fn find_interchangeable(&mut self) {
        for b in 0..self.devices.len() {
            let before = (0..b).filter(|a| self.are_interchangeable(*a, b));
            self.devices[b].interchangeable = before.map(|a| 1 << a).sum();
        }
    }

    fn are_interchangeable(&self, a: usize, b: usize) -> bool {
        let [x, y] = [a, b].map(|device| &self.profile.devices[self.devices[device].index]);
        let same_link = |(p, q): (usize, usize), (r, s): (usize, usize)| {
            self.link(p, q) == self.link(r, s) && self.link(q, p) == self.link(s, r)
        };
        let mut others = (0..self.devices.len()).filter(|other| *other != a && *other != b);
        x.budget_bytes() == y.budget_bytes()
            && x.overhead_bytes == y.overhead_bytes
            && x.max_tensor_bytes == y.max_tensor_bytes
            && (&x.forward_us, &x.input_grad_us, &x.weight_grad_us, &x.optimizer_us)
                == (&y.forward_us, &y.input_grad_us, &y.weight_grad_us, &y.optimizer_us)
            && (&x.saved_bytes, &x.workspace_bytes) == (&y.saved_bytes, &y.workspace_bytes)
            && self.devices[a].locked.is_none()
            && self.devices[b].locked.is_none()
            && self.link(a, b) == self.link(b, a)
            && others.all(|other| same_link((a, other), (b, other)))
    }

    /// Number of devices that may be used.
    pub(super) fn device_count(&self) -> usize {
        self.devices.len()
    }

    /// Number of layers to place.
    pub(super) fn layer_count(&self) -> usize {
        self.locked_to.len()
    }

    /// Index of a device in the profile.
    pub(super) fn index(&self, device: usize) -> usize {
        self.devices[device].index
    }

    /// Number of a device, by its index in the profile.
    pub(super) fn number(&self, index: usize) -> Option<usize> {
        self.devices.iter().position(|device| device.index == index)
    }

    /// Forward and backward of a layer on a device, µs.
    pub(super) fn layer_time(&self, device: usize, layer: usize) -> f64 {
        let time = &self.devices[device].time;
        time[layer + 1] - time[layer]
    }

    /// Bytes of a device for its stages.
    pub(super) fn budget(&self, device: usize) -> u64 {
        self.devices[device].budget
    }

    /// Bytes that a layer takes on a device whatever else is there; the sum over a stage's layers is
    /// no more than the stage's peak.
    pub(super) fn layer_bytes(&self, device: usize, layer: usize) -> u64 {
        let device = self.index(device);
        let memory =
            StageMemory::with_tensors(self.profile, &self.tensors, device, layer..layer + 1);
        // Of a single micro-batch, activations may go before the sums of gradients come.
        let together = self.profile.micro_batches > 1 || memory.sums_to_come() == 0;
        let saved = if together { memory.saved } else { 0 };
        memory.fixed.total().saturating_add(saved)
    }

    /// Whether all interchangeable devices before `device` are in the set `used`: the first of them
    /// goes first, as any other order would be the same again.
    pub(super) fn is_next_interchangeable(&self, device: usize, used: u32) -> bool {
        self.devices[device].interchangeable & !used == 0
    }

    /// Puts interchangeable devices in their own order, as people expect them.
    pub(super) fn sort_interchangeable(&self, devices: &mut [usize]) {
        for first in 0..devices.len() {
            for later in first + 1..devices.len() {
                if self.devices[devices[first]].interchangeable & (1 << devices[later]) != 0 {
                    devices.swap(first, later);
                }
            }
        }
    }

    fn link(&self, from: usize, to: usize) -> LinkCost {
        self.links[from * self.devices.len() + to]
    }

    /// Whether the cost of a cut is the same between any two devices.
    pub(super) fn links_are_alike(&self) -> bool {
        let count = self.devices.len();
        let pairs = (0..count).flat_map(|a| (0..count).map(move |b| (a, b)));
        let mut pairs = pairs.filter(|(a, b)| a != b).map(|(a, b)| self.link(a, b));
        let first = pairs.next();
        pairs.all(|link| Some(link) == first)
    }

    /// Contribution of a cut before layer `at` (not 0) to the sum and to the maximum: the forward's
    /// transfer and the backward's.
    pub(super) fn cut(&self, before: usize, after: usize, at: usize) -> (f64, f64) {
        if before == after || at == 0 {
            return (0.0, 0.0);
        }
        let (bytes, gradient_bytes) = self.cuts[at];
        let there = self.link(before, after).transfer_us(bytes);
        let back = self.link(after, before).transfer_us(gradient_bytes);
        match self.goal {
            Goal::Time(_) => (there + back, there.max(back)),
            Goal::Share | Goal::Need(_) => (there + back, 0.0),
        }
    }

    /// Micro-batches that a stage holds with `after` stages after it.
    pub(super) fn held(&self, after: usize) -> usize {
        self.in_flight.with_after(after)
    }
}
