//! Shows what went wrong.

use eframe::egui::{Context, Label, RichText};

use super::modal::modal;
use crate::error_dialog::ErrorDialog;
use crate::message::{Message, ViewMessage};
use crate::theme::{Theme, size};

/// Shows an error until it is read.
pub(crate) fn error_dialog_ui(context: &Context, error: &ErrorDialog, out: &mut Vec<Message>) {
    let mut understood = false;
    let closed = modal(context, &error.title, 520.0, |ui| {
        let theme = Theme::of(ui.ctx());
        ui.add(Label::new(RichText::new(&error.text).color(theme.bad)).selectable(true).wrap());
        if !error.remedy.is_empty() {
            ui.add_space(size::SPACE);
            ui.add(Label::new(&error.remedy).selectable(true).wrap());
        }
        ui.add_space(size::MARGIN);
        ui.horizontal(|ui| {
            understood = ui.button("OK").clicked();
            if ui.button("Copy message").clicked() {
                ui.ctx().copy_text(format!("{}: {}", error.title, error.text));
            }
        });
    });
    if closed || understood {
        out.push(ViewMessage::ErrorRead.into());
    }
}
