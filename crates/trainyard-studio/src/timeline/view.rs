//! The visible range of time, and how it moves.

/// The shortest range that can be seen, ns: a clock's tick.
const SHORTEST: f64 = 100.0;

/// A visible range of time, in ns since the start of the step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct View {
    /// Left edge.
    pub start: f64,
    /// Right edge.
    pub end: f64,
}

impl Default for View {
    fn default() -> Self {
        Self { start: 0.0, end: 1e6 }
    }
}

impl View {
    /// A view of a range with a little room beside it.
    #[must_use]
    pub fn fit(start: f64, end: f64) -> Self {
        let length = (end - start).max(SHORTEST);
        let middle = f64::midpoint(start, end);
        Self { start: middle - 0.515 * length, end: middle + 0.515 * length }
    }

    /// How long it is, ns.
    #[must_use]
    pub fn length(&self) -> f64 {
        (self.end - self.start).max(SHORTEST)
    }

    /// Shows `factor` times as much, with the instant `anchor` where it is, within `content`.
    pub fn zoom(&mut self, anchor: f64, factor: f64, content: (f64, f64)) {
        let longest = ((content.1 - content.0) * 4.0).max(SHORTEST * 10.0);
        let length = (self.length() * factor).clamp(SHORTEST, longest);
        let share = (anchor - self.start) / self.length();
        self.start = anchor - share * length;
        self.end = self.start + length;
        self.keep_near(content);
    }

    /// Moves right by `by` ns, within `content`.
    pub fn pan(&mut self, by: f64, content: (f64, f64)) {
        let length = self.length();
        self.start += by;
        self.end = self.start + length;
        self.keep_near(content);
    }

    /// Moves as little as shows a range, as it is or zoomed out to hold it.
    pub fn reveal(&mut self, start: f64, end: f64) {
        let length = self.length();
        if end - start > length {
            *self = Self::fit(start, end);
        } else if start < self.start || end > self.end {
            self.start = f64::midpoint(start, end) - length / 2.0;
            self.end = self.start + length;
        }
    }

    /// Something of the content stays in sight.
    fn keep_near(&mut self, content: (f64, f64)) {
        let length = self.length();
        let margin = length * 0.1;
        let lowest = content.0 - length + margin;
        let highest = (content.1 - margin).max(lowest);
        self.start = self.start.clamp(lowest, highest);
        self.end = self.start + length;
    }
}

/// From time to place and back.
#[derive(Clone, Copy, Debug)]
pub struct Axis {
    /// What is visible.
    pub view: View,
    /// Left edge, in points or pixels.
    pub left: f32,
    /// How wide it is.
    pub width: f32,
}

impl Axis {
    /// Where an instant is.
    #[must_use]
    pub fn place(&self, ns: f64) -> f32 {
        let share = (ns - self.view.start) / self.view.length();
        self.left + (share * f64::from(self.width)) as f32
    }

    /// Which instant is there.
    #[must_use]
    pub fn time(&self, x: f32) -> f64 {
        let share = f64::from(x - self.left) / f64::from(self.width.max(1.0));
        self.view.start + share * self.view.length()
    }

    /// How much time one point or pixel is, ns.
    #[must_use]
    pub fn ns_per_pixel(&self) -> f64 {
        self.view.length() / f64::from(self.width.max(1.0))
    }
}
