//! Small areas with a pattern, as lines of egui's: for legends, bars and drawings in files.

use eframe::egui::{Color32, Painter, Rect, Stroke, StrokeKind, pos2, vec2};

use super::quad::Quad;

/// Draws the colours, pattern and border of `quad` over `rect`.
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
