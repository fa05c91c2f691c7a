//! Memory over time as rectangles: what is predicted as areas by category, what was measured as a
//! line.

use eframe::egui::{Color32, Rect};

use super::layout::{Group, Side};
use super::quad::Quad;
use super::sheet::{Sheet, border};
use super::{CounterCurve, Curve, Held, SceneDevice};
use crate::theme::{Category, Pattern};

/// Something held for a while.
struct Span<'a> {
    /// Left and right edge, pixels.
    left: f32,
    right: f32,
    /// The most that is held in between, bytes.
    most: u64,
    /// What is held at its beginning.
    held: &'a Held,
}

/// Draws a device's memory row.
pub(super) fn draw(sheet: &Sheet, group: &Group, rect: Rect, quads: &mut Vec<Quad>) {
    let device = |side| Some(sheet.scenes.scene(side)?.device(&group.id)?.1);
    let side = sheet.scenes.prediction();
    let (predicted, measured) = (device(side), device(Side::Measured));
    let [_, top, _, bottom] = sheet.pixels(rect);
    let row = Scale { top, bottom, bytes: memory_scale(group, predicted, measured) };
    let of_measured = measured.map(|device| spans(sheet, &device.memory, Side::Measured));
    match (predicted, &of_measured) {
        (Some(device), _) => areas(sheet, &spans(sheet, &device.memory, side), &row, quads),
        (None, Some(measured)) => areas(sheet, measured, &row, quads),
        (None, None) => {}
    }
    if let Some(measured) = of_measured {
        line(sheet, &measured, &row, quads);
    }
}

/// Draws a counter of another program.
pub(super) fn draw_counter(
    sheet: &Sheet,
    counter: &CounterCurve,
    rect: Rect,
    quads: &mut Vec<Quad>,
) {
    let [_, top, _, bottom] = sheet.pixels(rect);
    let row = Scale { top, bottom, bytes: 1.08 * CounterCurve::HEIGHT as f64 };
    let spans = spans(sheet, &counter.curve, Side::Foreign);
    areas(sheet, &spans, &row, quads);
    line(sheet, &spans, &row, quads);
}

/// From bytes to pixels.
struct Scale {
    top: f32,
    bottom: f32,
    /// What the whole height stands for.
    bytes: f64,
}

impl Scale {
    fn height(&self, bytes: u64) -> f32 {
        (bytes as f64 / self.bytes) as f32 * (self.bottom - self.top)
    }
}

/// Above what a device holds at its peak, so much is left for what is written of a budget that lies
/// higher, in peaks.
const ABOVE: f64 = 0.7;

/// How many bytes the height of a device's memory row stands for: its budget, unless what it holds
/// would be too small to see.
#[must_use]
pub(super) fn memory_scale(
    group: &Group,
    predicted: Option<&SceneDevice>,
    measured: Option<&SceneDevice>,
) -> f64 {
    let peak = |device: Option<&SceneDevice>| device.map_or(0, |device| device.memory.peak_bytes());
    let peak = peak(predicted).max(peak(measured)) as f64;
    let budget = group.budget_bytes as f64;
    let top = if budget > 3.0 * peak { (1.0 + ABOVE) * peak } else { 1.08 * budget.max(peak) };
    top.max(1.0)
}

/// What is held, stacked by category.
fn areas(sheet: &Sheet, spans: &[Span], row: &Scale, quads: &mut Vec<Quad>) {
    let fills = Category::ALL.map(|category| {
        let fill = sheet.theme.memory(category).gamma_multiply(0.85);
        (category, fill, border(fill, sheet.theme), category.pattern())
    });
    let unknown = sheet.theme.weak.gamma_multiply(0.35);
    for span in spans {
        let mut base = row.bottom;
        let mut stack = |bytes: u64, fill: Color32, ink: Color32, pattern: Pattern| {
            let next = (base - row.height(bytes)).max(row.top);
            if next < base {
                let edges = [span.left, next, span.right, base];
                quads.push(Quad::patterned(edges, fill, ink, pattern));
            }
            base = next;
        };
        let mut rest = span.most;
        if let Some(by_category) = span.held.by_category {
            for (category, fill, ink, pattern) in fills {
                let bytes = category.bytes(&by_category);
                rest = rest.saturating_sub(bytes);
                stack(bytes, fill, ink, pattern);
            }
        }
        stack(rest, unknown, unknown, Pattern::Solid);
    }
}

