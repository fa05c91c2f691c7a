//! The memory of one device over time.

use super::{Footprint, MemoryUse};

/// Memory of a device now, and the most it has held.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ledger {
    /// Now.
    pub now: MemoryUse,
    /// At the fullest moment.
    pub peak: MemoryUse,
    /// Time of that moment, µs.
    pub peak_at_us: f64,
    /// Set by every change since the last [`Self::note`].
    changed: bool,
}

impl Ledger {
    /// Adds memory that is held from the start.
    pub fn open(&mut self, fixed: MemoryUse) {
        self.now = self.now + fixed;
        self.peak = self.now;
        self.changed = true;
    }

    /// Adds sums of gradients.
    pub fn add_gradients(&mut self, bytes: u64) {
        self.now.gradients = self.now.gradients.saturating_add(bytes);
        self.changed = true;
    }

    /// Adds activations.
    pub fn keep(&mut self, bytes: u64) {
        self.now.activations = self.now.activations.saturating_add(bytes);
        self.changed = true;
    }

    /// Frees activations.
    pub fn drop_kept(&mut self, bytes: u64) {
        self.now.activations = self.now.activations.saturating_sub(bytes);
        self.changed = true;
    }

    /// Adds what an action keeps, and its workspace, when it starts.
    pub fn begin(&mut self, footprint: &Footprint) {
        self.keep(footprint.kept.saturating_add(footprint.workspace));
    }

    /// Frees an action's workspace and what it frees when it has ended; adds what it leaves.
    pub fn end(&mut self, footprint: &Footprint) {
        self.drop_kept(footprint.workspace);
        self.drop_kept(footprint.freed);
        self.keep(footprint.left);
    }

    /// Adds a buffer.
    pub fn buffer(&mut self, bytes: u64) {
        self.now.buffers = self.now.buffers.saturating_add(bytes);
        self.changed = true;
    }

    /// Frees a buffer.
    pub fn drop_buffer(&mut self, bytes: u64) {
        self.now.buffers = self.now.buffers.saturating_sub(bytes);
        self.changed = true;
    }

    /// Closes an instant: notes the peak, and returns whether anything has changed since the last.
    pub fn note(&mut self, at_us: f64) -> bool {
        if self.now.total() > self.peak.total() {
            self.peak = self.now;
            self.peak_at_us = at_us;
        }
        std::mem::take(&mut self.changed)
    }
}
