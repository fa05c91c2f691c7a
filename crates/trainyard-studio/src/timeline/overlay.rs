//! What lies over the rectangles: labels, names, the ruler, arrows, cursors, marks.

use eframe::egui::{
    Align2, Color32, FontId, Painter, Pos2, Rect, Shape, Stroke, StrokeKind, Ui, pos2, vec2,
};
use trainyard_plan::memory::human_bytes;

use super::canvas::{NAMES, RULER};
use super::layout::{Group, RowKind, Side};
use super::picture::{Label, Sheet, memory_scale};
use super::quad::Quad;
use super::ruler::Ticks;
use super::widget::{Frame, Timeline};
use super::{flow, human_time};
use crate::theme::size;

/// Ticks are at least so far apart, points.
const TICKS: f32 = 90.0;

/// The ruler and its lines through the rows.
pub(super) fn grid(ui: &Ui, sheet: &Sheet, plot: Rect) {
    let theme = sheet.theme;
    let axis = sheet.axis();
    let ticks = Ticks::new(
        axis.ns_per_pixel() * f64::from(TICKS),
        sheet.view.start.abs().max(sheet.view.end.abs()),
    );
    let strip = Rect::from_min_size(plot.min, vec2(plot.width(), RULER));
    ui.painter().rect_filled(strip, 0.0, theme.surface);
    let painter = ui.painter().with_clip_rect(plot.intersect(ui.clip_rect()));
    for ns in ticks.within(sheet.view.start, sheet.view.end) {
        let x = axis.place(ns);
        painter.vline(
            x,
            plot.top() + RULER..=plot.bottom(),
            Stroke::new(1.0, theme.line.gamma_multiply(0.5)),
        );
        painter.vline(
            x,
            plot.top() + RULER - 5.0..=plot.top() + RULER,
            Stroke::new(1.0, theme.line),
        );
        let at = pos2(x + 4.0, plot.top() + RULER / 2.0);
        painter.text(
            at,
            Align2::LEFT_CENTER,
            ticks.label(ns),
            FontId::proportional(size::SMALL),
            theme.weak,
        );
    }
    painter.hline(plot.x_range(), plot.top() + RULER, Stroke::new(1.0, theme.line));
}

/// Stage and micro-batch on actions that are wide enough.
pub(super) fn labels(painter: &Painter, sheet: &Sheet, labels: &[Label]) {
    let font = FontId::proportional(size::SMALL);
    for label in labels {
        let scene = sheet.scenes.scene(label.side);
        let Some(event) = scene.and_then(|scene| scene.event(label.event)) else { continue };
        let text = event.action.to_string();
        let galley = painter.layout_no_wrap(text, font.clone(), sheet.theme.on_colour);
        if galley.size().x + 4.0 <= label.rect.width() {
            let at = label.rect.center() - galley.size() / 2.0;
            painter.galley(at, galley, sheet.theme.on_colour);
        }
    }
}

