//! Rectangles, circles, lines, paths and curves.

use eframe::egui::emath::{Rot2, TSTransform};
use eframe::egui::epaint::{
    BandShape, ClippedShape, ColorMode, CornerRadiusF32, PathStroke, RectShape,
};
use eframe::egui::{Color32, Pos2, Rect, Shape, Stroke, StrokeKind, pos2};

use super::document::{Document, Frame, Line, Number, Paint, Point, is_empty};
use super::outline::{end, path, polygon, turn};
use super::{mesh, text};

/// Writes one shape with its clip.
pub(super) fn write(document: &mut Document, clipped: &ClippedShape) {
    write_shape(document, &clipped.shape, clipped.clip_rect, clipped.transform_after_tessellation);
}

fn write_shape(document: &mut Document, shape: &Shape, clip: Rect, transform: TSTransform) {
    // Nested shapes are clipped one by one: most lie within the clip and need none.
    if let Shape::Vec(shapes) = shape {
        for shape in shapes {
            write_shape(document, shape, clip, transform);
        }
        return;
    }
    let bounds = transform * shape.visual_bounding_rect();
    let visible = document.page.intersect(clip);
    if !visible.intersects(bounds) {
        return;
    }
    document.clip((!clip.contains_rect(bounds.intersect(document.page))).then_some(clip));
    let moved = transform != TSTransform::IDENTITY;
    if moved {
        let TSTransform { scaling, translation } = transform;
        let (x, y, by) = (Number(translation.x), Number(translation.y), scaling);
        document.push(format_args!("<g transform=\"translate({x} {y}) scale({by})\">"));
    }
    write_leaf(document, shape);
    if moved {
        document.push(format_args!("</g>\n"));
    }
}

fn write_leaf(document: &mut Document, shape: &Shape) {
    match shape {
        Shape::Noop | Shape::Vec(_) => {}
        Shape::Callback(_) => document.left_out += 1,
        Shape::Rect(shape) => rectangle(document, shape),
        Shape::Text(shape) => text::write(document, shape),
        Shape::Mesh(shape) => mesh::write(document, shape),
        Shape::Band(shape) => band(document, shape),
        Shape::Circle(shape) => {
            let [x, y, r] = [shape.center.x, shape.center.y, shape.radius].map(Number);
            let (fill, line) = (Paint("fill", shape.fill), Line(shape.stroke));
            document.push(format_args!("<circle cx=\"{x}\" cy=\"{y}\" r=\"{r}\"{fill}{line}/>\n"));
        }
        Shape::Ellipse(shape) => {
            let [x, y] = [shape.center.x, shape.center.y].map(Number);
            let [rx, ry] = [shape.radius.x, shape.radius.y].map(Number);
            let (fill, line) = (Paint("fill", shape.fill), Line(shape.stroke));
            let turn = turn(shape.angle, shape.center);
            document.push(format_args!(
                "<ellipse cx=\"{x}\" cy=\"{y}\" rx=\"{rx}\" ry=\"{ry}\"{fill}{line}{turn}/>\n"
            ));
        }
        Shape::LineSegment { points: [from, to], stroke } => {
            if !is_empty(*stroke) {
                let [x1, y1, x2, y2] = [from.x, from.y, to.x, to.y].map(Number);
                let line = Line(*stroke);
                document.push(format_args!(
                    "<line x1=\"{x1}\" y1=\"{y1}\" x2=\"{x2}\" y2=\"{y2}\"{line}/>\n"
                ));
            }
        }
        Shape::Path(shape) => {
            let data = polygon(&shape.points, shape.closed);
            path(document, &data, shape.fill, solid(&shape.stroke, &shape.points));
        }
        Shape::QuadraticBezier(shape) => {
            let [from, over, to] = shape.points.map(Point);
            let data = format!("M{from}Q{over} {to}{}", end(shape.closed));
            path(document, &data, shape.fill, solid(&shape.stroke, &shape.points));
        }
        Shape::CubicBezier(shape) => {
            let [from, over, under, to] = shape.points.map(Point);
            let data = format!("M{from}C{over} {under} {to}{}", end(shape.closed));
            path(document, &data, shape.fill, solid(&shape.stroke, &shape.points));
        }
    }
}

fn rectangle(document: &mut Document, shape: &RectShape) {
    if shape.blur_width > 0.0 {
        return;
    }
    if shape.brush.is_some() {
        document.left_out += 1;
        return;
    }
    // SVG draws a stroke on the edge, so the edge goes to the middle of the stroke.
    let line = if is_empty(shape.stroke) { Stroke::NONE } else { shape.stroke };
    let outwards = match shape.stroke_kind {
        StrokeKind::Inside => -0.5 * line.width,
        StrokeKind::Middle => 0.0,
        StrokeKind::Outside => 0.5 * line.width,
    };
    let rect = shape.rect.expand(outwards);
    let (width, height) = (rect.width().max(0.0), rect.height().max(0.0));
    let most = 0.5 * width.min(height);
    let round = |radius: f32| {
        if radius > 0.0 { (radius + outwards).clamp(0.0, most) } else { 0.0 }
    };
    let CornerRadiusF32 { nw, ne, sw, se } = shape.corner_radius.into();
    let [nw, ne, sw, se] = [nw, ne, sw, se].map(round);
    let (fill, line) = (Paint("fill", shape.fill), Line(line));
    let turn = turn(shape.angle, shape.rect.center());
    if shape.corner_radius.is_same() {
        let frame = Frame(rect);
        let radius = if nw > 0.0 { format!(" rx=\"{}\"", Number(nw)) } else { String::new() };
        document.push(format_args!("<rect {frame}{radius}{fill}{line}{turn}/>\n"));
        return;
    }
    let arc = |radius: f32, x: f32, y: f32| {
        format!("a{r},{r} 0 0 1 {x},{y}", r = Number(radius), x = Number(x), y = Number(y))
    };
    let (start, h, v) = (Point(rect.min + eframe::egui::vec2(nw, 0.0)), width, height);
    let data = format!(
        "M{start}h{}{}v{}{}h{}{}v{}{}z",
        Number(h - nw - ne),
        arc(ne, ne, ne),
        Number(v - ne - se),
        arc(se, -se, se),
        Number(se + sw - h),
        arc(sw, -sw, -sw),
        Number(sw + nw - v),
        arc(nw, nw, -nw),
    );
    document.push(format_args!("<path d=\"{data}\"{fill}{line}{turn}/>\n"));
}

/// The outline of a band: along its lower sides and back along its upper ones.
fn band(document: &mut Document, shape: &BandShape) {
    let there = shape.points.iter().map(|point| pos2(point.x, point.y.min));
    let back = shape.points.iter().rev().map(|point| pos2(point.x, point.y.max));
    let turned = Rot2::from_angle(shape.angle);
    let points: Vec<_> =
        there.chain(back).map(|point| (turned * point.to_vec2()).to_pos2()).collect();
    path(document, &polygon(&points, true), shape.fill, shape.stroke);
}

/// A stroke of one colour: that of its middle.
fn solid(stroke: &PathStroke, points: &[Pos2]) -> Stroke {
    let color = match &stroke.color {
        ColorMode::Solid(colour) => *colour,
        ColorMode::UV(colour_at) => {
            let bounds = Rect::from_points(points);
            points.get(points.len() / 2).map_or_else(Color32::default, |at| colour_at(bounds, *at))
        }
    };
    Stroke { width: stroke.width, color }
}
