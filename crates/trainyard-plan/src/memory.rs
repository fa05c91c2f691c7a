//! How much memory stages need, by category.
//!
//! A device holds, in bytes:
//!
//! - **weights** = the sum of its layers' `param_bytes`;
//! - **gradients** = the same again, the sums over the micro-batches so far;
//! - **optimizer** = `optimizer_bytes_per_param_byte` × the `param_bytes` of layers that are not
//!   tied to another layer (a tied follower has no optimizer state of its own);
//! - **activations** = the `saved_bytes` of every micro-batch between its forward and the end of
//!   its backward. Under recompute: the stage's input instead, and one micro-batch's `saved_bytes`
//!   while its backward runs. Where the backward is split, what the weight gradient needs
//!   (`weight_saved_bytes`) stays from the end of I to the end of W. While an action runs, what it
//!   needs for a moment comes on top: see [`StageMemory::backward_work`]. So does what the device's
//!   kernels keep for themselves (`overhead_bytes`), where that was measured;
//! - **buffers** = one output for each send that has not arrived, one input for each receive that
//!   has arrived and is not used yet.
//!
//! How much of this there is at a time is the schedule's doing, so the [simulator](crate::simulate)
//! keeps the [`Ledger`]. All sums saturate, so that absurd numbers in a file read as "does not fit".

mod bytes;
mod shortage;

use std::iter::Sum;
use std::ops::{Add, Range};

use serde::{Deserialize, Serialize};

pub use bytes::{human_bytes, parse_bytes};
pub use shortage::describe_shortage;
pub(crate) use shortage::hint;

use crate::{Profile, Recompute};

/// Memory by what it is for, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryUse {
    /// The layers' weights.
    pub weights: u64,
    /// The sums of the gradients.
    pub gradients: u64,
    /// The optimizer's state.
    pub optimizer: u64,
    /// What forwards keep for their backwards, and working memory.
    pub activations: u64,
    /// What waits to be sent or was just received.
    pub buffers: u64,
}

impl MemoryUse {
    /// All of it.
    #[must_use]
    pub fn total(&self) -> u64 {
        [self.weights, self.gradients, self.optimizer, self.activations, self.buffers]
            .into_iter()
            .fold(0, u64::saturating_add)
    }
}

impl Add for MemoryUse {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            weights: self.weights.saturating_add(other.weights),
            gradients: self.gradients.saturating_add(other.gradients),
            optimizer: self.optimizer.saturating_add(other.optimizer),
            activations: self.activations.saturating_add(other.activations),
            buffers: self.buffers.saturating_add(other.buffers),
        }
    }
}

impl Sum for MemoryUse {
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        iter.fold(Self::default(), Self::add)
    }
}

/// What a device would have to hold, beside what it may hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceNeed {
    /// The device's id.
    pub device: String,
    /// The most it would hold at once, in bytes.
    pub needed_bytes: u64,
    /// Its budget, in bytes.
    pub budget_bytes: u64,
    /// The need by category.
    pub peak: MemoryUse,
}

impl DeviceNeed {
    /// The need of a device with a budget.
    #[must_use]
    pub fn new(device: &str, budget_bytes: u64, peak: MemoryUse) -> Self {
        Self { device: device.to_owned(), needed_bytes: peak.total(), budget_bytes, peak }
    }

    /// By how many bytes the need exceeds the budget; 0 where it fits.
    #[must_use]
    pub fn deficit_bytes(&self) -> u64 {
        self.needed_bytes.saturating_sub(self.budget_bytes)
    }
}

/// What a stage needs on a device, in bytes. It grows by one layer in front at a time, so that a
/// planner can try every stage without adding the same layers up again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StageMemory {
    /// Weights, gradients and optimizer state.
    pub fixed: MemoryUse,
    /// Kept by each micro-batch in flight.
    pub saved: u64,
    /// What of `saved` a weight gradient needs after its input gradient.
    pub weight_saved: u64,
    /// What comes in for one micro-batch.
    pub input: u64,
    /// What goes out for one micro-batch.
    pub output: u64,
    layers: usize,
    /// The largest `work_bytes` of a layer.
    work: u64,
    /// At the fullest moment of a forward: what is kept so far and the work of the layer in hand.
    forward_peak: u64,
    /// At the fullest moment of a backward: see [`Self::backward_work`].
    backward_peak: u64,
    fresh: u64,
}

impl StageMemory {
    /// The need of the layers `[first, end)` on a device; indices beyond the model count nothing.
    #[must_use]
    pub fn of(profile: &Profile, device: usize, layers: Range<usize>) -> Self {
        let mut memory = Self::default();
        for layer in layers.rev() {
            memory.push_front(profile, device, layer);
        }
        memory
    }

