//! What was said.

use eframe::egui::{Frame, Label, Margin, RichText, Ui};

use crate::state::{Chat, Speaker, Turn};
use crate::theme::{Theme, size};

/// Draws it.
pub(super) fn turns_ui(ui: &mut Ui, chat: &Chat) {
    let theme = Theme::of(ui.ctx());
    for turn in chat.turns() {
        turn_ui(ui, turn, theme);
    }
}

fn turn_ui(ui: &mut Ui, turn: &Turn, theme: &Theme) {
    let fill = if turn.speaker == Speaker::You { theme.raised } else { theme.surface };
    let frame = Frame::new()
        .fill(fill)
        .corner_radius(size::CORNER)
        .inner_margin(Margin::symmetric(size::SPACE as i8, size::GAP as i8));
    frame.show(ui, |ui| {
        ui.set_width(ui.available_width());
        if turn.speaker == Speaker::Note {
            ui.label(RichText::new(format!("Note: {}", turn.text)).color(theme.warn));
            return;
        }
        ui.label(RichText::new(turn.speaker.name()).size(size::SMALL).color(theme.accent));
        if turn.text.is_empty() && turn.figures.is_empty() {
            ui.weak("…");
            return;
        }
        ui.add(Label::new(turn.text.trim()).wrap().selectable(true));
        if !turn.figures.is_empty() {
            ui.label(RichText::new(&turn.figures).size(size::SMALL).color(theme.weak));
        }
    });
}

/// Copies all of it.
pub(super) fn copy_ui(ui: &mut Ui, chat: &Chat) {
    if chat.turns().is_empty() {
        return;
    }
    if ui.button("Copy").on_hover_text("Copy the conversation as text").clicked() {
        let turn = |turn: &Turn| format!("{}: {}\n\n", turn.speaker.name(), turn.text.trim());
        ui.ctx().copy_text(chat.turns().iter().map(turn).collect());
    }
}
