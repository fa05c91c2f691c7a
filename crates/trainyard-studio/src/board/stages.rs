//! The body of a column: stages with their layers.

use eframe::egui::scroll_area::{DragScroll, ScrollSource};
use eframe::egui::{
    Align, Align2, Button, CursorIcon, Layout, Rect, RichText, Role, ScrollArea, Sense, Stroke,
    StrokeKind, Ui, UiBuilder, WidgetInfo, pos2, vec2,
};
use trainyard_plan::Recompute;

use super::blocks::{self, Block};
use super::columns::{Column, Place};
use super::drag::Drag;
use super::measure::{self, Cost, Measure};
use super::paint::{self, small};
use super::scene::{BoardAction, Places, Scene};
use super::{keys, layers, pick};
use crate::document::labels;
use crate::document::{Edit, Placed};
use crate::theme::size;

/// A stage's header, in points.
pub(super) const HEADER: f32 = 22.0;
/// Around the blocks of a stage.
pub(super) const PAD: f32 = 4.0;
/// Between blocks.
const GAP: f32 = 2.0;
/// Between stages.
pub(super) const BETWEEN: f32 = 10.0;
/// The handle of a boundary.
const HANDLE: f32 = 8.0;

/// What a stage takes beside the heights of its blocks.
#[must_use]
pub(super) fn overhead() -> f32 {
    HEADER + 2.0 * PAD + BETWEEN
}

/// Draws the stages of a column.
pub(super) fn show(
    ui: &mut Ui,
    scene: &Scene,
    column: &Column,
    rect: Rect,
    actions: &mut Vec<BoardAction>,
    places: &mut Places,
) {
    if column.stages.is_empty() {
        nothing(ui, scene, column, rect);
        return;
    }
    let source = ScrollSource { drag: DragScroll::Never, ..ScrollSource::default() };
    ui.scope_builder(UiBuilder::new().max_rect(rect), |ui| {
        ScrollArea::vertical()
            .id_salt(("column", column.device))
            .auto_shrink(false)
            .scroll_source(source)
            .show(ui, |ui| {
                let heights = |stage: &usize| -> f32 {
                    let blocks = scene.blocks.get(*stage).map(Vec::as_slice).unwrap_or_default();
                    height(blocks, scene.costs, scene.measure, scene.scale)
                };
                let all: f32 = column.stages.iter().map(heights).sum();
                let wished = vec2(ui.available_width(), all);
                let (area, _) = ui.allocate_exact_size(wished, Sense::hover());
                let mut top = area.top() + BETWEEN / 2.0;
                for index in &column.stages {
                    let height = heights(index) - BETWEEN;
                    let frame =
                        Rect::from_min_size(pos2(area.left(), top), vec2(area.width(), height));
                    stage(ui, scene, *index, frame.shrink2(vec2(6.0, 0.0)), actions, places);
                    top += height + BETWEEN;
                }
            });
    });
}

/// The height of a stage of those blocks, in points. `scale` is points a unit of the measure.
#[must_use]
pub(super) fn height(blocks: &[Block], costs: &[Cost], measure: Measure, scale: f64) -> f32 {
    let heights = blocks.iter().map(|block| block_height(*block, costs, measure, scale));
    heights.sum::<f32>() + overhead()
}

fn block_height(block: Block, costs: &[Cost], measure: Measure, scale: f64) -> f32 {
    blocks::height(block, measure.of(measure::of_run(costs, block.run())), scale)
}

/// A column without layers.
fn nothing(ui: &Ui, scene: &Scene, column: &Column, rect: Rect) {
    let theme = scene.theme;
    let rect = rect.shrink2(vec2(8.0, 6.0));
    let stroke = Stroke::new(1.0, theme.line);
    let corners = [
        rect.left_top(),
        rect.right_top(),
        rect.right_bottom(),
        rect.left_bottom(),
        rect.left_top(),
    ];
    let dashes = eframe::egui::Shape::dashed_line(&corners, stroke, 5.0, 4.0);
    ui.painter().extend(dashes);
    let (says, more) = match column.place {
        Place::Off => ("switched off", "its switch brings it back"),
        _ => ("idle", "drop layers here"),
    };
    let at = (rect.center() - vec2(0.0, 8.0), Align2::CENTER_CENTER);
    paint::text(ui.painter(), at, says, (size::BODY, theme.weak), rect.width());
    let at = (rect.center() + vec2(0.0, 9.0), Align2::CENTER_CENTER);
    paint::text(ui.painter(), at, more, small(theme.weak), rect.width());
}