    /// Puts one more layer in front.
    pub fn push_front(&mut self, profile: &Profile, device: usize, index: usize) {
        let Some(layer) = profile.model.layers.get(index) else { return };
        let add = u64::saturating_add;
        if self.layers == 0 {
            self.output = layer.output_bytes;
        }
        self.layers += 1;
        self.input = layer.input_bytes;
        let params = layer.param_bytes;
        let state = if layer.tied_to.is_some() { 0 } else { params };
        let state = profile.model.optimizer_bytes_per_param_byte.saturating_mul(state);
        self.fixed.weights = add(self.fixed.weights, params);
        self.fixed.gradients = add(self.fixed.gradients, params);
        self.fixed.optimizer = add(self.fixed.optimizer, state);
        let saved = profile.saved_bytes(device, index);
        let work = profile.work_bytes(device, index);
        let fresh = profile.model.fresh_bytes_per_param_byte.saturating_mul(params);
        self.saved = add(self.saved, saved);
        let for_weights = layer.weight_saved_bytes.unwrap_or(saved).min(saved);
        self.weight_saved = add(self.weight_saved, for_weights);
        self.fresh = add(self.fresh, fresh);
        self.work = self.work.max(work);
        self.forward_peak = add(self.forward_peak.max(work), saved);
        self.backward_peak = add(self.backward_peak, saved).max(add(add(saved, self.fresh), work));
    }

    /// What a forward needs for a moment beyond what it keeps.
    #[must_use]
    pub fn forward_work(&self, recompute: Recompute) -> u64 {
        match recompute {
            Recompute::None => self.forward_peak.saturating_sub(self.saved),
            Recompute::Full => self.work,
        }
    }

    /// What a backward needs for a moment beyond what its forward kept. It goes from the last layer
    /// to the first: at layer j there is what the layers up to j have kept, the fresh gradients of
    /// the layers from j on, and j's work. The fullest such moment counts; without fresh gradients
    /// and work that is its start, and nothing comes on top.
    #[must_use]
    pub fn backward_work(&self, recompute: Recompute) -> u64 {
        let work = self.backward_peak.saturating_sub(self.saved);
        match recompute {
            Recompute::None => work,
            Recompute::Full => work.saturating_add(self.saved),
        }
    }

    /// What each micro-batch in flight keeps.
    #[must_use]
    pub fn kept(&self, recompute: Recompute) -> u64 {
        match recompute {
            Recompute::None => self.saved,
            Recompute::Full => self.input,
        }
    }

    /// The need with so many micro-batches in flight, during a backward, without buffers: what the
    /// simulator finds for a stage alone on its device, whatever the times are.
    #[must_use]
    pub fn peak(&self, recompute: Recompute, in_flight: usize) -> MemoryUse {
        let kept = self.kept(recompute).saturating_mul(in_flight as u64);
        let work = self.backward_work(recompute).max(self.forward_work(recompute));
        MemoryUse { activations: kept.saturating_add(work), ..self.fixed }
    }
}

/// What a device holds at a time, and the most it has held.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ledger {
    /// Now.
    pub now: MemoryUse,
    /// At the fullest moment.
    pub peak: MemoryUse,
    /// When that was, µs.
    pub peak_at_us: f64,
    /// Whether anything came or went since the last [`Self::note`].
    changed: bool,
}

impl Ledger {
    /// What is held from the start.
    pub fn open(&mut self, fixed: MemoryUse) {
        self.now = self.now + fixed;
        self.peak = self.now;
        self.changed = true;
    }

    /// More activations.
    pub fn keep(&mut self, bytes: u64) {
        self.now.activations = self.now.activations.saturating_add(bytes);
        self.changed = true;
    }

    /// Fewer activations.
    pub fn drop_kept(&mut self, bytes: u64) {
        self.now.activations = self.now.activations.saturating_sub(bytes);
        self.changed = true;
    }

    /// One more buffer.
    pub fn buffer(&mut self, bytes: u64) {
        self.now.buffers = self.now.buffers.saturating_add(bytes);
        self.changed = true;
    }

    /// One buffer less.
    pub fn drop_buffer(&mut self, bytes: u64) {
        self.now.buffers = self.now.buffers.saturating_sub(bytes);
        self.changed = true;
    }

    /// Closes an instant: what is held now is held for a while. Says whether it has changed.
    pub fn note(&mut self, at_us: f64) -> bool {
        if self.now.total() > self.peak.total() {
            self.peak = self.now;
            self.peak_at_us = at_us;
        }
        std::mem::take(&mut self.changed)
    }
}