/// The budget's line, and the peak in words.
pub(super) fn memory(painter: &Painter, sheet: &Sheet) {
    let theme = sheet.theme;
    for group in sheet.groups {
        let Some((rect, scale, _)) = memory_row(sheet, group) else { continue };
        painter.hline(rect.x_range(), rect.bottom(), Stroke::new(1.0, theme.line));
        let budget = group.budget_bytes as f64;
        if budget <= scale {
            let y = rect.bottom() - (budget / scale) as f32 * rect.height();
            let line = [pos2(rect.left(), y), pos2(rect.right(), y)];
            painter.extend(Shape::dashed_line(&line, Stroke::new(1.0, theme.bad), 5.0, 3.0));
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

/// The column with the devices' names.
pub(super) fn names(ui: &Ui, sheet: &Sheet, rows: Rect, right: f32) {
    let theme = sheet.theme;
    let column = Rect::from_min_max(rows.min, pos2(right, rows.bottom()));
    let painter = ui.painter().with_clip_rect(column.intersect(ui.clip_rect()));
    let left = column.left() + size::SPACE;
    let edge = right - size::SPACE;
    let write =
        |at: Pos2, align: Align2, text: String, points: f32, colour: Color32, width: f32| {
            let font = FontId::proportional(points);
            let mut job = eframe::egui::text::LayoutJob::simple_singleline(text, font, colour);
            job.wrap = eframe::egui::text::TextWrapping::truncate_at_width(width);
            let galley = painter.layout_job(job);
            let rect = align.anchor_size(at, galley.size());
            painter.galley(rect.min, galley, colour);
        };
    let narrow = column.width() < NAMES;
    for (index, group) in sheet.groups.iter().enumerate() {
        let top = sheet.plot.top() + group.top;
        if index > 0 {
            ui.painter().with_clip_rect(rows.intersect(ui.clip_rect())).hline(
                rows.x_range(),
                top,
                Stroke::new(1.0, theme.line),
            );
        }
        let mut named = false;
        for row in &group.rows {
            let rect = sheet.row_rect(row);
            let y = rect.center().y;
            match row.kind {
                RowKind::Lane(side, trainyard_plan::Lane::Compute) => {
                    if !std::mem::replace(&mut named, true) {
                        let at = pos2(left, y);
                        write(
                            at,
                            Align2::LEFT_CENTER,
                            group.id.clone(),
                            size::BODY,
                            theme.text,
                            92.0,
                        );
                        let at = pos2(left, rect.bottom() + 11.0);
                        write(
                            at,
                            Align2::LEFT_CENTER,
                            group.name.clone(),
                            size::SMALL,
                            theme.weak,
                            98.0,
                        );
                    }
                    if !narrow {
                        let name = side_name(side).to_owned();
                        write(
                            pos2(edge, y),
                            Align2::RIGHT_CENTER,
                            name,
                            size::SMALL,
                            theme.weak,
                            70.0,
                        );
                    }
                }
                RowKind::Lane(_, trainyard_plan::Lane::TransferIn) if !narrow => {
                    let at = pos2(edge, rect.bottom() + 0.5);
                    write(
                        at,
                        Align2::RIGHT_CENTER,
                        "in, out".to_owned(),
                        size::SMALL,
                        theme.weak,
                        60.0,
                    );
                }
                RowKind::Memory => {
                    let Some((_, _, peak)) = memory_row(sheet, group) else { continue };
                    let over = peak > group.budget_bytes;
                    let text = format!("peak {}", human_bytes(peak));
                    let colour = if over { theme.bad } else { theme.text };
                    let at = pos2(left, y - 7.0);
                    write(
                        at,
                        Align2::LEFT_CENTER,
                        text,
                        size::SMALL,
                        colour,
                        column.width() - 16.0,
                    );
                    let text = format!("of {}", human_bytes(group.budget_bytes));
                    let at = pos2(left, y + 7.0);
                    write(
                        at,
                        Align2::LEFT_CENTER,
                        text,
                        size::SMALL,
                        theme.weak,
                        column.width() - 16.0,
                    );
                    if !narrow {
                        let at = pos2(edge, y);
                        write(
                            at,
                            Align2::RIGHT_CENTER,
                            "memory".to_owned(),
                            size::SMALL,
                            theme.weak,
                            60.0,
                        );
                    }
                }
                _ => {}
            }
        }
    }
}

fn side_name(side: Side) -> &'static str {
    match side {
        Side::Predicted => "predicted",
        Side::WouldBe => "would be",
        Side::Measured => "measured",
    }
}

/// Where an event is, points.
fn place(sheet: &Sheet, side: Side, event: u32) -> Option<Rect> {
    let scene = sheet.scenes.scene(side)?;
    let event = scene.event(event)?;
    let device = scene.devices().get(event.device)?;
    let group = sheet.groups.iter().find(|group| group.id == device.info.id)?;
    let row = group.rows.iter().find(|row| row.kind == RowKind::Lane(side, event.lane))?;
    let anchor = sheet.anchors.of(side) as f64;
    let axis = sheet.axis();
    let x = |ns: u64| {
        axis.place(ns as f64 - anchor).clamp(sheet.plot.left() - 1e4, sheet.plot.right() + 1e4)
    };
    let (left, right) = (x(event.start_ns), x(event.end_ns));
    Some(Rect::from_x_y_ranges(left..=right.max(left + 1.0), sheet.row_rect(row).y_range()))
}

/// Arrows of the transfers that the selected and the hovered action have to do with.
pub(super) fn flows(timeline: &Timeline, painter: &Painter, sheet: &Sheet) {
    let selected = timeline.selected.as_ref().and_then(|selected| selected.event(&sheet.scenes));
    let selected = selected.map(|(side, index, _)| (side, index));
    let mut drawn: Vec<(Side, u32, u32)> = Vec::new();
    for (side, event) in [selected, timeline.hovered].into_iter().flatten() {
        let Some(scene) = sheet.scenes.scene(side) else { continue };
        for (send, receive) in flow::around(scene, event) {
            if drawn.contains(&(side, send, receive)) {
                continue;
            }
            drawn.push((side, send, receive));
            if let (Some(from), Some(to)) = (place(sheet, side, send), place(sheet, side, receive))
            {
                arrow(painter, from, to, sheet.theme.text);
            }
        }
    }
}

/// A curve from where a send begins to where its receive ends, with a head.
fn arrow(painter: &Painter, from: Rect, to: Rect, colour: Color32) {
    let (start, end) = (from.left_center(), to.right_center());
    let bend = ((end.x - start.x).abs() * 0.4).clamp(12.0, 80.0);
    let points = [start, start + vec2(bend, 0.0), end - vec2(bend, 0.0), end];
    let stroke = Stroke::new(1.5, colour);
    let curve = eframe::egui::epaint::CubicBezierShape::from_points_stroke(
        points,
        false,
        Color32::TRANSPARENT,
        stroke,
    );
    painter.add(curve);
    painter.circle_filled(start, 2.5, colour);
    let head = vec![end, end + vec2(-6.0, -4.0), end + vec2(-6.0, 4.0)];
    painter.add(Shape::convex_polygon(head, colour, Stroke::NONE));
}

/// Frames around what is selected, hovered and found, and the range.
pub(super) fn highlights(timeline: &Timeline, frame: &Frame, painter: &Painter, sheet: &Sheet) {
    let theme = sheet.theme;
    let visible = sheet.view.start..=sheet.view.end;
    let hits = timeline.search.hits();
    // Frames around thousands would hide what is in them.
    if hits.len() <= 4000 {
        for &(side, event) in hits {
            let Some(found) = frame.scenes.scene(side).and_then(|s| s.event(event)) else {
                continue;
            };
            let (start, end) = frame.range(side, found.start_ns, found.end_ns);
            if start <= *visible.end()
                && end >= *visible.start()
                && let Some(rect) = place(sheet, side, event)
            {
                painter.rect_stroke(rect, 1.0, Stroke::new(1.5, theme.warn), StrokeKind::Outside);
            }
        }
    }
    if let Some(rect) = timeline.hovered.and_then(|(side, event)| place(sheet, side, event)) {
        painter.rect_stroke(rect, 1.0, Stroke::new(1.0, theme.text), StrokeKind::Outside);
    }
    let selected = timeline.selected.as_ref().and_then(|selected| selected.event(&frame.scenes));
    if let Some(rect) = selected.and_then(|(side, event, _)| place(sheet, side, event)) {
        painter.rect_stroke(rect, 1.0, Stroke::new(2.0, theme.accent), StrokeKind::Outside);
    }
}

/// The range, marks, and the cursor, through ruler and rows.
pub(super) fn instants(
    timeline: &Timeline,
    ui: &Ui,
    frame: &Frame,
    sheet: &Sheet,
    plot: Rect,
    cursor: Option<f64>,
) {
    let theme = sheet.theme;
    let axis = sheet.axis();
    let painter = ui.painter().with_clip_rect(plot.intersect(ui.clip_rect()));
    let font = FontId::proportional(size::SMALL);
    let line = |ns: f64, stroke: Stroke| {
        let x = axis.place(ns);
        if plot.x_range().contains(x) {
            painter.vline(x, plot.y_range(), stroke);
        }
    };
    let flag = |ns: f64, text: String, fill: Color32, colour: Color32| {
        let galley = painter.layout_no_wrap(text, font.clone(), colour);
        let width = galley.size().x + 8.0;
        let left = axis.place(ns).clamp(plot.left(), (plot.right() - width).max(plot.left()));
        let rect = Rect::from_min_size(pos2(left, plot.top() + 2.0), vec2(width, RULER - 5.0));
        painter.rect_filled(rect, 3.0, fill);
        painter.galley(rect.center() - galley.size() / 2.0, galley, colour);
    };
    // Where the steps that are shown end.
    for (side, scene) in frame.scenes.sides() {
        let step = match side {
            Side::Measured => frame.step.and_then(|number| scene.step(number)),
            _ => scene.steps().first(),
        };
        if let Some(step) = step {
            let end = frame.range(side, step.start_ns, step.end_ns).1;
            line(end, Stroke::new(1.0, theme.weak.gamma_multiply(0.5)));
        }
    }
    if let Some((start, end)) = timeline.range {
        let x = [axis.place(start), axis.place(end)].map(|x| x.clamp(plot.left(), plot.right()));
        let rect = Rect::from_x_y_ranges(x[0]..=x[1], plot.y_range());
        painter.rect_filled(rect, 0.0, theme.accent.gamma_multiply(0.14));
        line(start, Stroke::new(1.0, theme.accent));
        line(end, Stroke::new(1.0, theme.accent));
        let middle = f64::midpoint(start, end);
        flag(middle, human_time(end - start), theme.accent, theme.surface);
    }
    for (index, mark) in timeline.marks.iter().enumerate() {
        line(*mark, Stroke::new(1.0, theme.warn));
        flag(*mark, format!("{}: {}", index + 1, human_time(*mark)), theme.warn, theme.surface);
    }
    let pinned = timeline.pinned.filter(|pinned| Some(*pinned) != cursor);
    for (ns, share) in [(pinned, 0.6), (cursor, 1.0)] {
        if let Some(ns) = ns {
            line(ns, Stroke::new(1.0, theme.text.gamma_multiply(share)));
            flag(ns, human_time(ns), theme.text, theme.surface);
        }
    }
}

/// A small area with a pattern, as lines of egui's: for legends, where few are drawn.
pub(super) fn hatched(painter: &Painter, rect: Rect, quad: &Quad) {
    let colour = |[r, g, b, a]: [u8; 4]| Color32::from_rgba_premultiplied(r, g, b, a);
    let (fill, ink) = (colour(quad.fill), colour(quad.ink));
    painter.rect_filled(rect, 0.0, fill);
    let stroke = Stroke::new(1.0, ink);
    let painter = painter.with_clip_rect(rect.intersect(painter.clip_rect()));
    let (high, wide) = (rect.height(), rect.width());
    let slanted = |rises: bool| {
        let mut x = rect.left() - high;
        while x < rect.left() + wide {
            let (from, to) =
                if rises { (rect.bottom(), rect.top()) } else { (rect.top(), rect.bottom()) };
            painter.line_segment([pos2(x, from), pos2(x + high, to)], stroke);
            x += 5.0;
        }
    };
    match quad.style & 0xFF {
        1 => slanted(true),
        2 => slanted(false),
        3 => {
            slanted(true);
            slanted(false);
        }
        4 => {
            let columns = (wide / 4.0) as usize;
            let rows = (high / 4.0) as usize;
            for index in 0..columns * rows {
                let (column, row) = (index % columns, index / columns);
                let at = rect.min + vec2(2.5 + 4.0 * column as f32, 2.5 + 4.0 * row as f32);
                painter.circle_filled(at, 1.0, ink);
            }
        }
        5 => {
            for row in 0..(high / 4.0) as usize {
                painter.hline(rect.x_range(), rect.top() + 2.5 + 4.0 * row as f32, stroke);
            }
        }
        _ => {}
    }
    if quad.style & Quad::BORDER != 0 {
        painter.rect_stroke(rect, 0.0, stroke, StrokeKind::Inside);
    }
}