/// What is held, as a line.
fn line(sheet: &Sheet, spans: &[Span], row: &Scale, quads: &mut Vec<Quad>) {
    let half = 0.75 * sheet.scale;
    let mut before: Option<f32> = None;
    for span in spans {
        let y = (row.bottom - row.height(span.most)).clamp(row.top, row.bottom);
        let from = before.replace(y).unwrap_or(y);
        let (high, low) = (from.min(y) - half, from.max(y) + half);
        if span.right - span.left <= 2.0 * half {
            quads.push(Quad::solid([span.left, high, span.right, low], sheet.theme.text));
            continue;
        }
        let level = [span.left, y - half, span.right, y + half];
        quads.push(Quad::solid(level, sheet.theme.text));
        if low - high > 2.0 * half {
            let rise = [span.left - half, high, span.left + half, low];
            quads.push(Quad::solid(rise, sheet.theme.text));
        }
    }
}

/// What is visible of a curve: a span a sample, or one a point where there are more samples than
/// points.
fn spans<'a>(sheet: &Sheet, curve: &'a Curve, side: Side) -> Vec<Span<'a>> {
    let (from, to) = sheet.clock(side);
    let range = curve.range(from, to);
    let samples = curve.samples();
    let points = sheet.plot.width().max(1.0) as usize;
    if range.len() > 2 * points {
        return columns(sheet, curve, side, range, points);
    }
    let end_ns = sheet.scenes.extent_ns(side).map_or(0, |(_, end)| end);
    let time_scale = sheet.time_scale(side);
    let span = |index: usize| {
        let held = samples.get(index)?;
        let until = samples.get(index + 1).map_or(end_ns, |next| next.at_ns);
        let (left, right) = time_scale.snapped(held.at_ns, until)?;
        Some(Span { left, right, most: held.bytes, held })
    };
    range.filter_map(span).collect()
}

fn columns<'a>(
    sheet: &Sheet,
    curve: &'a Curve,
    side: Side,
    range: std::ops::Range<usize>,
    points: usize,
) -> Vec<Span<'a>> {
    let (samples, times) = (curve.samples(), curve.times());
    let start = sheet.anchors.of(side) as f64 + sheet.view.start;
    let step = sheet.view.length() / points as f64;
    let wide = sheet.plot.width() * sheet.scale / points as f32;
    let mut spans: Vec<Span> = Vec::with_capacity(points);
    let mut next = range.start;
    for column in 0..points {
        let until = (start + (column + 1) as f64 * step).max(0.0) as u64;
        let end = next + ahead(times.get(next..range.end).unwrap_or_default(), until);
        let first = next.saturating_sub(usize::from(next > range.start));
        next = end;
        let Some(held) = samples.get(first).filter(|_| end > first) else { continue };
        let left = sheet.plot.left() * sheet.scale + column as f32 * wide;
        let most = curve.max_in(first..end);
        match spans.last_mut() {
            Some(last) if last.most == most && last.held.by_category == held.by_category => {
                last.right = left + wide;
            }
            _ => spans.push(Span { left, right: left + wide, most, held }),
        }
    }
    spans
}

/// How many of the times come before an instant; few, mostly.
fn ahead(times: &[u64], until: u64) -> usize {
    let mut bound = 16;
    while times.get(bound).is_some_and(|at| *at < until) {
        bound *= 2;
    }
    let near = times.get(..bound.min(times.len())).unwrap_or_default();
    near.partition_point(|at| *at < until)
}
