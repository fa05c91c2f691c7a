//! Building blocks of the panel's cards.

use eframe::egui::{Button, Frame, Margin, Response, RichText, Ui};

use crate::theme::{Theme, size};

/// Narrower than this, what stands side by side stands one below the other. Points.
pub(super) const TWO_COLUMNS: f32 = 760.0;

/// Something that belongs together, on ground of its own, as wide as there is room.
pub(super) fn card<R>(ui: &mut Ui, theme: &Theme, content: impl FnOnce(&mut Ui) -> R) -> R {
    let frame = Frame::new()
        .fill(theme.raised)
        .stroke((1.0, theme.line))
        .corner_radius(size::CORNER)
        .inner_margin(Margin::same(size::MARGIN as i8));
    frame
        .show(ui, |ui| {
            ui.set_width(ui.available_width());
            content(ui)
        })
        .inner
}

/// The head of a card.
pub(super) fn title(ui: &mut Ui, text: &str) {
    ui.label(RichText::new(text).strong().size(size::BODY));
}

/// The button that a person most likely wants.
pub(crate) fn primary(ui: &mut Ui, text: &str) -> Response {
    // What cannot be pressed looks so.
    if !ui.is_enabled() {
        return ui.button(text);
    }
    let theme = Theme::of(ui.ctx());
    let text = RichText::new(text).color(theme.raised).strong();
    ui.add(Button::new(text).fill(theme.accent))
}
