//! Paths, and how they are turned.

use std::fmt::Write;

use eframe::egui::{Color32, Pos2, Stroke};

use super::document::{Document, Line, Number, Paint, Point, is_empty};

/// Writes a path, where any of it is seen.
pub(super) fn path(document: &mut Document, data: &str, fill: Color32, stroke: Stroke) {
    if !data.is_empty() && (fill.a() > 0 || !is_empty(stroke)) {
        let (fill, line) = (Paint("fill", fill), Line(stroke));
        document.push(format_args!("<path d=\"{data}\"{fill}{line}/>\n"));
    }
}

/// The data of a path through points.
pub(super) fn polygon(points: &[Pos2], closed: bool) -> String {
    let mut data = String::new();
    for (index, point) in points.iter().enumerate() {
        let letter = if index == 0 { 'M' } else { 'L' };
        let _ = write!(data, "{letter}{}", Point(*point));
    }
    if !data.is_empty() {
        data.push_str(end(closed));
    }
    data
}

/// How the data of a path ends.
pub(super) fn end(closed: bool) -> &'static str {
    if closed { "z" } else { "" }
}

/// A rotation by radians, clockwise around a point.
pub(super) fn turn(angle: f32, around: Pos2) -> String {
    if angle == 0.0 {
        return String::new();
    }
    let (x, y) = (Number(around.x), Number(around.y));
    format!(" transform=\"rotate({} {x} {y})\"", Number(angle.to_degrees()))
}
