//! What lies over the rectangles: labels, the ruler, arrows, cursors, marks.

use eframe::egui::text::{LayoutJob, TextWrapping};
use eframe::egui::{
    Color32, FontId, Painter, Pos2, Rect, Shape, Stroke, StrokeKind, Ui, pos2, vec2,
};

use super::flow;
use super::layout::{Row, RowKind, Side};
use super::picture::Label;
use super::ruler::Ticks;
use super::sheet::Sheet;
use super::sizes::RULER;
use super::state::{Frame, Timeline};
use crate::human_time::human_ns;
use crate::theme::size;

/// No more arrows are drawn of one span.
const ARROWS: usize = 100;
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
    let bar = Rect::from_min_size(plot.min, vec2(plot.width(), RULER));
    ui.painter().rect_filled(bar, 0.0, theme.surface);
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
        let font = FontId::proportional(size::SMALL);
        let galley = painter.layout_no_wrap(ticks.label(ns), font, theme.weak);
        let at = pos2(x + 4.0, plot.top() + (RULER - galley.size().y) / 2.0);
        // Half a number is worse than none.
        if at.x + galley.size().x <= plot.right() {
            painter.galley(at, galley, theme.weak);
        }
    }
    painter.hline(plot.x_range(), plot.top() + RULER, Stroke::new(1.0, theme.line));
}

/// Narrower than this there is no room for the beginning of a name, points.
const NAME: f32 = 28.0;

/// Stage and micro-batch on actions that are wide enough; on spans as much of their names as there
/// is room for.
pub(super) fn labels(painter: &Painter, sheet: &Sheet, labels: &[Label]) {
    let font = FontId::proportional(size::SMALL);
    for label in labels {
        if label.side == Side::Foreign {
            let scene = sheet.scenes.foreign;
            let name = scene.and_then(|scene| Some(scene.name(scene.span(label.event)?)));
            if let Some(name) = name.filter(|_| label.rect.width() >= NAME) {
                let colour = sheet.theme.on_colour;
                let mut job = LayoutJob::simple_singleline(name.to_owned(), font.clone(), colour);
                job.wrap = TextWrapping::truncate_at_width(label.rect.width() - 4.0);
                let galley = painter.layout_job(job);
                let top = label.rect.center().y - galley.size().y / 2.0;
                painter.galley(pos2(label.rect.left() + 3.0, top), galley, colour);
            }
            continue;
        }
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

/// The row in which an action or a span lies.
fn row_of<'a>(sheet: &'a Sheet, side: Side, index: u32) -> Option<&'a Row> {
    if side == Side::Foreign {
        let span = sheet.scenes.foreign?.span(index)?;
        let (thread, lane) = (span.thread as usize, usize::from(span.lane));
        let kind = RowKind::Spans { thread, lane };
        return sheet.groups.iter().flat_map(|group| &group.rows).find(|row| row.kind == kind);
    }
    let scene = sheet.scenes.scene(side)?;
    let event = scene.event(index)?;
    let device = scene.devices().get(event.device)?;
    let group = sheet.groups.iter().find(|group| group.id == device.info.id)?;
    group.rows.iter().find(|row| row.kind == RowKind::Lane(side, event.lane))
}

/// Where an action or a span is, points.
fn place(sheet: &Sheet, side: Side, index: u32) -> Option<Rect> {
    let row = row_of(sheet, side, index)?;
    let (start_ns, end_ns) = sheet.scenes.times(side, index)?;
    let anchor = sheet.anchors.of(side) as f64;
    let axis = sheet.axis();
    let x = |ns: u64| {
        axis.place(ns as f64 - anchor).clamp(sheet.plot.left() - 1e4, sheet.plot.right() + 1e4)
    };
    let (left, right) = (x(start_ns), x(end_ns));
    Some(Rect::from_x_y_ranges(left..=right.max(left + 1.0), sheet.row_rect(row).y_range()))
}

/// Arrows of the transfers that the selected and the hovered action have to do with, or of the
/// flows of a span.
pub(super) fn flows(timeline: &Timeline, painter: &Painter, sheet: &Sheet) {
    let selected = timeline.selected.as_ref().and_then(|selected| selected.place(&sheet.scenes));
    let mut drawn: Vec<(Side, u32, u32)> = Vec::new();
    for (side, event) in [selected, timeline.hovered].into_iter().flatten() {
        let pairs = match (side, sheet.scenes.foreign, sheet.scenes.scene(side)) {
            (Side::Foreign, Some(scene), _) => scene.flows(event).take(ARROWS).collect(),
            (_, _, Some(scene)) => flow::around(scene, event),
            _ => Vec::new(),
        };
        for (from, to) in pairs {
            if drawn.contains(&(side, from, to)) {
                continue;
            }
            drawn.push((side, from, to));
            if let (Some(from), Some(to)) = (place(sheet, side, from), place(sheet, side, to)) {
                // A transfer ends with its receive, a flow of another program where that begins.
                let is_foreign = side == Side::Foreign;
                let end = if is_foreign { to.left_center() } else { to.right_center() };
                arrow(painter, from.left_center(), end, sheet.theme.text);
            }
        }
    }
}

/// A curve from one place to another, with a head.
fn arrow(painter: &Painter, start: Pos2, end: Pos2, colour: Color32) {
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
            let Some(times) = frame.scenes.times(side, event) else { continue };
            let (start, end) = frame.range(side, times.0, times.1);
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
    let selected = timeline.selected.as_ref().and_then(|selected| selected.place(&frame.scenes));
    if let Some(rect) = selected.and_then(|(side, event)| place(sheet, side, event)) {
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
        flag(middle, human_ns(end - start), theme.accent, theme.surface);
    }
    for (index, mark) in timeline.marks.iter().enumerate() {
        line(*mark, Stroke::new(1.0, theme.warn));
        flag(*mark, format!("{}: {}", index + 1, human_ns(*mark)), theme.warn, theme.surface);
    }
    let pinned = timeline.pinned.filter(|pinned| Some(*pinned) != cursor);
    for (ns, share) in [(pinned, 0.6), (cursor, 1.0)] {
        if let Some(ns) = ns {
            line(ns, Stroke::new(1.0, theme.text.gamma_multiply(share)));
            flag(ns, human_ns(ns), theme.text, theme.surface);
        }
    }
}
