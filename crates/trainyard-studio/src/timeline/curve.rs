//! Memory of one device over time.

use trainyard_plan::{MemorySample, MemoryUse};

/// What a device holds from an instant on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// From when, ns.
    pub at_ns: u64,
    /// How much, bytes.
    pub bytes: u64,
    /// What for, where somebody knows.
    pub by_category: Option<MemoryUse>,
}

/// How many samples, or blocks of them, a block of the next level sums up.
const BLOCK: usize = 8;

/// Samples in order of time. Between two of them the first holds.
#[derive(Clone, Debug, Default)]
pub struct Curve {
    samples: Vec<Held>,
    /// The largest of each block of [`BLOCK`], of each block of those, and so on.
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

    /// What is held at an instant; none before the first sample.
    #[must_use]
    pub fn at(&self, ns: u64) -> Option<&Held> {
        let after = self.samples.partition_point(|held| held.at_ns <= ns);
        self.samples.get(after.checked_sub(1)?)
    }

    /// Indices of what holds in `[from, to)`: the sample in force at `from` and those after it.
    #[must_use]
    pub fn range(&self, from: u64, to: u64) -> std::ops::Range<usize> {
        let first = self.samples.partition_point(|held| held.at_ns <= from).saturating_sub(1);
        let end = self.samples.partition_point(|held| held.at_ns < to);
        first..end.max(first)
    }

    /// The most that is held within a range of samples, bytes.
    #[must_use]
    pub fn max_in(&self, range: std::ops::Range<usize>) -> u64 {
        let (mut from, mut end) = (range.start, range.end.min(self.samples.len()));
        let mut most = 0;
        let mut level = 0;
        let value = |level: usize, index: usize| {
            let value = match level.checked_sub(1) {
                None => self.samples.get(index).map(|held| held.bytes),
                Some(above) => self.maxima.get(above).and_then(|row| row.get(index).copied()),
            };
            value.unwrap_or(0)
        };
        while from < end {
            while from < end && from % BLOCK != 0 {
                most = most.max(value(level, from));
                from += 1;
            }
            while from < end && end % BLOCK != 0 {
                end -= 1;
                most = most.max(value(level, end));
            }
            (from, end, level) = (from / BLOCK, end / BLOCK, level + 1);
        }
        most
    }

    /// Works out the maxima anew from a sample on.
    fn summarise(&mut self, changed: usize) {
        let mut below: Vec<u64> = Vec::new();
        let mut first = changed / BLOCK;
        let mut level = 0;
        loop {
            let row: Vec<u64> = if level == 0 {
                let from = self.samples.get(first * BLOCK..).unwrap_or_default();
                from.chunks(BLOCK).map(|c| c.iter().map(|h| h.bytes).max().unwrap_or(0)).collect()
            } else {
                let from = below.get(first * BLOCK..).unwrap_or_default();
                from.chunks(BLOCK).map(|c| c.iter().copied().max().unwrap_or(0)).collect()
            };
            if self.maxima.len() == level {
                self.maxima.push(Vec::new());
            }
            let Some(kept) = self.maxima.get_mut(level) else { return };
            kept.truncate(first);
            kept.extend(row);
            if kept.len() <= 1 {
                return;
            }
            below.clone_from(kept);
            first /= BLOCK;
            level += 1;
        }
    }
}
