//! From a scene's clock to pixels: what a frame does thousands of times.

/// From a scene's clock to pixels of the plot.
pub(super) struct TimeScale {
    /// What is at the left edge, ns.
    start: f64,
    pixels_per_ns: f64,
    left: f32,
    right: f32,
}

impl TimeScale {
    /// Shows `length` ns from `start` on, from the pixel `left` on over `width` pixels.
    pub(super) fn new(start: f64, length: f64, left: f32, width: f32) -> Self {
        Self { start, pixels_per_ns: f64::from(width) / length, left, right: left + width }
    }

    /// Left and right edge of what is visible of a time, pixels; none where nothing is.
    pub(super) fn edges(&self, start_ns: u64, end_ns: u64) -> Option<(f32, f32)> {
        let place = |ns: u64| ((ns as f64 - self.start) * self.pixels_per_ns) as f32 + self.left;
        let (from, to) = (place(start_ns), place(end_ns));
        (to >= self.left && from <= self.right).then(|| (from.max(self.left), to.min(self.right)))
    }

    /// The same on whole pixels, for areas that touch each other: no seams show between them.
    pub(super) fn snapped(&self, start_ns: u64, end_ns: u64) -> Option<(f32, f32)> {
        let (left, right) = self.edges(start_ns, end_ns)?;
        let (left, right) = (left.round(), right.round());
        (right > left).then_some((left, right))
    }
}
