//! A row of slices in time, with its level of detail.
//!
//! A trace may have a million actions, a screen has some thousand pixels. A track therefore keeps
//! coarser copies of itself: in the copy of width w, slices shorter than w that begin in the same w
//! are one. What is drawn at a zoom is the coarsest copy whose w is no more than a pixel, so a frame
//! looks at a few slices a pixel, whatever the trace.

/// A piece of a row: one action or idle interval, or several too small to be distinguished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    /// Start of the first, ns.
    pub start_ns: u64,
    /// End of the last, ns.
    pub end_ns: u64,
    /// What is covered of the time between, ns.
    pub covered_ns: u64,
    /// Index of the (first) event in its scene.
    pub event: u32,
    /// How many there are.
    pub count: u32,
    /// What is drawn: an [`ActionKind`](trainyard_plan::ActionKind) or a cause of idleness, as its
    /// number; of several the longest's.
    pub class: u8,
}

impl Slice {
    /// A slice of one event.
    #[must_use]
    pub fn new(start_ns: u64, end_ns: u64, event: u32, class: u8) -> Self {
        let end_ns = end_ns.max(start_ns);
        Self { start_ns, end_ns, covered_ns: end_ns - start_ns, event, count: 1, class }
    }

    /// From start to end, ns.
    #[must_use]
    pub fn extent_ns(&self) -> u64 {
        self.end_ns - self.start_ns
    }

    fn absorb(&mut self, next: &Self) {
        if next.covered_ns > self.covered_ns {
            self.class = next.class;
        }
        self.end_ns = self.end_ns.max(next.end_ns);
        self.covered_ns = self.covered_ns.saturating_add(next.covered_ns);
        self.count = self.count.saturating_add(next.count);
    }
}

/// Slices in order of their starts.
#[derive(Clone, Debug, Default)]
struct Row {
    slices: Vec<Slice>,
    /// The longest slice so far, ns: how far back one may begin that is still seen.
    longest_ns: u64,
}

impl Row {
    fn push(&mut self, slice: Slice) {
        self.longest_ns = self.longest_ns.max(slice.extent_ns());
        self.slices.push(slice);
    }

    fn first_from(&self, ns: u64) -> usize {
        self.slices.partition_point(|slice| slice.start_ns < ns)
    }

    fn from(&self, ns: u64) -> &[Slice] {
        self.slices.get(self.first_from(ns)..).unwrap_or_default()
    }

    /// All that may touch `[from, to)`.
    fn visible(&self, from: u64, to: u64) -> &[Slice] {
        let first = self.first_from(from.saturating_sub(self.longest_ns));
        let end = self.first_from(to).max(first);
        self.slices.get(first..end).unwrap_or_default()
    }
}

/// A row without slices that differ by less than its width.
#[derive(Clone, Debug)]
struct Level {
    width_ns: u64,
    row: Row,
}

/// Below this many slices a coarser level is not worth its memory.
const SMALL: usize = 256;

/// A row of slices and its levels of detail.
#[derive(Clone, Debug, Default)]
pub struct Track {
    row: Row,
    levels: Vec<Level>,
}

impl Track {
    /// All slices, in order of their starts.
    #[must_use]
    pub fn slices(&self) -> &[Slice] {
        &self.row.slices
    }

    /// What may touch `[from, to)`, with neighbours that share a pixel as one.
    #[must_use]
    pub fn visible(&self, from: u64, to: u64, ns_per_pixel: f64) -> &[Slice] {
        let fine = |level: &&Level| level.width_ns as f64 <= ns_per_pixel;
        let level = self.levels.iter().take_while(fine).last();
        level.map_or(&self.row, |level| &level.row).visible(from, to)
    }

    /// What may touch `[from, to)`, event by event.
    #[must_use]
    pub fn between(&self, from: u64, to: u64) -> &[Slice] {
        self.row.visible(from, to)
    }

    /// The slice at an instant: of those that cover it the one that began last.
    #[must_use]
    pub fn at(&self, ns: u64) -> Option<&Slice> {
        let touching = self.row.visible(ns, ns.saturating_add(1));
        touching.iter().rev().find(|slice| slice.end_ns > ns)
    }

    /// Adds slices, which mostly come after those that are there; only what comes after the first of
    /// them is worked out anew.
    pub fn extend(&mut self, mut new: Vec<Slice>) {
        let Some(from) = new.iter().map(|slice| slice.start_ns).min() else { return };
        new.extend(self.row.slices.drain(self.row.first_from(from)..));
        new.sort_by_key(|slice| (slice.start_ns, slice.event));
        for slice in new {
            self.row.push(slice);
        }
        self.refine(from);
    }

    /// Puts `new` in place of everything that starts at `from` or later.
    pub fn replace_from(&mut self, from: u64, new: Vec<Slice>) {
        self.row.slices.truncate(self.row.first_from(from));
        for level in &mut self.levels {
            let cut = from / level.width_ns * level.width_ns;
            level.row.slices.truncate(level.row.first_from(cut));
        }
        if new.is_empty() {
            self.refine(from);
        }
        self.extend(new);
    }

    /// Works out the levels anew from an instant on.
    fn refine(&mut self, from: u64) {
        for index in 0..self.levels.len() {
            let (finer, rest) = self.levels.split_at_mut(index);
            let below = finer.last().map_or(&self.row, |level| &level.row);
            if let Some(level) = rest.first_mut() {
                merge(below, level, from);
            }
        }
        loop {
            let below = self.levels.last().map_or(&self.row, |level| &level.row);
            let width_ns = match self.levels.last() {
                Some(level) => level.width_ns.checked_mul(2),
                None => first_width(below),
            };
            let Some(width_ns) = width_ns.filter(|_| below.slices.len() > SMALL) else { return };
            let mut level = Level { width_ns, row: Row::default() };
            merge(below, &mut level, 0);
            self.levels.push(level);
        }
    }
}

/// The width of the finest level: what is shorter than most slices would only copy them.
fn first_width(row: &Row) -> Option<u64> {
    let total: u64 = row.slices.iter().fold(0, |sum, slice| sum.saturating_add(slice.covered_ns));
    (total / (row.slices.len() as u64).max(1)).max(1).checked_next_power_of_two()
}

/// Works out a level from the one below, from an instant on.
fn merge(below: &Row, level: &mut Level, from: u64) {
    let width = level.width_ns;
    let cut = from / width * width;
    level.row.slices.truncate(level.row.first_from(cut));
    let mut pending: Option<Slice> = None;
    for slice in below.from(cut) {
        let joins = |before: &Slice| {
            before.start_ns / width == slice.start_ns / width
                && before.extent_ns() < width
                && slice.extent_ns() < width
        };
        match &mut pending {
            Some(before) if joins(before) => before.absorb(slice),
            _ => {
                if let Some(done) = pending.replace(*slice) {
                    level.row.push(done);
                }
            }
        }
    }
    if let Some(done) = pending {
        level.row.push(done);
    }
}
