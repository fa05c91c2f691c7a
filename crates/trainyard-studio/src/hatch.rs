//! Patterns over areas, as lines of egui's. Beside it, `shaders/timeline.wgsl` and the CPU renderer draw the
//! same patterns pixel by pixel, for the many rectangles of a timeline.

use eframe::egui::{Color32, Painter, Rect, Stroke, Vec2, pos2, vec2};

use crate::theme::Pattern;

/// Points between the lines of a pattern.
const PITCH: f32 = 5.0;

/// Fills a rectangle with a pattern.
pub(crate) fn pattern(painter: &Painter, rect: Rect, pattern: Pattern, colour: Color32) {
    let clip = rect.intersect(painter.clip_rect());
    if !clip.is_positive() {
        return;
    }
    let painter = painter.with_clip_rect(clip);
    let stroke = Stroke::new(1.0, colour);
    // Lines lie at the same places whatever the rectangle, so that they do not crawl when it grows.
    let slanted = |from: f32, towards: Vec2| {
        for x in steps(clip.left() - rect.height(), clip.right()) {
            let from = pos2(x, from);
            painter.line_segment([from, from + towards], stroke);
        }
    };
    let rising = || slanted(rect.bottom(), vec2(rect.height(), -rect.height()));
    let falling = || slanted(rect.top(), Vec2::splat(rect.height()));
    match pattern {
        Pattern::Solid => {}
        Pattern::Rising => rising(),
        Pattern::Falling => falling(),
        Pattern::Crossed => {
            rising();
            falling();
        }
        Pattern::Dotted => {
            for x in steps(clip.left(), clip.right()) {
                for y in steps(clip.top(), clip.bottom()) {
                    painter.circle_filled(pos2(x, y), 0.9, colour);
                }
            }
        }
        Pattern::Level => {
            for y in steps(clip.top(), clip.bottom()).map(|y| y - 1.0) {
                painter.hline(clip.x_range(), y, stroke);
            }
        }
    }
}

fn steps(from: f32, to: f32) -> impl Iterator<Item = f32> {
    let first = (from / PITCH).ceil() as i32;
    let last = (to / PITCH).floor() as i32;
    (first..=last).map(|step| step as f32 * PITCH)
}
