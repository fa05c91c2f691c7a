//! Bars of memory and time.

use eframe::egui::{
    Color32, Painter, Rect, Response, Role, Sense, Stroke, StrokeKind, Ui, WidgetInfo, pos2,
};
use trainyard_plan::MemoryUse;
use trainyard_plan::memory::human_bytes;
use trainyard_plan::simulate::SimulatedDevice;

use super::{paint, words};
use crate::theme::{Category, Idle, Pattern, Theme};

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
    pub(super) would_be: Option<MemoryUse>,
}

/// A bar's corners, in points: its parts are not rounded.
const CORNER: f32 = 1.0;
/// How much a pattern shows on the colour under it.
const PATTERN: f32 = 0.38;

impl MemoryBar<'_> {
    /// How many bytes the whole width is.
    fn full(&self) -> u64 {
        let would_be = self.would_be.map_or(0, |would_be| would_be.total());
        self.budget_bytes.max(self.held.total()).max(would_be).max(1)
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
        let bar = match self.would_be {
            None => rect,
            // The ghost is below.
            Some(_) => rect.with_max_y(rect.bottom() - rect.height() * 0.38),
        };
        self.stack(painter, bar, &self.held, theme);
        if let Some(would_be) = &self.would_be {
            let ghost = rect.with_min_y(bar.bottom() + 1.0);
            self.stack(painter, ghost, would_be, theme);
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
        let mut from = 0u64;
        for category in Category::ALL {
            let to = from.saturating_add(category.bytes(held));
            let part = rect.with_min_x(self.x(rect, from)).with_max_x(self.x(rect, to));
            swatch(painter, part, theme.memory(category), category.pattern(), theme);
            from = to;
        }
        if from > self.budget_bytes {
            let over =
                rect.with_min_x(self.x(rect, self.budget_bytes)).with_max_x(self.x(rect, from));
            painter.rect_filled(over, 0.0, theme.bad.gamma_multiply(0.45));
            paint::pattern(painter, over, Pattern::Crossed, theme.bad);
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
                if let Some(would_be) = &self.would_be {
                    ui.label(format!("would be {}", human_bytes(category.bytes(would_be))));
                }
                ui.end_row();
            }
        });
    }
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
    paint::pattern(painter, rect, pattern, theme.on_colour.gamma_multiply(PATTERN));
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
        words::percent(busy / step),
        words::percent(device.idle_us.total_us() / step)
    );
    let response = ui.interact(rect, ui.scope_id().with(("time", &device.id)), Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::Meter, true, &name));
    let painter = ui.painter();
    painter.rect_filled(rect, CORNER, theme.background);
    let mut from = rect.left();
    let mut part = |us: f64| {
        let to = (from + rect.width() * (us / step) as f32).min(rect.right());
        let part = Rect::from_min_max(pos2(from, rect.top()), pos2(to, rect.bottom()));
        from = to;
        part
    };
    painter.rect_filled(part(device.busy_us), 0.0, theme.accent);
    let optimizer = part(device.optimizer_us);
    swatch(painter, optimizer, theme.optimizer, Pattern::Dotted, theme);
    for idle in Idle::ALL {
        paint::pattern(painter, part(idle_us(idle)), idle.pattern(), theme.idle);
    }
    painter.rect_stroke(rect, CORNER, Stroke::new(1.0, theme.line), StrokeKind::Inside);
    response.on_hover_ui(|ui| {
        ui.strong(&name);
        eframe::egui::Grid::new("time by cause").num_columns(3).show(ui, |ui| {
            let mut row = |what: &str, us: f64| {
                ui.label(what);
                ui.label(words::time(us));
                ui.label(words::percent(us / step));
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
