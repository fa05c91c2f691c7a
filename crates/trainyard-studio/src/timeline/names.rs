//! The column with the devices' names, and what their memory rows say.

use eframe::egui::text::{LayoutJob, TextWrapping};
use eframe::egui::{Align2, Color32, FontId, Painter, Rect, Shape, Stroke, Ui, pos2};
use trainyard_plan::Lane;
use trainyard_plan::memory::human_bytes;

use super::layout::{Group, Row, RowKind, Side};
use super::memory::memory_scale;
use super::sheet::Sheet;
use super::sizes::NAMES;
use crate::theme::size;

/// As much of a line of writing may be out of sight, as letters do not fill it. Points.
const SLICED: f32 = 2.0;

/// Lines at the devices' budgets.
pub(super) fn budgets(painter: &Painter, sheet: &Sheet) {
    let theme = sheet.theme;
    for group in sheet.groups {
        let Some((rect, scale, _)) = memory_row(sheet, group) else { continue };
        painter.hline(rect.x_range(), rect.bottom(), Stroke::new(1.0, theme.line));
        let budget = group.budget_bytes as f64;
        if budget <= scale {
            let y = rect.bottom() - (budget / scale) as f32 * rect.height();
            let line = [pos2(rect.left(), y), pos2(rect.right(), y)];
            painter.extend(Shape::dashed_line(&line, Stroke::new(1.0, theme.bad), 5.0, 3.0));
        } else {
            // Else the row would look full.
            let text = format!("▲ budget {}", human_bytes(group.budget_bytes));
            let at = pos2(rect.right() - size::GAP, rect.top());
            painter.text(at, Align2::RIGHT_TOP, text, FontId::proportional(size::SMALL), theme.bad);
        }
    }
}

/// A device's memory row: where, what its height stands for, and the peak, bytes.
fn memory_row(sheet: &Sheet, group: &Group) -> Option<(Rect, f64, u64)> {
    let row = group.rows.iter().find(|row| row.kind == RowKind::Memory)?;
    let device = |side| Some(sheet.scenes.scene(side)?.device(&group.id)?.1);
    let (predicted, measured) = (device(sheet.scenes.prediction()), device(Side::Measured));
    let peaks = [predicted, measured].into_iter().flatten().map(|d| d.memory.peak_bytes());
    let scale = memory_scale(group, predicted, measured);
    Some((sheet.row_rect(row), scale, peaks.max().unwrap_or(0)))
}

/// The column. `right` is where the plot begins.
pub(super) fn show(ui: &Ui, sheet: &Sheet, rows: Rect, right: f32) {
    let area = Rect::from_min_max(rows.min, pos2(right, rows.bottom()));
    let painter = ui.painter().with_clip_rect(area.intersect(ui.clip_rect()));
    let column = Column { painter, sheet, area };
    let lines = ui.painter().with_clip_rect(rows.intersect(ui.clip_rect()));
    for (index, group) in sheet.groups.iter().enumerate() {
        if index > 0 {
            let y = sheet.plot.top() + group.top;
            lines.hline(rows.x_range(), y, Stroke::new(1.0, sheet.theme.line));
        }
        column.group(group);
    }
}

struct Column<'a> {
    painter: Painter,
    sheet: &'a Sheet<'a>,
    area: Rect,
}

