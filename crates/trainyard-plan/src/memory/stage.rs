//! The memory of one stage: what it holds all the time, and what each micro-batch adds.

use std::ops::Range;

use super::MemoryUse;
use crate::{Profile, Recompute};

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
    /// The largest `workspace_bytes` of a layer.
    work: u64,
    /// At the fullest moment of a forward: what is kept so far and the work of the layer in hand.
    forward_peak: u64,
    /// At the fullest moment of a backward: see [`Self::backward_workspace`].
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
        let work = profile.workspace_bytes(device, index);
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
    pub fn forward_workspace(&self, recompute: Recompute) -> u64 {
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
    pub fn backward_workspace(&self, recompute: Recompute) -> u64 {
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
        let work = self.backward_workspace(recompute).max(self.forward_workspace(recompute));
        MemoryUse { activations: kept.saturating_add(work), ..self.fixed }
    }
}
