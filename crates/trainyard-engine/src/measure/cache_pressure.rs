//! What a step does to the processor's caches between two runs of a layer.
//!
//! A layer that runs over and over by itself finds its weights in the cache. In training the rest of
//! the model has been there in between; so as much memory as that is touched before every run.

use rayon::prelude::*;
use trainyard_plan::{LayerProfile, ModelProfile};

use crate::Device;

/// More than this empties any cache.
const AT_MOST_BYTES: u64 = 64 << 20;
const CACHE_LINE_WORDS: usize = 8;

/// Bytes that a device's share of a model touches before it is a layer's turn again.
#[derive(Clone, Copy)]
pub(super) struct PressureBytes {
    /// In forwards and backwards: weights, and what is kept.
    pass: u64,
    /// In the update: weights, gradients and optimizer state.
    update: u64,
}

impl PressureBytes {
    /// Of a model that is spread over so many devices.
    pub(super) fn of(profile: &ModelProfile, devices: usize) -> Self {
        let sum = |of: fn(&LayerProfile) -> u64| {
            profile.layers.iter().map(of).fold(0, u64::saturating_add)
        };
        let share = |bytes: u64| (bytes / devices.max(1) as u64).min(AT_MOST_BYTES);
        let params = sum(|layer| layer.param_bytes);
        let saved = sum(|layer| layer.saved_bytes);
        let times = profile.optimizer_bytes_per_param_byte.saturating_add(2);
        Self {
            // A pipeline has about as many micro-batches in flight as devices, so each device keeps as
            // much as the whole model does for one.
            pass: share(params).saturating_add(saved).min(AT_MOST_BYTES),
            update: share(params.saturating_mul(times)),
        }
    }
}

/// Memory to touch in place of the rest; none where the host's caches do not matter.
pub(super) struct CachePressure {
    bytes: PressureBytes,
    memory: Vec<u64>,
}

impl CachePressure {
    pub(super) fn of(bytes: PressureBytes, device: &Device) -> Self {
        let most = if device.is_cpu() { bytes.pass.max(bytes.update) } else { 0 };
        Self { bytes, memory: vec![0; words(most)] }
    }

    /// Before a forward or a backward. What is made for the layer after this is as fresh in the
    /// caches as in training.
    pub(super) fn pass(&mut self) {
        self.touch(self.bytes.pass);
    }

    /// Before a norm or an update.
    pub(super) fn update(&mut self) {
        self.touch(self.bytes.update);
    }

    fn touch(&mut self, bytes: u64) {
        let end = words(bytes).min(self.memory.len());
        self.memory[..end].par_chunks_mut(CACHE_LINE_WORDS).for_each(|line| line[0] += 1);
    }
}

/// Words that so many bytes fill.
fn words(bytes: u64) -> usize {
    usize::try_from(bytes / 8).unwrap_or(0)
}