impl Column<'_> {
    fn group(&self, group: &Group) {
        let theme = self.sheet.theme;
        for row in &group.rows {
            let rect = self.sheet.row_rect(row);
            let y = rect.center().y;
            match row.kind {
                RowKind::Lane(side, Lane::Compute) => {
                    if row.kind == first_lane(group) {
                        self.left(y, &group.id, size::BODY, theme.text);
                        self.left(rect.bottom() + 11.0, &group.name, size::SMALL, theme.weak);
                    }
                    self.right(y, side_name(side));
                }
                RowKind::Lane(_, Lane::TransferIn) => self.right(rect.bottom() + 0.5, "in, out"),
                RowKind::Faint => self.right(y, "present"),
                RowKind::Memory => self.memory(group, row),
                RowKind::Process(process) => {
                    let name = self.sheet.scenes.foreign.map(|scene| scene.process_name(process));
                    self.left_to(
                        y,
                        &name.unwrap_or_default(),
                        (size::BODY, self.width()),
                        theme.text,
                    );
                }
                RowKind::Spans { lane: 0, .. } => {
                    self.left_to(y, &group.id, (size::SMALL, self.width()), theme.weak);
                }
                RowKind::Lane(_, Lane::TransferOut) | RowKind::Spans { .. } => {}
                RowKind::Counter(index) => self.counter(group, index, rect),
            }
        }
    }

    fn memory(&self, group: &Group, row: &Row) {
        let theme = self.sheet.theme;
        let Some((_, _, peak)) = memory_row(self.sheet, group) else { return };
        let y = self.sheet.row_rect(row).center().y;
        let colour = if peak > group.budget_bytes { theme.bad } else { theme.text };
        self.left(y - 7.0, &format!("peak {}", human_bytes(peak)), size::SMALL, colour);
        let budget = format!("of {}", human_bytes(group.budget_bytes));
        self.left(y + 7.0, &budget, size::SMALL, theme.weak);
        self.right(y, "memory");
    }

    /// A counter's name, and what its height stands for.
    fn counter(&self, group: &Group, index: usize, rect: Rect) {
        let theme = self.sheet.theme;
        let counter = self.sheet.scenes.foreign.and_then(|scene| scene.counter(index));
        let Some(counter) = counter else { return };
        self.left_to(rect.center().y - 6.0, &group.id, (size::SMALL, self.width()), theme.weak);
        let range = format!("{} to {}", short_number(counter.low), short_number(counter.high));
        self.left_to(rect.center().y + 6.0, &range, (size::SMALL, self.width()), theme.weak);
    }

    /// The width of the column without its margins.
    fn width(&self) -> f32 {
        self.area.width() - 2.0 * size::SPACE
    }

    /// Writes on the left of the column, beside what stands on its right.
    fn left(&self, y: f32, text: &str, points: f32, colour: Color32) {
        self.left_to(y, text, (points, self.area.width() * 0.57), colour);
    }

    /// Writes on the left of the column, as much as there is room for in a width.
    fn left_to(&self, y: f32, text: &str, (points, width): (f32, f32), colour: Color32) {
        let font = FontId::proportional(points);
        let mut job = LayoutJob::simple_singleline(text.to_owned(), font, colour);
        job.wrap = TextWrapping::truncate_at_width(width);
        let galley = self.painter.layout_job(job);
        let at = pos2(self.area.left() + size::SPACE, y - galley.size().y / 2.0);
        if self.is_whole(at.y, galley.size().y) {
            self.painter.galley(at, galley, colour);
        }
    }

    /// Whether writing is seen from top to bottom: half of it could not be read.
    fn is_whole(&self, top: f32, height: f32) -> bool {
        top >= self.area.top() - SLICED && top + height <= self.area.bottom() + SLICED
    }

    /// Writes what a row is, on the right; not where the column is narrow.
    fn right(&self, y: f32, text: &str) {
        if self.area.width() >= NAMES {
            let (font, colour) = (FontId::proportional(size::SMALL), self.sheet.theme.weak);
            let galley = self.painter.layout_no_wrap(text.to_owned(), font, colour);
            let at = pos2(self.area.right() - size::SPACE, y);
            let rect = Align2::RIGHT_CENTER.anchor_size(at, galley.size());
            if self.is_whole(rect.top(), rect.height()) {
                self.painter.galley(rect.min, galley, colour);
            }
        }
    }
}

/// A number in few characters: `0.25`, `12`, `2.15 G`.
fn short_number(number: f64) -> String {
    let units = [(1e12, " T"), (1e9, " G"), (1e6, " M"), (1e3, " k")];
    let unit = units.into_iter().find(|(unit, _)| number.abs() >= *unit);
    let (unit, sign) = unit.unwrap_or((1.0, ""));
    let rounded = format!("{:.2}", number / unit);
    format!("{}{sign}", rounded.trim_end_matches('0').trim_end_matches('.'))
}

/// The row beside which a device's name stands.
fn first_lane(group: &Group) -> RowKind {
    let mut lanes = group.rows.iter().map(|row| row.kind).filter(|kind| *kind != RowKind::Faint);
    lanes.next().unwrap_or(RowKind::Memory)
}

fn side_name(side: Side) -> &'static str {
    match side {
        Side::Predicted => "predicted",
        Side::Preview => "would be",
        Side::Measured | Side::Foreign => "measured",
    }
}
