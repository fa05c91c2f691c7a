//! The steps of a measured trace as bars, as high as they are long. Click or drag to go to one.

use eframe::egui::{Rect, Role, Sense, Ui, WidgetInfo, pos2, vec2};

use super::Step;
use super::state::{Frame, Timeline};
use crate::human_time::human_ns;
use crate::theme::{Theme, size};

/// Points.
const HEIGHT: f32 = 28.0;
/// Steps that would be narrower share a bar, points.
const NARROWEST: f32 = 3.0;
const WIDEST: f32 = 24.0;

pub(super) fn show(timeline: &mut Timeline, ui: &mut Ui, frame: &Frame) {
    let Some(scene) = frame.scenes.measured else { return };
    let steps = scene.steps();
    let (rect, response) =
        ui.allocate_exact_size(vec2(ui.available_width(), HEIGHT), Sense::click_and_drag());
    let shown = frame.step.map_or_else(String::new, |step| format!(", step {step} is shown"));
    response.widget_info(|| {
        let label = format!("Steps: {}{shown}", steps.len());
        WidgetInfo::labeled(Role::Canvas, true, label)
    });
    let theme = Theme::of(ui.ctx());
    let painter = ui.painter_at(rect);
    painter.rect_filled(rect, f32::from(size::CORNER), theme.raised);
    let bars = bars(steps, rect.width());
    let width = (rect.width() / bars.len().max(1) as f32).min(WIDEST);
    let longest = steps.iter().map(Step::duration_ns).max().unwrap_or(0).max(1);
    for (index, bar) in bars.iter().enumerate() {
        let longest_of_bar = bar.iter().map(Step::duration_ns).max().unwrap_or(0);
        let height = (longest_of_bar as f32 / longest as f32 * (HEIGHT - 4.0)).max(2.0);
        let left = rect.left() + index as f32 * width;
        let gap = if width > 5.0 { 1.0 } else { 0.0 };
        let area = Rect::from_min_max(
            pos2(left + gap, rect.bottom() - height),
            pos2(left + width, rect.bottom()),
        );
        let has_shown = bar.iter().any(|step| Some(step.number) == frame.step);
        let whole = bar.iter().all(|step| step.whole);
        let colour = match (has_shown, whole) {
            (true, _) => theme.accent,
            (false, true) => theme.transfer,
            (false, false) => theme.line,
        };
        painter.rect_filled(area, 0.0, colour);
    }
    let Some(at) = response.hover_pos().or(response.interact_pointer_pos()) else { return };
    let index = ((at.x - rect.left()) / width).max(0.0) as usize;
    let Some(step) = bars.get(index).and_then(|bar| bar.last()) else { return };
    if response.clicked() || response.dragged() {
        timeline.step = Some(step.number);
    }
    let time = human_ns(step.duration_ns() as f64);
    let more = if step.whole { "" } else { " so far" };
    response.on_hover_text_at_pointer(format!("step {}: {time}{more}", step.number));
}

/// As many neighbouring steps a bar as make all bars fit.
fn bars(steps: &[Step], width: f32) -> Vec<&[Step]> {
    let most = (width / NARROWEST).max(1.0) as usize;
    steps.chunks(steps.len().div_ceil(most).max(1)).collect()
}
