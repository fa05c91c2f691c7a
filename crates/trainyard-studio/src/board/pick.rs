//! What the pointer and the keyboard do with a layer, a folded run or a stage.

use eframe::egui::{CursorIcon, Rect, Response, Stroke, StrokeKind, Ui};

use super::drag::Drag;
use super::keys;
use super::scene::{BoardAction, Scene};

/// Clicks, drags and keys of a layer, a folded run or a stage.
pub(super) fn pick(
    ui: &mut Ui,
    scene: &Scene,
    response: &Response,
    run: (usize, usize),
    single: Drag,
    actions: &mut Vec<BoardAction>,
) {
    let modifiers = ui.input(|input| input.modifiers);
    if response.clicked() {
        actions.push(match modifiers {
            held if held.shift => BoardAction::ExtendTo(run),
            held if held.command => BoardAction::Toggle(run),
            _ => BoardAction::Select(run),
        });
        response.request_focus();
    } else if response.gained_focus() && !response.is_pointer_button_down_on() && !modifiers.shift {
        if !scene.selection.holds(run) {
            actions.push(BoardAction::Select(run));
        }
        response.scroll_to_me(None);
    }
    if response.secondary_clicked() {
        if !scene.selection.holds(run) {
            actions.push(BoardAction::Select(run));
        }
        response.request_focus();
        let at = response.interact_pointer_pos().unwrap_or_else(|| response.rect.center());
        actions.push(BoardAction::Menu { at, by_key: false });
    }
    if response.drag_started() {
        let selected = scene.selection.holds(run);
        if !selected {
            actions.push(BoardAction::Select(run));
        }
        actions.push(BoardAction::Drag(if selected {
            Drag::Layers(scene.selection.runs())
        } else {
            single
        }));
    }
    if response.has_focus() {
        keys::handle(ui, scene, response, run, actions);
    }
    if response.dragged() {
        ui.ctx().set_cursor_icon(CursorIcon::Grabbing);
    } else if response.hovered() {
        ui.ctx().set_cursor_icon(CursorIcon::Grab);
    }
}

/// Around what the keyboard is on.
pub(super) fn ring(ui: &Ui, scene: &Scene, response: &Response, rect: Rect) {
    if response.has_focus() {
        let stroke = Stroke::new(1.5, scene.theme.accent);
        ui.painter().rect_stroke(rect.shrink(1.0), 4.0, stroke, StrokeKind::Inside);
    }
}
