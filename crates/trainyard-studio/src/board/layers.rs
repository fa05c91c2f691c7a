//! A block: a layer, or several folded into a stack.

use eframe::egui::{
    Align2, Color32, Rect, Role, Sense, Stroke, StrokeKind, Ui, WidgetInfo, pos2, vec2,
};
use trainyard_plan::memory::human_bytes;

use super::blocks::Block;
use super::drag::{Drag, Target};
use super::measure::{self, Cost};
use super::paint::{self, small};
use super::pick::pick;
use super::roles::Roles;
use super::scene::{BoardAction, Scene, Verdict, block_id};
use crate::document::Placed;
use crate::document::labels;
use crate::human_time::human_us;
use crate::theme::size;

/// The size of a layer's name, in points.
const NAME: f32 = 12.0;
/// Names in a hover text have no more characters.
const HOVERED: usize = 60;

/// Draws a block and takes what the pointer does to it.
pub(super) fn layer(
    ui: &mut Ui,
    scene: &Scene,
    placed: Placed,
    block: Block,
    rect: Rect,
    actions: &mut Vec<BoardAction>,
) {
    let theme = scene.theme;
    let profile = &scene.document.present().profile;
    let cost = measure::of_run(scene.costs, block.run());
    let run = block.run();
    let locks = &scene.document.arrangement().locks;
    let locked = (run.0..run.1).filter(|layer| locks.contains_key(layer)).count();
    let selected = scene.selection.holds(run);
    let response = ui.interact(rect, block_id(block.first), Sense::click_and_drag());
    let all = profile.model.layers.len();
    let device = labels::device(profile, placed.device);
    let roles = Roles::of_run(profile, run);
    let name = labels::layers(profile, run);
    let label = |name: &str, device: &str| {
        let which = match block.count() {
            1 => format!("layer {} of {all}", block.first + 1),
            count => format!("{count} layers of {all}"),
        };
        let locked = if locked > 0 { ", locked" } else { "" };
        let frozen = if roles.frozen() > 0 { ", frozen weights" } else { "" };
        let costs = format!("{}, {}", human_bytes(cost.bytes), human_us(cost.us));
        format!("{name}, {which}, on {device}, {costs}{frozen}{locked}")
    };
    response.widget_info(|| {
        WidgetInfo::selected(Role::ListBoxOption, true, selected, label(&name, device))
    });
    pick(ui, scene, &response, run, Drag::Layers(vec![run]), actions);
    if response.double_clicked() {
        actions.push(BoardAction::Fold(run));
    }
    if !ui.is_rect_visible(rect) {
        return;
    }
    let kind = profile.model.layers.get(block.first).map_or("", |layer| layer.kind.as_str());
    let drag = matches!(scene.drag, Some(Drag::Layers(runs))
        if runs.iter().any(|(first, end)| *first <= run.0 && run.1 <= *end));
    let fill = theme.layer(kind).gamma_multiply(if drag { 0.35 } else { 1.0 });
    plate(ui, block, rect, fill, theme.surface);
    roles.hatch(ui, rect, theme);
    // A gap between the line and the block keeps it seen, whatever the colour of the block.
    let focused = response.has_focus();
    if selected || focused {
        let gap = if focused { 2.5 } else { 1.5 };
        let line = if selected { theme.text } else { theme.accent };
        ui.painter().rect_stroke(rect, 4.0, Stroke::new(gap, theme.surface), StrokeKind::Inside);
        ui.painter().rect_stroke(rect, 4.0, Stroke::new(2.0, line), StrokeKind::Outside);
    } else if response.hovered() {
        ui.painter().rect_stroke(rect, 4.0, Stroke::new(1.0, theme.text), StrokeKind::Inside);
    }
    let says =
        Caption { name: &name, cost, format: roles.format(), locked: locked > 0, faint: drag };
    caption(ui, scene, block, rect, &says);
    cut(ui, scene, block, rect);
    if scene.drag.is_none() {
        response.on_hover_ui(|ui| {
            ui.strong(label(&labels::elided(&name, HOVERED), &labels::elided(device, HOVERED)));
            if !kind.is_empty() {
                ui.weak(format!("kind: {kind}"));
            }
            ui.weak(format!("weights: {}", roles.words()));
            if block.count() > 1 {
                ui.weak("double-click to unfold");
            }
        });
    }
}

