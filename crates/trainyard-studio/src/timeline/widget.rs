//! The timeline as a widget: one frame of it.

use eframe::egui::{Rect, Ui, UiBuilder, Vec2, pos2};

use super::layout::{Scenes, layout};
use super::selection::{Selected, Selection};
use super::sizes::RULER;
use super::state::{Drawing, Timeline};
use super::view::View;
use super::{canvas, details, keys, legend, minimap, toolbar};
use crate::theme::size;

/// What has become of the timeline in a frame.
#[derive(Clone, Debug, Default)]
pub struct TimelineOutput {
    /// The selected action.
    pub selected: Option<Selected>,
    /// The selected span of another program, as its index.
    pub selected_span: Option<u32>,
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

/// How wide the panel of details is, points.
const DETAILS: f32 = 264.0;
/// Narrower than this it lies below the rows.
const WIDE: f32 = 760.0;
/// Lower than this, the bars of the steps are left out. Points.
const HIGH: f32 = 240.0;

impl Timeline {
    /// How high a picture of all rows must be, points.
    #[must_use]
    pub fn height_of(scenes: &Scenes) -> f32 {
        let (_, rows) = layout(scenes, 0.0);
        rows + RULER + toolbar::HEIGHT + legend::HEIGHT + 2.0 * size::GAP
    }

    /// Draws a frame. `cursor` is an instant shared with other panels, in ns since the start of the
    /// step: the one pointed at, or pinned.
    pub fn show(
        &mut self,
        ui: &mut Ui,
        scenes: Scenes,
        cursor: &mut Option<f64>,
    ) -> TimelineOutput {
        if scenes.is_empty() {
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
            let wide = ui.available_width() > WIDE;
            toolbar::show(self, ui, &frame, wide);
            let many = scenes.measured.is_some_and(|scene| scene.steps().len() > 1);
            // In a low window the rows need the room, and the arrows go from step to step.
            if many && ui.available_height() >= HIGH {
                minimap::show(self, ui, &frame);
            }
        }
        // What was chosen above shows in this frame already.
        let frame = self.frame(scenes);
        let mut area = ui.available_rect_before_wrap();
        let below = Rect::from_min_max(pos2(area.left(), area.bottom() - legend::HEIGHT), area.max);
        area.max.y = below.top();
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
        within(ui, below, |ui| legend::show(ui, &frame));
        ui.advance_cursor_after_rect(Rect::from_min_max(area.min, below.max));
        keys::apply(self, ui, &frame, &response);
        let hovered = self.hovered.and_then(|(side, event)| Selected::new(&scenes, side, event));
        TimelineOutput {
            selected: self.selected.as_ref().and_then(Selection::action).cloned(),
            selected_span: match self.selected {
                Some(Selection::Span(span)) => Some(span),
                _ => None,
            },
            hovered,
            range: self.range,
            step: frame.step,
            visible: (self.view.start, self.view.end),
            marks: self.marks.clone(),
        }
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
