//! The timeline as a widget: its state, and one frame of it.

use eframe::egui::{Rect, TextureHandle, Ui, UiBuilder, Vec2, pos2};

use super::layout::{Scenes, Side, layout};
use super::picture::Anchors;
use super::selection::Selected;
use super::statistics::Statistics;
use super::view::View;
use super::{canvas, details, keys, minimap, toolbar};
use crate::theme::size;

/// A range of time, in ns since the start of the step.
pub(super) type Range = (f64, f64);

/// What a person has done to the view of a trace.
#[derive(Default)]
pub struct Timeline {
    pub(super) view: View,
    /// Whether somebody has moved the view. Until then it holds the whole step.
    pub(super) moved: bool,
    /// The measured step that is shown; none: the newest whole one.
    pub(super) step: Option<u64>,
    pub(super) selected: Option<Selected>,
    pub(super) hovered: Option<(Side, u32)>,
    pub(super) range: Option<Range>,
    pub(super) drag: Option<canvas::Drag>,
    /// The instant pointed at.
    pub(super) pointer: Option<f64>,
    pub(super) marks: Vec<f64>,
    /// An instant that the cursor stays at while nothing else is pointed at.
    pub(super) pinned: Option<f64>,
    /// Whether the shared cursor is where it is because of this widget.
    pub(super) moved_cursor: bool,
    pub(super) hides_details: bool,
    pub(super) rows: Rows,
    pub(super) search: toolbar::Search,
    pub(super) statistics: Option<details::Known<Vec<(Side, Statistics)>>>,
    pub(super) drawing: Drawing,
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
    /// Its twin on the CPU, whose picture egui shows.
    Twin(Option<TextureHandle>),
    /// Shapes, which can be written as a drawing.
    Shapes,
}

impl Default for Drawing {
    fn default() -> Self {
        Self::Twin(None)
    }
}

/// What has become of the timeline in a frame.
#[derive(Clone, Debug, Default)]
pub struct TimelineOutput {
    /// The selected action.
    pub selected: Option<Selected>,
    /// The action pointed at.
    pub hovered: Option<Selected>,
    /// The range of time that is selected, ns since the start of the step.
    pub range: Option<(f64, f64)>,
    /// The measured step that is shown.
    pub step: Option<u64>,
    /// What is visible, ns since the start of the step.
    pub visible: (f64, f64),
    /// Instants that are marked, ns since the start of the step.
    pub marks: Vec<f64>,
}

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

