//! The rows: pointing, dragging, the picture, and what lies over it.

use eframe::egui::scroll_area::{DragScroll, ScrollSource};
use eframe::egui::{
    Color32, CursorIcon, PointerButton, Pos2, Rect, Response, Role, ScrollArea, Sense,
    TextureOptions, Ui, Vec2, WidgetInfo, pos2, vec2,
};

use super::layout::{Group, RowKind, Side, layout};
use super::quad::Quad;
use super::selection::Selection;
use super::sheet::Sheet;
use super::sizes::{NAMES, RULER};
use super::state::{Drag, Drawing, Frame, Rows, Timeline};
use super::view::View;
use super::{cpu_renderer, details, gpu, names, overlay, span_details};
use crate::human_time::human_ns;
use crate::theme::Theme;

/// So near is meant, points.
const NEAR: f32 = 4.0;

/// Draws ruler and rows. The response is the rows'.
pub(super) fn show(
    timeline: &mut Timeline,
    ui: &mut Ui,
    frame: &Frame,
    cursor: &mut Option<f64>,
) -> Response {
    let area = ui.max_rect();
    let theme = Theme::of(ui.ctx());
    let plot = Rect::from_min_max(area.min + vec2(NAMES.min(area.width() / 3.0), 0.0), area.max);
    let response = ui.interact(plot, ui.scope_id().with("plot"), Sense::click_and_drag());
    response.widget_info(|| {
        let mut info = WidgetInfo::labeled(Role::Canvas, true, summary(timeline, frame));
        let hint = "W and S zoom, A and D move, Page Up and Page Down scroll, F fits";
        info.hint_text = Some(hint.to_owned());
        info
    });
    let rows = Rect::from_min_max(pos2(area.left(), area.top() + RULER), area.max);
    let (groups, height) = layout(&frame.scenes, rows.height());
    if timeline.drag == Some(Drag::View) {
        timeline.rows.scrolled -= response.drag_delta().y;
    }
    let most = (height - rows.height()).max(0.0);
    let scrolled = timeline.rows.scrolled.clamp(0.0, most);
    // Over the rows the wheel zooms; over the names it scrolls.
    let wheel = !response.contains_pointer();
    let scroll =
        ScrollSource { mouse_wheel: wheel, drag: DragScroll::Never, ..ScrollSource::default() };
    let area = ui
        .scope_builder(eframe::egui::UiBuilder::new().max_rect(rows), |ui| {
            let area = ScrollArea::vertical().id_salt("rows").auto_shrink(false);
            area.scroll_source(scroll).vertical_scroll_offset(scrolled).show(ui, |ui| {
                ui.allocate_space(vec2(1.0, height));
                ui.min_rect().top() - rows.top()
            })
        })
        .inner;
    timeline.rows = Rows { scrolled: area.state.clamped_offset().y, seen: rows.height() };
    let offset = area.inner;
    let plot_rows = Rect::from_min_max(pos2(plot.left(), rows.top()), rows.max);
    let mut sheet = Sheet {
        scenes: frame.scenes,
        anchors: frame.anchors,
        groups: &groups,
        view: timeline.view,
        plot: plot_rows.translate(vec2(0.0, offset)),
        clip: plot_rows,
        scale: ui.ctx().pixels_per_point(),
        theme,
    };
    wheel_and_drag(timeline, ui, frame, &sheet, &response);
    sheet.view = timeline.view;
    point(timeline, frame, &sheet, &response, cursor);
    sheet.view = timeline.view;

    let picture = sheet.picture();
    let painter = ui.painter().with_clip_rect(plot_rows);
    overlay::grid(ui, &sheet, plot);
    paint(timeline, ui, &sheet, picture.quads);
    overlay::labels(&painter, &sheet, &picture.labels);
    names::budgets(&painter, &sheet);
    overlay::flows(timeline, &painter, &sheet);
    overlay::highlights(timeline, frame, &painter, &sheet);
    names::show(ui, &sheet, rows, plot.left());
    overlay::instants(timeline, ui, frame, &sheet, plot, *cursor);
    if let Some((side, event)) = timeline.hovered.filter(|_| timeline.drag.is_none())
        && let Some(selected) = Selection::new(&frame.scenes, side, event)
    {
        let response = response.clone().on_hover_cursor(CursorIcon::PointingHand);
        response.on_hover_ui_at_pointer(|ui| match &selected {
            Selection::Action(selected) => details::brief(ui, frame, selected),
            Selection::Span(span) => span_details::brief(ui, frame, *span),
        });
    }
    response
}

