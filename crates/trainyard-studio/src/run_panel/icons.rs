//! Small drawn icons: nothing is said by colour alone, and the fonts have none of them.

use eframe::egui::{Color32, Pos2, Sense, Shape, Stroke, Ui, vec2};

/// An icon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Icon {
    /// Something begins.
    Ring,
    /// It goes on.
    Play,
    /// It ends, or ended.
    Square,
    /// It is done.
    Tick,
    /// Something is wrong.
    Warning,
}

/// Draws an icon as high as a line of text of that size, in points.
pub(super) fn paint(ui: &mut Ui, icon: Icon, size: f32, colour: Color32) {
    let (rect, _) = ui.allocate_exact_size(vec2(size, size), Sense::empty());
    let painter = ui.painter();
    // A place in the icon, from its top left corner (0, 0) to its bottom right (1, 1).
    let at = |x: f32, y: f32| rect.min + vec2(x * size, y * size);
    let stroke = Stroke::new(size * 0.13, colour);
    let filled = |points: Vec<Pos2>| Shape::convex_polygon(points, colour, Stroke::NONE);
    match icon {
        Icon::Ring => {
            painter.circle_stroke(rect.center(), size * 0.34, stroke);
        }
        Icon::Play => {
            painter.add(filled(vec![at(0.2, 0.12), at(0.9, 0.5), at(0.2, 0.88)]));
        }
        Icon::Square => {
            painter.rect_filled(rect.shrink(size * 0.18), 2.0, colour);
        }
        Icon::Tick => {
            painter.add(Shape::line(vec![at(0.1, 0.55), at(0.4, 0.85), at(0.92, 0.18)], stroke));
        }
        Icon::Warning => {
            let corners = vec![at(0.5, 0.08), at(0.97, 0.9), at(0.03, 0.9)];
            painter.add(Shape::closed_line(corners, Stroke::new(size * 0.1, colour)));
            painter.line_segment([at(0.5, 0.36), at(0.5, 0.62)], stroke);
            painter.circle_filled(at(0.5, 0.76), size * 0.07, colour);
        }
    }
}
