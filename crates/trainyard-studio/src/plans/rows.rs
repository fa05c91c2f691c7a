//! The rows of the alternatives.

use eframe::egui::{
    Align, Align2, Layout, Rect, Response, RichText, Role, Sense, Stroke, StrokeKind, Ui,
    WidgetInfo, pos2, vec2,
};

use crate::board::paint;
use crate::change::Change;
use crate::document::labels;
use crate::document::{Assessment, Document};
use crate::human_time::human_us;
use crate::plan_search::Alternative;
use crate::theme::{Theme, size};

const HEIGHT: f32 = 42.0;
/// For the number of the plan, in points.
const NUMBER: f32 = 18.0;
/// For the bar of memory, in points.
const BAR: f32 = 54.0;

/// The largest share of a device's budget that a plan takes.
#[must_use]
pub(super) fn fullest(assessment: &Assessment) -> f64 {
    let share = |device: &trainyard_plan::simulate::SimulatedDevice| {
        device.peak_bytes.total() as f64 / device.budget_bytes.max(1) as f64
    };
    assessment.simulation.devices.iter().map(share).fold(0.0, f64::max)
}

/// Whether it is what the document has.
#[must_use]
pub(super) fn is_present(alternative: &Alternative, document: &Document) -> bool {
    let (here, there) = (&document.present().plan, &alternative.assessment.plan);
    here.stages == there.stages
        && here.schedule.ranks == there.schedule.ranks
        && here.micro_batches == there.micro_batches
}

/// Headings of the rows.
pub(super) fn heading(ui: &mut Ui) {
    ui.horizontal(|ui| {
        let small = |text: &str| RichText::new(text).size(size::SMALL).weak();
        ui.add_space(size::SPACE + NUMBER);
        ui.label(small("step time"));
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            ui.add_space(size::SPACE);
            let hint = "how much of its budget the device takes that is fullest at its peak";
            ui.label(small("fullest device")).on_hover_text(hint);
        });
    });
}

/// Draws one.
pub(super) fn show(
    ui: &mut Ui,
    document: &Document,
    index: usize,
    alternative: &Alternative,
) -> Response {
    let theme = Theme::of(ui.ctx());
    let plan = &alternative.assessment.plan;
    let simulation = &alternative.assessment.simulation;
    let present = is_present(alternative, document);
    let step = human_us(simulation.step_us);
    let full = fullest(&alternative.assessment);
    let ids: Vec<&str> = simulation.devices.iter().map(|device| device.id.as_str()).collect();
    let bubble = labels::percent(simulation.bubble_fraction);
    let schedule = &plan.schedule.name;
    let wished = vec2(ui.available_width(), HEIGHT);
    let (rect, response) = ui.allocate_exact_size(wished, Sense::click());
    let name = || {
        format!(
            "plan {}: step {step}, bubble {bubble}, fullest device {}, {schedule}, on {}{}",
            index + 1,
            labels::percent(full),
            ids.join(", "),
            if present { ", present" } else { "" }
        )
    };
    response.widget_info(|| {
        WidgetInfo::selected(Role::ListBoxOption, ui.is_enabled(), present, name())
    });
    let painter = ui.painter();
    let live = ui.is_enabled() && (response.hovered() || response.has_focus());
    painter.rect_filled(rect, 6.0, theme.raised);
    let stroke = match (live, present) {
        (true, _) => Stroke::new(1.5, theme.accent),
        (false, true) => Stroke::new(1.5, theme.text),
        (false, false) => Stroke::new(1.0, theme.line),
    };
    painter.rect_stroke(rect, 6.0, stroke, StrokeKind::Inside);
    let inner = rect.shrink2(vec2(size::SPACE, 5.0));
    let (above, below) = (inner.top() + 8.0, inner.bottom() - 7.0);
    let left = |x: f32, y: f32| (pos2(x, y), Align2::LEFT_CENTER);
    let number = (size::SMALL, theme.weak);
    paint::text(painter, left(inner.left(), above), &format!("{}", index + 1), number, 20.0);
    let x = inner.left() + NUMBER;
    let time = paint::text(painter, left(x, above), &step, (14.0, theme.text), 90.0);
    let change =
        simulation.step_us / document.present().simulation.step_us.max(f64::MIN_POSITIVE) - 1.0;
    let x = time.right() + size::SPACE;
    if present {
        paint::text(painter, left(x, above), "present", (size::SMALL, theme.accent), 60.0);
    } else if let Some(change) = Change::of_share(change) {
        let colour = change.colour(theme);
        paint::text(painter, left(x, above), &change.words, (size::SMALL, colour), 80.0);
    }
    let more = format!("{schedule} · bubble {bubble} · {}", ids.join(" → "));
    paint::text(
        painter,
        left(inner.left() + NUMBER, below),
        &more,
        (size::SMALL, theme.weak),
        inner.width() - NUMBER,
    );
    memory(ui, inner, above, full, theme);
    response
}

/// Fill of the fullest device.
fn memory(ui: &Ui, inner: Rect, y: f32, full: f64, theme: &Theme) {
    let painter = ui.painter();
    let bar = Rect::from_min_max(pos2(inner.right() - BAR, y - 3.0), pos2(inner.right(), y + 3.0));
    let least = if full > 0.0 { size::SLIVER } else { 0.0 };
    let width = (bar.width() * full.min(1.0) as f32).max(least);
    let part = bar.with_max_x(bar.left() + width);
    painter.rect_filled(bar, 2.0, theme.background);
    painter.rect_filled(part, 2.0, if full > 1.0 { theme.bad } else { theme.accent });
    let at = (pos2(bar.left() - size::GAP, y), Align2::RIGHT_CENTER);
    paint::text(painter, at, &labels::percent(full), (size::SMALL, theme.weak), 40.0);
}
