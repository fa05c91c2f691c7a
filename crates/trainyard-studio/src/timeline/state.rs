//! What a person has done to the view of a trace.

use eframe::egui::TextureHandle;

pub(super) use super::frame::{Frame, Range};
use super::layout::{Scenes, Side};
use super::searching::Search;
use super::selection::Selection;
use super::sheet::Anchors;
use super::span_details::NameTotal;
use super::statistics::Statistics;
use super::view::View;

/// What a person has done to the view of a trace.
#[derive(Default)]
pub struct Timeline {
    pub(super) view: View,
    /// Whether the view was moved. Until then it holds the whole step.
    pub(super) moved: bool,
    /// The measured step that is shown; none: the newest whole one.
    pub(super) step: Option<u64>,
    pub(super) selected: Option<Selection>,
    pub(super) hovered: Option<(Side, u32)>,
    pub(super) range: Option<Range>,
    pub(super) drag: Option<Drag>,
    /// The instant pointed at.
    pub(super) pointer: Option<f64>,
    pub(super) marks: Vec<f64>,
    /// An instant that the cursor stays at while nothing else is pointed at.
    pub(super) pinned: Option<f64>,
    /// Whether the shared cursor is where it is because of this widget.
    pub(super) moved_cursor: bool,
    pub(super) hides_details: bool,
    pub(super) rows: Rows,
    pub(super) search: Search,
    pub(super) statistics: Option<Known<OfRange>>,
    pub(super) drawing: Drawing,
}

/// What happened within the selected range.
pub(super) struct OfRange {
    /// On the devices of each side.
    pub(super) sides: Vec<(Side, Statistics)>,
    /// In other programs, where there are any.
    pub(super) names: Option<Vec<NameTotal>>,
}

/// How far the rows are scrolled, where there are more than fit. Points.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rows {
    pub(super) scrolled: f32,
    /// How much of them is seen.
    pub(super) seen: f32,
}

/// What draws the rectangles.
pub(super) enum Drawing {
    /// Our pipeline, in egui's renderer.
    Gpu,
    /// The CPU renderer, whose picture egui shows.
    Cpu(Option<TextureHandle>),
    /// Shapes, which can be written as a drawing.
    Shapes,
}

impl Default for Drawing {
    fn default() -> Self {
        Self::Cpu(None)
    }
}

/// What is being dragged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Drag {
    /// The view.
    View,
    /// The end of a range that began there, ns.
    Range(f64),
}

/// Something that was worked out, and from what.
pub(super) struct Known<T> {
    pub(super) of: (Vec<u64>, [u64; 2], Option<u64>),
    pub(super) is: T,
}

impl Timeline {
    /// A timeline that draws with our pipeline, for a window where [`install`](super::install) was
    /// called. `Timeline::default()` draws on the CPU.
    #[must_use]
    pub fn on_gpu() -> Self {
        Self { drawing: Drawing::Gpu, ..Self::default() }
    }

    /// The same view as shapes, for a picture: without what a picture cannot be asked.
    #[must_use]
    pub fn as_shapes(&self) -> Self {
        Self {
            view: self.view,
            moved: self.moved,
            step: self.step,
            selected: self.selected.clone(),
            range: self.range,
            marks: self.marks.clone(),
            pinned: self.pinned,
            hides_details: true,
            drawing: Drawing::Shapes,
            ..Self::default()
        }
    }

    /// Whether the newest step of a running pipeline is followed.
    #[must_use]
    pub fn follows(&self) -> bool {
        self.step.is_none()
    }

    /// Forgets what belongs to a trace that is no longer shown.
    pub fn reset(&mut self) {
        let drawing = std::mem::take(&mut self.drawing);
        *self = Self { drawing, ..Self::default() };
    }

    /// Selects an action or a span and brings it into sight.
    pub fn select(&mut self, scenes: Scenes, side: Side, event: u32) {
        let Some(selected) = Selection::new(&scenes, side, event) else { return };
        if let Selection::Action(action) = &selected
            && side == Side::Measured
            && self.frame(scenes).step != Some(action.step)
        {
            self.step = Some(action.step);
        }
        let frame = self.frame(scenes);
        if let Some(range) = frame.range_of(&selected) {
            self.moved = true;
            self.view.reveal(range.0, range.1);
        }
        self.selected = Some(selected);
    }

    /// What is to be shown of the scenes now.
    pub(super) fn frame<'a>(&self, scenes: Scenes<'a>) -> Frame<'a> {
        let measured = scenes.measured.and_then(|scene| {
            self.step.and_then(|number| scene.step(number)).or_else(|| scene.newest_step())
        });
        let first = |scene: Option<&'a super::Scene>| scene.and_then(|scene| scene.steps().first());
        let (predicted, preview) = (first(scenes.predicted), first(scenes.preview));
        let start = |step: Option<&super::Step>| step.map_or(0, |step| step.start_ns);
        let anchors = Anchors {
            predicted: start(predicted),
            preview: start(preview),
            measured: start(measured),
            foreign: match (measured, scenes.foreign) {
                // What lies in one file is on one clock.
                (Some(step), _) => step.start_ns,
                (None, Some(foreign)) => foreign.extent_ns().0,
                (None, None) => 0,
            },
        };
        let shown = [predicted, preview, measured];
        let steps = shown.iter().flatten().map(|step| step.duration_ns()).max();
        let (first, last) = scenes.extent_ns(Side::Foreign).unwrap_or_default();
        let longest = steps.unwrap_or(last - first);
        let step_range: Range = (0.0, (longest as f64).max(1000.0));
        let mut content: Range = step_range;
        for side in Side::ALL {
            let Some((start, end)) = scenes.extent_ns(side) else { continue };
            let anchor = anchors.of(side) as f64;
            content.0 = content.0.min(start as f64 - anchor);
            content.1 = content.1.max(end as f64 - anchor);
        }
        Frame { scenes, anchors, step: measured.map(|step| step.number), step_range, content }
    }
}
