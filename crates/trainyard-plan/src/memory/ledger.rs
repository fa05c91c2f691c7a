//! The memory of one device over time.

use super::{Footprint, MemoryUse};

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

    /// An action starts: what it keeps and its workspace.
    pub fn begin(&mut self, footprint: &Footprint) {
        self.keep(footprint.kept.saturating_add(footprint.workspace));
    }

    /// An action has ended: its workspace and what it frees go, what it leaves stays.
    pub fn end(&mut self, footprint: &Footprint) {
        self.drop_kept(footprint.workspace);
        self.drop_kept(footprint.freed);
        self.keep(footprint.left);
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
