//! Memory of one device over time.

use std::ops::Range;

use trainyard_plan::{MemorySample, MemoryUse};

/// What a device holds from an instant on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// From when, ns.
    pub at_ns: u64,
    /// How much, bytes.
    pub bytes: u64,
    /// Its purpose, where it is known.
    pub by_category: Option<MemoryUse>,
}

/// How many samples, or blocks of them, a block of the next level sums up.
const BLOCK: usize = 8;

/// Samples in order of time. Between two of them the first holds.
#[derive(Clone, Debug, Default)]
pub struct Curve {
    samples: Vec<Held>,
    /// When each was taken, ns: what a frame searches, close together in memory.
    times: Vec<u64>,
    /// What each holds, bytes; then the largest of each block of [`BLOCK`] of those, and so on.
    maxima: Vec<Vec<u64>>,
    /// Which sample is the largest.
    peak: u64,
}

impl Curve {
    /// Adds samples, which mostly come after those that are there.
    pub fn extend<'a>(&mut self, samples: impl IntoIterator<Item = &'a MemorySample>) {
        let before = self.samples.len();
        let held = |sample: &MemorySample| Held {
            at_ns: sample.at_ns,
            bytes: sample.in_use_bytes,
            by_category: sample.by_category,
        };
        self.samples.extend(samples.into_iter().map(held));
        let new = self.samples.get(before..).unwrap_or_default();
        let Some(first) = new.iter().map(|held| held.at_ns).min() else { return };
        self.peak = new.iter().map(|held| held.bytes).max().unwrap_or(0).max(self.peak);
        let sorted = self.samples.get(..before).unwrap_or_default();
        let changed = sorted.partition_point(|held| held.at_ns <= first);
        if let Some(tail) = self.samples.get_mut(changed..) {
            tail.sort_by_key(|held| held.at_ns);
        }
        self.summarise(changed);
    }

    /// The samples, in order of time.
    #[must_use]
    pub fn samples(&self) -> &[Held] {
        &self.samples
    }

    /// The most that is held at any time, bytes.
    #[must_use]
    pub fn peak_bytes(&self) -> u64 {
        self.peak
    }

    /// When each sample was taken, ns.
    #[must_use]
    pub fn times(&self) -> &[u64] {
        &self.times
    }

    /// What is held at an instant; none before the first sample.
    #[must_use]
    pub fn at(&self, ns: u64) -> Option<&Held> {
        let after = self.times.partition_point(|at| *at <= ns);
        self.samples.get(after.checked_sub(1)?)
    }

    /// Indices of what holds in `[from, to)`: the sample in force at `from` and those after it.
    #[must_use]
    pub fn range(&self, from: u64, to: u64) -> Range<usize> {
        let first = self.times.partition_point(|at| *at <= from).saturating_sub(1);
        let end = self.times.partition_point(|at| *at < to);
        first..end.max(first)
    }

    /// The most that is held within a range of samples, bytes.
    #[must_use]
    pub fn max_in(&self, range: Range<usize>) -> u64 {
        let (mut from, mut end) = (range.start, range.end.min(self.samples.len()));
        let mut most = 0;
        for row in &self.maxima {
            let mut look = |at: usize| most = row.get(at).copied().unwrap_or(0).max(most);
            while from < end && from % BLOCK != 0 {
                look(from);
                from += 1;
            }
            while from < end && end % BLOCK != 0 {
                end -= 1;
                look(end);
            }
            (from, end) = (from / BLOCK, end / BLOCK);
        }
        most
    }

    /// Works out times and maxima anew from a sample on.
    fn summarise(&mut self, changed: usize) {
        let new = self.samples.get(changed..).unwrap_or_default();
        self.times.truncate(changed);
        self.times.extend(new.iter().map(|held| held.at_ns));
        let mut row: Vec<u64> = new.iter().map(|held| held.bytes).collect();
        let mut first = changed;
        for level in 0.. {
            if self.maxima.len() == level {
                self.maxima.push(Vec::new());
            }
            let Some(kept) = self.maxima.get_mut(level) else { return };
            kept.truncate(first);
            kept.extend(row);
            if kept.len() <= BLOCK {
                return;
            }
            first /= BLOCK;
            let below = kept.get(first * BLOCK..).unwrap_or_default();
            row = below.chunks(BLOCK).map(|c| c.iter().copied().max().unwrap_or(0)).collect();
        }
    }
}