/// How wide the panel of details is, points.
const DETAILS: f32 = 264.0;
/// Narrower than this it lies below the rows.
const WIDE: f32 = 760.0;

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

    /// How high a picture of all rows must be, points.
    #[must_use]
    pub fn height_of(scenes: &Scenes) -> f32 {
        let (_, rows) = layout(scenes, 0.0);
        rows + canvas::RULER + toolbar::HEIGHT + toolbar::LEGEND + 2.0 * size::GAP
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

    /// Selects an action and brings it into sight.
    pub fn select(&mut self, scenes: Scenes, side: Side, event: u32) {
        let Some(selected) = Selected::new(&scenes, side, event) else { return };
        if side == Side::Measured && self.frame(scenes).step != Some(selected.step) {
            self.step = Some(selected.step);
        }
        let frame = self.frame(scenes);
        if let Some(range) = frame.range_of(&selected) {
            self.moved = true;
            self.view.reveal(range.0, range.1);
        }
        self.selected = Some(selected);
    }

    /// Draws a frame. `cursor` is an instant shared with other panels, in ns since the start of the
    /// step: the one pointed at, or pinned.
    pub fn show(
        &mut self,
        ui: &mut Ui,
        scenes: Scenes,
        cursor: &mut Option<f64>,
    ) -> TimelineOutput {
        if scenes.sides().all(|(_, scene)| scene.steps().is_empty()) {
            ui.centered_and_justified(|ui| {
                ui.weak("Nothing to show yet: open a plan or a trace, or run one.");
            });
            return TimelineOutput::default();
        }
        let frame = self.frame(scenes);
        if !self.moved {
            self.view = View::fit(frame.step_range.0, frame.step_range.1);
        }
        ui.spacing_mut().item_spacing = Vec2::new(size::SPACE, size::GAP);
        if matches!(self.drawing, Drawing::Shapes) {
            toolbar::caption(ui, &frame);
        } else {
            toolbar::show(self, ui, &frame);
            if scenes.measured.is_some_and(|scene| scene.steps().len() > 1) {
                minimap::show(self, ui, &frame);
            }
        }
        // What was chosen above shows in this frame already.
        let frame = self.frame(scenes);
        let mut area = ui.available_rect_before_wrap();
        let legend =
            Rect::from_min_max(pos2(area.left(), area.bottom() - toolbar::LEGEND), area.max);
        area.max.y = legend.top();
        let mut canvas = area;
        let wide = area.width() > WIDE;
        // At the side it is always there, so that rows stay under the pointer when something is
        // selected. Below the rows it takes their room, and is there when there is need of it.
        if !self.hides_details && (wide || details::is_asked(self)) {
            let side = if wide {
                canvas.max.x -= DETAILS;
                Rect::from_min_max(pos2(canvas.right(), area.top()), area.max)
            } else {
                canvas.max.y -= area.height() / 3.0;
                Rect::from_min_max(pos2(area.left(), canvas.bottom()), area.max)
            };
            within(ui, side, |ui| details::show(self, ui, &frame, *cursor));
        }
        let response = within(ui, canvas, |ui| canvas::show(self, ui, &frame, cursor));
        within(ui, legend, |ui| toolbar::legend(ui, &frame));
        ui.advance_cursor_after_rect(Rect::from_min_max(area.min, legend.max));
        keys::apply(self, ui, &frame, &response);
        let hovered = self.hovered.and_then(|(side, event)| Selected::new(&scenes, side, event));
        TimelineOutput {
            selected: self.selected.clone(),
            hovered,
            range: self.range,
            step: frame.step,
            visible: (self.view.start, self.view.end),
            marks: self.marks.clone(),
        }
    }

    /// What is to be shown of the scenes now.
    pub(super) fn frame<'a>(&self, scenes: Scenes<'a>) -> Frame<'a> {
        let measured = scenes.measured.and_then(|scene| {
            self.step.and_then(|number| scene.step(number)).or_else(|| scene.newest_step())
        });
        let first = |scene: Option<&'a super::Scene>| scene.and_then(|scene| scene.steps().first());
        let (predicted, would_be) = (first(scenes.predicted), first(scenes.would_be));
        let start = |step: Option<&super::Step>| step.map_or(0, |step| step.start_ns);
        let anchors = Anchors {
            predicted: start(predicted),
            would_be: start(would_be),
            measured: start(measured),
        };
        let shown = [predicted, would_be, measured];
        let longest = shown.iter().flatten().map(|step| step.duration_ns()).max().unwrap_or(0);
        let step_range: Range = (0.0, (longest as f64).max(1000.0));
        let mut content: Range = step_range;
        for (side, scene) in scenes.sides() {
            let anchor = anchors.of(side) as f64;
            let (start, end) = scene.extent_ns();
            content.0 = content.0.min(start as f64 - anchor);
            content.1 = content.1.max(end as f64 - anchor);
        }
        Frame { scenes, anchors, step: measured.map(|step| step.number), step_range, content }
    }
}

impl Frame<'_> {
    /// When a selected action was, ns since the start of the step.
    pub(super) fn range_of(&self, selected: &Selected) -> Option<Range> {
        let (side, _, event) = selected.event(&self.scenes)?;
        Some(self.range(side, event.start_ns, event.end_ns))
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

/// Draws something in a rectangle.
fn within<R>(ui: &mut Ui, rect: Rect, draw: impl FnOnce(&mut Ui) -> R) -> R {
    ui.scope_builder(UiBuilder::new().max_rect(rect), |ui| {
        ui.set_clip_rect(ui.clip_rect().intersect(rect));
        draw(ui)
    })
    .inner
}
