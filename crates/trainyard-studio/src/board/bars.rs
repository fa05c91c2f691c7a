//! Bars of memory and time.

use eframe::egui::{
    Color32, Painter, Rect, Response, Role, Sense, Stroke, StrokeKind, Ui, WidgetInfo,
};
use trainyard_plan::MemoryUse;
use trainyard_plan::memory::human_bytes;
use trainyard_plan::simulate::SimulatedDevice;

use super::roles::Roles;
use crate::document::labels;
use crate::hatch;
use crate::human_time::human_us;
use crate::theme::{Category, Idle, Pattern, Theme, size};

/// What a bar of memory shows.
#[derive(Clone, Debug)]
pub(super) struct MemoryBar<'a> {
    /// The device's id.
    pub(super) device: &'a str,
    /// What it holds.
    pub(super) held: MemoryUse,
    /// When: "at its peak", "at 12.3 ms".
    pub(super) when: &'a str,
    /// What it may hold, bytes.
    pub(super) budget_bytes: u64,
    /// What it would hold.
    pub(super) preview: Option<MemoryUse>,
    /// The roles of its layers' weights.
    pub(super) roles: Roles,
}

/// A bar's corners, in points: its parts are not rounded.
const CORNER: f32 = 1.0;
/// How much a pattern shows on the colour under it.
const PATTERN: f32 = 0.38;

impl MemoryBar<'_> {
    /// How many bytes the whole width is.
    fn full(&self) -> u64 {
        let preview = self.preview.map_or(0, |preview| preview.total());
        self.budget_bytes.max(self.held.total()).max(preview).max(1)
    }

    /// What it says.
    fn words(&self) -> String {
        let (held, budget) = (self.held.total(), self.budget_bytes);
        let over = match held.saturating_sub(budget) {
            0 => String::new(),
            over => format!(", {} over", human_bytes(over)),
        };
        format!(
            "memory of {} {}: {} of {}{over}",
            self.device,
            self.when,
            human_bytes(held),
            human_bytes(budget)
        )
    }

    /// Draws it.
    pub(super) fn show(&self, ui: &mut Ui, rect: Rect) -> Response {
        let id = ui.scope_id().with(("memory", self.device));
        let response = ui.interact(rect, id, Sense::hover());
        response.widget_info(|| WidgetInfo::labeled(Role::Meter, true, self.words()));
        let theme = Theme::of(ui.ctx());
        let painter = ui.painter();
        painter.rect_filled(rect, CORNER, theme.background);
        let bar = match self.preview {
            None => rect,
            // The ghost is below.
            Some(_) => rect.with_max_y(rect.bottom() - rect.height() * 0.38),
        };
        self.stack(painter, bar, &self.held, theme);
        if let Some(preview) = &self.preview {
            let ghost = rect.with_min_y(bar.bottom() + 1.0);
            self.stack(painter, ghost, preview, theme);
        }
        let budget = self.x(rect, self.budget_bytes);
        if self.full() > self.budget_bytes {
            painter.vline(budget, rect.y_range().expand(2.0), Stroke::new(2.0, theme.bad));
        }
        painter.rect_stroke(rect, CORNER, Stroke::new(1.0, theme.line), StrokeKind::Inside);
        response.on_hover_ui(|ui| self.table(ui))
    }

    fn x(&self, rect: Rect, bytes: u64) -> f32 {
        rect.left() + rect.width() * (bytes as f64 / self.full() as f64) as f32
    }

    /// The categories one after the other.
    fn stack(&self, painter: &Painter, rect: Rect, held: &MemoryUse, theme: &Theme) {
        let bytes = Category::ALL.map(|category| category.bytes(held) as f64);
        let parts = parts(rect, bytes, self.full() as f64);
        for (category, part) in Category::ALL.into_iter().zip(parts) {
            swatch(painter, part, theme.memory(category), category.pattern(), theme);
        }
        let held = held.total();
        if held > self.budget_bytes {
            let over =
                rect.with_min_x(self.x(rect, self.budget_bytes)).with_max_x(self.x(rect, held));
            painter.rect_filled(over, 0.0, theme.bad.gamma_multiply(0.45));
            hatch::pattern(painter, over, Pattern::Crossed, theme.bad);
        }
    }

    /// The numbers.
    fn table(&self, ui: &mut Ui) {
        let theme = Theme::of(ui.ctx());
        ui.strong(self.words());
        eframe::egui::Grid::new("memory by category").num_columns(4).show(ui, |ui| {
            for category in Category::ALL {
                let (rect, _) = ui.allocate_exact_size([14.0, 12.0].into(), Sense::hover());
                swatch(ui.painter(), rect, theme.memory(category), category.pattern(), theme);
                ui.label(category.name());
                let now = category.bytes(&self.held);
                ui.label(human_bytes(now));
                if let Some(preview) = &self.preview {
                    ui.label(format!("would be {}", human_bytes(category.bytes(preview))));
                }
                ui.end_row();
            }
        });
        if self.roles.frozen() > 0 {
            ui.weak(format!("weights: {}", self.roles.words()));
        }
    }
}

