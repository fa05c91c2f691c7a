//! Small things that are painted in many places.

use eframe::egui::text::{LayoutJob, TextFormat, TextWrapping};
use eframe::egui::{
    Align2, Color32, FontId, Painter, Pos2, Rect, Response, Role, Sense, Stroke, StrokeKind, Ui,
    WidgetInfo, lerp, pos2, vec2,
};

use crate::document::labels::elided;
use crate::theme::{Theme, size};

/// One line of text, elided where it is wider than there is room. Returns what it takes.
pub(crate) fn text(
    painter: &Painter,
    at: (Pos2, Align2),
    words: &str,
    (points, colour): (f32, Color32),
    room: f32,
) -> Rect {
    let format = TextFormat::simple(FontId::proportional(points), colour);
    let mut job = LayoutJob::single_section(words.to_owned(), format);
    job.wrap = TextWrapping::truncate_at_width(room.max(1.0));
    let galley = painter.layout_job(job);
    let rect = at.1.anchor_size(at.0, galley.size());
    painter.galley(rect.min, galley, colour);
    rect
}

/// How wide a line of text is, in points.
pub(crate) fn width(painter: &Painter, words: &str, points: f32) -> f32 {
    let font = FontId::proportional(points);
    painter.layout_no_wrap(words.to_owned(), font, Color32::PLACEHOLDER).size().x
}

/// Of several ways to say a thing, the longest first, the first for which there is room; else the
/// last.
pub(crate) fn fitting<'a>(
    painter: &Painter,
    ways: &'a [String],
    points: f32,
    room: f32,
) -> &'a str {
    let fits = |way: &&String| width(painter, way, points) <= room;
    ways.iter().find(fits).or(ways.last()).map_or("", String::as_str)
}

/// As much of a name's start and end as there is room for.
pub(crate) fn name(painter: &Painter, name: &str, points: f32, room: f32) -> String {
    let (mut fits, mut too_long) = (1, name.chars().count() + 1);
    while fits + 1 < too_long {
        let middle = usize::midpoint(fits, too_long);
        if width(painter, &elided(name, middle), points) <= room {
            fits = middle;
        } else {
            too_long = middle;
        }
    }
    elided(name, fits)
}

/// Six dots: this can be dragged.
pub(crate) fn grip(painter: &Painter, centre: Pos2, colour: Color32) {
    for x in [-2.0, 2.0] {
        for y in [-4.0, 0.0, 4.0] {
            painter.circle_filled(centre + vec2(x, y), 1.1, colour);
        }
    }
}

/// It fits.
pub(crate) fn tick(painter: &Painter, centre: Pos2, colour: Color32) {
    let at = |x: f32, y: f32| centre + vec2(x, y);
    painter.line(vec![at(-4.0, 0.0), at(-1.0, 3.5), at(4.5, -4.0)], Stroke::new(1.8, colour));
}

/// It does not.
pub(crate) fn cross(painter: &Painter, centre: Pos2, colour: Color32) {
    for down in [-3.5, 3.5] {
        let (from, to) = (centre + vec2(-3.5, -down), centre + vec2(3.5, down));
        painter.line_segment([from, to], Stroke::new(1.8, colour));
    }
}

/// A lock, closed or open.
pub(crate) fn lock(painter: &Painter, centre: Pos2, closed: bool, colour: Color32) {
    let body = Rect::from_center_size(centre + vec2(0.0, 2.5), vec2(8.0, 6.0));
    let (left, right) = (centre.x - 2.5, centre.x + 2.5);
    let top = body.top() - if closed { 3.5 } else { 5.0 };
    let foot = if closed { body.top() } else { body.top() - 2.5 };
    let shackle = vec![
        pos2(left, body.top()),
        pos2(left, top + 1.0),
        pos2(left + 1.0, top),
        pos2(right - 1.0, top),
        pos2(right, top + 1.0),
        pos2(right, foot),
    ];
    painter.line(shackle, Stroke::new(1.4, colour));
    painter.rect_filled(body, 1.5, colour);
}

/// A switch that is on or off. Its name is for those who do not see it.
pub(crate) fn switch(ui: &mut Ui, on: bool, name: &str) -> Response {
    let (rect, response) = ui.allocate_exact_size(vec2(26.0, 15.0), Sense::click());
    response.widget_info(|| WidgetInfo::selected(Role::Switch, ui.is_enabled(), on, name));
    let theme = Theme::of(ui.ctx());
    let how_on = ui.ctx().animate_bool_responsive(response.id, on);
    let radius = rect.height() / 2.0;
    let (track, knob) = if on { (theme.accent, theme.surface) } else { (theme.line, theme.weak) };
    ui.painter().rect_filled(rect, radius, track);
    if response.has_focus() || response.hovered() {
        let ring = Stroke::new(1.0, theme.text);
        ui.painter().rect_stroke(rect, radius, ring, StrokeKind::Outside);
    }
    let x = lerp((rect.left() + radius)..=(rect.right() - radius), how_on);
    ui.painter().circle_filled(pos2(x, rect.center().y), radius - 2.5, knob);
    response.on_hover_text(name)
}

/// Text of the small size.
#[must_use]
pub(crate) fn small(colour: Color32) -> (f32, Color32) {
    (size::SMALL, colour)
}
