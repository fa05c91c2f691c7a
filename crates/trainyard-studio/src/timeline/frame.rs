//! What a frame of the timeline works with.

use super::layout::{Scenes, Side};
use super::selection::Selection;
use super::sheet::Anchors;

/// A range of time, in ns since the start of the step.
pub(super) type Range = (f64, f64);

/// What a frame works with.
pub(super) struct Frame<'a> {
    pub(super) scenes: Scenes<'a>,
    pub(super) anchors: Anchors,
    /// The measured step that is shown.
    pub(super) step: Option<u64>,
    /// The steps that are shown: the longest of all sides.
    pub(super) step_range: Range,
    /// All there is.
    pub(super) content: Range,
}

impl Frame<'_> {
    /// When something selected was, ns since the start of the step.
    pub(super) fn range_of(&self, selected: &Selection) -> Option<Range> {
        let (side, index) = selected.place(&self.scenes)?;
        let (start_ns, end_ns) = self.scenes.times(side, index)?;
        Some(self.range(side, start_ns, end_ns))
    }

    /// Times of a side's clock as ns since the start of the step.
    pub(super) fn range(&self, side: Side, start_ns: u64, end_ns: u64) -> Range {
        let anchor = self.anchors.of(side) as f64;
        (start_ns as f64 - anchor, end_ns as f64 - anchor)
    }

    /// An instant on a side's clock, ns.
    pub(super) fn clock(&self, side: Side, ns: f64) -> u64 {
        (self.anchors.of(side) as f64 + ns).max(0.0) as u64
    }
}