/// What a screen reader says of the timeline.
fn summary(timeline: &Timeline, frame: &Frame) -> String {
    let mut parts = vec!["Timeline".to_owned()];
    for (side, scene) in frame.scenes.sides() {
        let step = match side {
            Side::Measured => frame.step.and_then(|number| scene.step(number)),
            _ => scene.steps().first(),
        };
        let Some(step) = step else { continue };
        let name = match side {
            Side::Predicted => "predicted step".to_owned(),
            Side::Preview => "step as it would be".to_owned(),
            Side::Measured | Side::Foreign => format!("measured step {}", step.number),
        };
        let devices = match scene.devices().len() {
            1 => "1 device".to_owned(),
            count => format!("{count} devices"),
        };
        let time = human_ns(step.duration_ns() as f64);
        parts.push(format!("{name}: {time} on {devices}"));
    }
    if let Some(foreign) = frame.scenes.foreign {
        let (threads, spans) = (foreign.trace().threads.len(), foreign.trace().spans.len());
        parts.push(format!("another program: {spans} spans on {threads} threads"));
    }
    match &timeline.selected {
        Some(Selection::Action(selected)) => {
            parts.push(format!("selected {} on {}", selected.action, selected.device));
        }
        Some(Selection::Span(index)) => {
            let scene = frame.scenes.foreign;
            let span = scene.and_then(|scene| Some((scene, scene.span(*index)?)));
            parts.extend(span.map(|(scene, span)| format!("selected {}", scene.name(span))));
        }
        None => {}
    }
    parts.join("; ")
}

fn wheel_and_drag(
    timeline: &mut Timeline,
    ui: &Ui,
    frame: &Frame,
    sheet: &Sheet,
    response: &Response,
) {
    let axis = sheet.axis();
    if let Some(at) = response.hover_pos() {
        let (scroll, zoom) =
            ui.input(|input| (input.smooth_scroll_delta(), f64::from(input.zoom_delta())));
        let zoom = zoom * (f64::from(scroll.y) / 240.0).exp();
        if (zoom - 1.0).abs() > 1e-6 || scroll.x.abs() > 1e-3 {
            timeline.moved = true;
            timeline.view.zoom(axis.time(at.x), 1.0 / zoom, frame.content);
            timeline.view.pan(-f64::from(scroll.x) * axis.ns_per_pixel(), frame.content);
            // Whatever scrolls around the timeline stays where it is.
            ui.input_mut(|input| input.smooth_scroll_delta = Vec2::ZERO);
        }
    }
    if response.drag_started() {
        let origin = ui.input(|input| input.pointer.press_origin());
        let moves = response.drag_started_by(PointerButton::Middle)
            || ui.input(|input| input.modifiers.shift);
        timeline.drag = origin
            .map(|at| if moves { Drag::View } else { Drag::Range(fixed_end(timeline, sheet, at)) });
    }
    if response.dragged() {
        match (timeline.drag, response.interact_pointer_pos()) {
            (Some(Drag::View), _) => {
                timeline.moved = true;
                let by = -f64::from(response.drag_delta().x) * axis.ns_per_pixel();
                timeline.view.pan(by, frame.content);
            }
            (Some(Drag::Range(from)), Some(at)) => {
                let to = axis.time(at.x.clamp(sheet.plot.left(), sheet.plot.right()));
                timeline.range = Some((from.min(to), from.max(to)));
            }
            _ => {}
        }
    }
    if response.drag_stopped() {
        timeline.drag = None;
    }
}

/// Where a range that is dragged from `at` has its other end: there, or where the range whose edge
/// was taken has it.
fn fixed_end(timeline: &Timeline, sheet: &Sheet, at: Pos2) -> f64 {
    let axis = sheet.axis();
    let near = |ns: f64| (axis.place(ns) - at.x).abs() <= NEAR;
    match timeline.range {
        Some((start, end)) if near(start) => end,
        Some((start, end)) if near(end) => start,
        _ => axis.time(at.x),
    }
}