fn stage(
    ui: &mut Ui,
    scene: &Scene,
    index: usize,
    rect: Rect,
    actions: &mut Vec<BoardAction>,
    places: &mut Places,
) {
    let Some(placed) = scene.document.arrangement().stages.get(index).copied() else { return };
    let theme = scene.theme;
    ui.painter().rect_filled(rect, 6.0, theme.surface);
    ui.painter().rect_stroke(rect, 6.0, Stroke::new(1.0, theme.line), StrokeKind::Inside);
    header(ui, scene, (index, placed), rect.with_max_y(rect.top() + HEADER), actions);
    let mut top = rect.top() + HEADER + PAD;
    for block in scene.blocks.get(index).map(Vec::as_slice).unwrap_or_default() {
        let height = block_height(*block, scene.costs, scene.measure, scene.scale);
        let area = Rect::from_min_size(
            pos2(rect.left() + PAD, top),
            vec2(rect.width() - 2.0 * PAD, height - GAP),
        );
        places.blocks.push((index, *block, area));
        layers::layer(ui, scene, placed, *block, area, actions);
        top += height;
    }
    let last = index + 1 == scene.document.arrangement().stages.len();
    if index > 0 {
        let y = rect.top();
        boundary(
            ui,
            scene,
            index - 1,
            "start",
            rect.with_min_y(y - HANDLE / 2.0).with_max_y(y + 3.0),
            index,
            actions,
        );
    }
    if !last {
        let y = rect.bottom();
        boundary(
            ui,
            scene,
            index,
            "end",
            rect.with_min_y(y - 4.0).with_max_y(y + HANDLE / 2.0),
            index,
            actions,
        );
    }
}

fn header(
    ui: &mut Ui,
    scene: &Scene,
    (index, placed): (usize, Placed),
    rect: Rect,
    actions: &mut Vec<BoardAction>,
) {
    let theme = scene.theme;
    let profile = &scene.document.present().profile;
    let run = (placed.first, placed.end);
    let device = labels::device(profile, placed.device);
    let step = scene.document.present().simulation.step_us.max(f64::MIN_POSITIVE);
    let costs = scene.document.present().costs.stages.get(index);
    let us = costs.map_or(0.0, |costs| costs.forward_us + costs.backward_us());
    let share = labels::percent(us * scene.document.present().plan.micro_batches as f64 / step);
    let response = ui.interact(rect, ui.scope_id().with(("stage", index)), Sense::click_and_drag());
    let name =
        format!("stage {index}, {} on {device}, {share} of the step", labels::layers(profile, run));
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, &name));
    pick::pick(ui, scene, &response, run, Drag::Layers(vec![run]), actions);
    pick::ring(ui, scene, &response, rect);
    let layout = Layout::right_to_left(Align::Center);
    let controls = rect.shrink2(vec2(size::GAP, 1.0));
    let used = ui.scope_builder(UiBuilder::new().max_rect(controls).layout(layout), |ui| {
        let on = placed.recompute == Recompute::Full;
        let recompute = if on { Recompute::None } else { Recompute::Full };
        let text = RichText::new("recompute").size(size::SMALL);
        let text = text.color(if on { theme.text } else { theme.weak });
        let hint = if on {
            "runs its forward again in the backward; press to keep its activations"
        } else {
            "press to run its forward again in the backward, to save memory"
        };
        let button = ui.add(Button::selectable(on, text).small());
        let button = button.accessible_name(format!("stage {index} recomputes"));
        if button.on_hover_text(hint).clicked() {
            actions.push(BoardAction::Edit(Edit::Recompute { stage: index, recompute }));
        }
        ui.min_rect().width()
    });
    paint::grip(ui.painter(), pos2(rect.left() + 9.0, rect.center().y), theme.weak);
    let at = (pos2(rect.left() + 18.0, rect.center().y), Align2::LEFT_CENTER);
    let room = rect.width() - 24.0 - used.inner;
    let count = placed.end - placed.first;
    let layers = format!("{count} layer{}", if count == 1 { "" } else { "s" });
    let ways = [
        format!("stage {index} · {share} of step · {layers}"),
        format!("stage {index} · {share} · {layers}"),
        format!("stage {index} · {share}"),
        format!("stage {index}"),
    ];
    let says = paint::fitting(ui.painter(), &ways, size::SMALL, room);
    paint::text(ui.painter(), at, says, small(theme.text), room);
}

/// The handle of the boundary after a stage, at the end of that stage or the start of the next.
fn boundary(
    ui: &mut Ui,
    scene: &Scene,
    after: usize,
    end: &str,
    rect: Rect,
    at: usize,
    actions: &mut Vec<BoardAction>,
) {
    let id = ui.scope_id().with(("boundary", after, end));
    let response = ui.interact(rect, id, Sense::click_and_drag());
    let name = format!("boundary at the {end} of stage {at}");
    response.widget_info(|| WidgetInfo::labeled(Role::Splitter, true, &name));
    if response.drag_started() {
        actions.push(BoardAction::Drag(Drag::Boundary(after)));
    }
    let live = response.hovered() || response.dragged() || response.has_focus();
    if live {
        ui.ctx().set_cursor_icon(CursorIcon::ResizeVertical);
    }
    if response.has_focus() {
        keys::boundary(ui, scene, &response, after, actions);
    }
    let theme = scene.theme;
    let colour = if live { theme.accent } else { theme.line };
    let pill = Rect::from_center_size(rect.center(), vec2(if live { 56.0 } else { 34.0 }, 4.0));
    ui.painter().rect_filled(pill, 2.0, colour);
    if scene.drag.is_none() {
        response.on_hover_text(format!("{name}: drag it to give layers to the stage beside"));
    }
}