/// The parts of a bar, one after the other, of which the whole would be `full`. What is there at all
/// is seen: the largest part gives up what tiny ones need.
fn parts<const N: usize>(bar: Rect, amounts: [f64; N], full: f64) -> [Rect; N] {
    let exact = amounts.map(|amount| bar.width() * (amount / full) as f32);
    let mut widths = exact;
    for (width, amount) in widths.iter_mut().zip(amounts) {
        if amount > 0.0 {
            *width = width.max(size::SLIVER);
        }
    }
    let more = widths.iter().sum::<f32>() - exact.iter().sum::<f32>().max(size::SLIVER);
    if let Some(largest) = widths.iter_mut().max_by(|a, b| a.total_cmp(b)) {
        *largest = (*largest - more.max(0.0)).max(size::SLIVER.min(*largest));
    }
    let mut left = bar.left();
    widths.map(|width| {
        let part = bar.with_min_x(left).with_max_x((left + width).min(bar.right()));
        left = part.right();
        part
    })
}

/// A part of a bar.
pub(super) fn swatch(
    painter: &Painter,
    rect: Rect,
    colour: Color32,
    pattern: Pattern,
    theme: &Theme,
) {
    if rect.width() <= 0.0 {
        return;
    }
    painter.rect_filled(rect, 0.0, colour);
    hatch::pattern(painter, rect, pattern, theme.on_colour.gamma_multiply(PATTERN));
}

/// A device's share of the step: busy, optimizer, idle by cause.
pub(super) fn time_bar(
    ui: &mut Ui,
    rect: Rect,
    device: &SimulatedDevice,
    step_us: f64,
) -> Response {
    let theme = Theme::of(ui.ctx());
    let step = step_us.max(f64::MIN_POSITIVE);
    let idle_us = |idle: Idle| match idle {
        Idle::WarmUp => device.idle_us.warm_up_us,
        Idle::Drain => device.idle_us.drain_us,
        Idle::Neighbour => device.idle_us.neighbour_us,
        Idle::Link => device.idle_us.link_us,
    };
    let busy = device.busy_us + device.optimizer_us;
    let name = format!(
        "time of {}: busy {} of the step, idle {}",
        device.id,
        labels::percent(busy / step),
        labels::percent(device.idle_us.total_us() / step)
    );
    let response = ui.interact(rect, ui.scope_id().with(("time", &device.id)), Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::Meter, true, &name));
    let painter = ui.painter();
    painter.rect_filled(rect, CORNER, theme.background);
    let [warm_up, drain, neighbour, link] = Idle::ALL.map(idle_us);
    let times = [device.busy_us, device.optimizer_us, warm_up, drain, neighbour, link];
    let [computes, optimizer, idle @ ..] = parts(rect, times, step);
    painter.rect_filled(computes, 0.0, theme.accent);
    swatch(painter, optimizer, theme.optimizer, Pattern::Dotted, theme);
    for (cause, part) in Idle::ALL.into_iter().zip(idle) {
        hatch::pattern(painter, part, cause.pattern(), theme.idle);
    }
    painter.rect_stroke(rect, CORNER, Stroke::new(1.0, theme.line), StrokeKind::Inside);
    response.on_hover_ui(|ui| {
        ui.strong(&name);
        eframe::egui::Grid::new("time by cause").num_columns(3).show(ui, |ui| {
            let mut row = |what: &str, us: f64| {
                ui.label(what);
                ui.label(human_us(us));
                ui.label(labels::percent(us / step));
                ui.end_row();
            };
            row("computes", device.busy_us);
            row("optimizer step", device.optimizer_us);
            for idle in Idle::ALL {
                row(idle.name(), idle_us(idle));
            }
        });
    })
}

#[cfg(test)]
mod tests {
    use eframe::egui::{Pos2, vec2};

    use super::*;

    fn widths<const N: usize>(amounts: [f64; N], full: f64) -> Vec<f32> {
        let bar = Rect::from_min_size(Pos2::ZERO, vec2(100.0, 10.0));
        let parts = parts(bar, amounts, full);
        assert!(parts.iter().all(|part| part.right() <= bar.right()));
        parts.iter().map(Rect::width).collect()
    }

    #[test]
    fn what_is_there_at_all_is_seen() {
        assert_eq!(widths([50.0, 0.0, 25.0], 100.0), [50.0, 0.0, 25.0]);
        assert_eq!(widths([1.0, 0.0, 2.0], 1e9), [2.0, 0.0, 2.0]);
        // Of a full bar the largest part makes room.
        assert_eq!(widths([1e9, 1.0, 1.0], 1e9), [96.0, 2.0, 2.0]);
    }
}