/// Hovering, clicking, double-clicking.
fn point(
    timeline: &mut Timeline,
    frame: &Frame,
    sheet: &Sheet,
    response: &Response,
    cursor: &mut Option<f64>,
) {
    let axis = sheet.axis();
    let at = response.hover_pos().or(response.interact_pointer_pos());
    timeline.pointer = at.map(|at| axis.time(at.x));
    timeline.hovered = at.and_then(|at| hit(frame, sheet, at));
    if let Some(at) = response.interact_pointer_pos().filter(|_| response.clicked()) {
        response.request_focus();
        if at.y < sheet.clip.top() {
            let there = axis.time(at.x);
            let same = |pin: &f64| (axis.place(*pin) - at.x).abs() <= NEAR;
            timeline.pinned =
                if timeline.pinned.as_ref().is_some_and(same) { None } else { Some(there) };
        } else {
            timeline.range = None;
            timeline.selected = timeline
                .hovered
                .and_then(|(side, event)| Selection::new(&frame.scenes, side, event));
        }
    }
    if response.double_clicked()
        && let Some(range) = timeline.selected.as_ref().and_then(|s| frame.range_of(s))
    {
        timeline.view = View::fit(range.0, range.1);
        timeline.moved = true;
    }
    if response.contains_pointer() || timeline.drag.is_some() {
        *cursor = timeline.pointer;
        timeline.moved_cursor = true;
    } else if timeline.moved_cursor || timeline.pinned.is_some() {
        *cursor = timeline.pinned;
        timeline.moved_cursor = timeline.pinned.is_some();
    }
}

/// The action or span at a place, or the nearest one a few points beside it.
fn hit(frame: &Frame, sheet: &Sheet, at: Pos2) -> Option<(Side, u32)> {
    if !sheet.clip.contains(at) {
        return None;
    }
    let of_row = |group: &Group| {
        let row = group.rows.iter().find(|row| sheet.row_rect(row).y_range().contains(at.y))?;
        Some((group.id.clone(), row.kind))
    };
    let (id, kind) = sheet.groups.iter().find_map(of_row)?;
    let (side, track) = match kind {
        RowKind::Lane(side, lane) => (side, frame.scenes.scene(side)?.device(&id)?.1.lane(lane)),
        RowKind::Spans { thread, lane } => {
            (Side::Foreign, frame.scenes.foreign?.lane(thread, lane)?)
        }
        _ => return None,
    };
    let axis = sheet.axis();
    let ns = axis.time(at.x);
    let near = axis.ns_per_pixel() * f64::from(NEAR) / 2.0;
    let (from, to) = (frame.clock(side, ns - near), frame.clock(side, ns + near));
    let here = frame.clock(side, ns);
    let distance = |slice: &&super::Slice| {
        slice.start_ns.saturating_sub(here).max(here.saturating_sub(slice.end_ns))
    };
    let nearest = || {
        let touching = track.between(from, to.saturating_add(1)).iter();
        // With very many in a few points, any will do.
        touching.take(1000).filter(|slice| slice.end_ns >= from).min_by_key(distance)
    };
    track.at(here).or_else(nearest).map(|slice| (side, slice.event))
}

/// Hands the rectangles to the GPU, or draws them as the CPU renderer does.
fn paint(timeline: &mut Timeline, ui: &Ui, sheet: &Sheet, quads: Vec<Quad>) {
    let clip = sheet.clip.intersect(ui.clip_rect());
    if !clip.is_positive() {
        return;
    }
    let painter = ui.painter().with_clip_rect(clip);
    let texture = match &mut timeline.drawing {
        Drawing::Cpu(texture) => texture,
        Drawing::Gpu => {
            painter.add(gpu::shape(clip, ui.scope_id().value(), quads, sheet.look()));
            return;
        }
        Drawing::Shapes => {
            for quad in quads {
                let [left, top, right, bottom] = quad.edges.map(|edge| edge / sheet.scale);
                let rect = Rect::from_min_max(pos2(left, top), pos2(right, bottom));
                quad.paint(&painter, rect);
            }
            return;
        }
    };
    let pixel = |points: f32| (points * sheet.scale).max(0.0);
    let corner = [clip.left(), clip.top()].map(|at| pixel(at).floor() as usize);
    let end = [clip.right(), clip.bottom()].map(|at| pixel(at).ceil() as usize);
    let size = [end[0].saturating_sub(corner[0]).max(1), end[1].saturating_sub(corner[1]).max(1)];
    let image = cpu_renderer::draw(&quads, &sheet.look(), corner, size);
    let texture = match texture {
        Some(texture) => {
            texture.set(image, TextureOptions::NEAREST);
            texture
        }
        none => none.insert(ui.ctx().load_texture("timeline", image, TextureOptions::NEAREST)),
    };
    let min = pos2(corner[0] as f32, corner[1] as f32) / sheet.scale;
    let rect = Rect::from_min_size(min, vec2(size[0] as f32, size[1] as f32) / sheet.scale);
    let whole = Rect::from_min_max(Pos2::ZERO, pos2(1.0, 1.0));
    painter.image(texture.id(), rect, whole, Color32::WHITE);
}