/// The ground of a block; folded ones look like a stack.
fn plate(ui: &Ui, block: Block, rect: Rect, fill: Color32, edge: Color32) {
    if block.count() == 1 {
        ui.painter().rect_filled(rect, 4.0, fill);
        return;
    }
    for (inset, fade) in [(4.0, 0.45), (2.0, 0.7), (0.0, 1.0)] {
        let plate = rect
            .shrink2(vec2(inset, 0.0))
            .with_max_y(rect.bottom() - 4.0 + inset)
            .with_min_y(rect.top() + inset);
        ui.painter().rect_filled(plate, 4.0, fill.gamma_multiply(fade));
        ui.painter().rect_stroke(plate, 4.0, Stroke::new(1.0, edge), StrokeKind::Outside);
    }
}

/// What is written on a block.
struct Caption<'a> {
    name: &'a str,
    cost: Cost,
    /// How its frozen weights are held.
    format: Option<String>,
    locked: bool,
    /// Whether it is being dragged away.
    faint: bool,
}

fn caption(ui: &Ui, scene: &Scene, block: Block, rect: Rect, says: &Caption) {
    let Caption { name, cost, ref format, locked, faint } = *says;
    let theme = scene.theme;
    let painter = ui.painter().with_clip_rect(rect.intersect(ui.clip_rect()));
    let colour = if faint { theme.text } else { theme.on_colour };
    let y = rect.center().y - if block.count() > 1 { 2.0 } else { 0.0 };
    let value = scene.measure.words(cost);
    let inner = rect.shrink2(vec2(7.0, 0.0));
    let at = (pos2(inner.right(), y), Align2::RIGHT_CENTER);
    let with_format = format.iter().map(|format| format!("{format} · {value}"));
    let ways: Vec<String> = with_format.chain([value.clone()]).collect();
    let value = paint::fitting(&painter, &ways, size::SMALL, inner.width() * 0.5);
    let right = paint::text(&painter, at, value, small(colour), inner.width() * 0.5);
    let mut left = inner.left();
    if locked {
        paint::lock(&painter, pos2(left + 4.0, y), true, colour);
        left += 13.0;
    }
    // How many layers a stack has is said however long their names are.
    let count = match block.count() {
        1 => String::new(),
        count => format!("×{count}"),
    };
    let room = right.left() - left - size::SPACE;
    let name_room = match block.count() {
        1 => room,
        _ => room - paint::width(&painter, &count, NAME) - size::SPACE,
    };
    let name = paint::name(&painter, name, NAME, name_room);
    let at = (pos2(left, y), Align2::LEFT_CENTER);
    let name = paint::text(&painter, at, &name, (NAME, colour), name_room);
    let at = (pos2(name.right() + size::SPACE, y), Align2::LEFT_CENTER);
    paint::text(&painter, at, &count, (NAME, colour), room);
}

/// Where a dragged boundary would come to lie.
fn cut(ui: &Ui, scene: &Scene, block: Block, rect: Rect) {
    let (Some(Drag::Boundary(stage)), Some(Target::Cut(layer))) = (scene.drag, scene.target) else {
        return;
    };
    let theme = scene.theme;
    let Some(left) = scene.document.arrangement().stages.get(*stage) else { return };
    let moved = if layer < left.end { (layer, left.end) } else { (left.end, layer) };
    let (first, end) = (block.first.max(moved.0), block.end.min(moved.1));
    if first >= end {
        return;
    }
    let y = |layer: usize| {
        let part = (layer - block.first) as f32 / block.count().max(1) as f32;
        rect.top() + rect.height() * part
    };
    let part = rect.with_min_y(y(first)).with_max_y(y(end));
    let refused = scene.verdicts.values().any(|v| matches!(v, Verdict::Refused(_)));
    let colour = if refused { theme.bad } else { theme.accent };
    ui.painter().rect_filled(part, 2.0, colour.gamma_multiply(0.45));
    if (block.first..=block.end).contains(&layer) {
        ui.painter().hline(rect.x_range().expand(4.0), y(layer), Stroke::new(3.0, colour));
    }
}
