//! The line at the bottom: what was done last, and what is under way.

use eframe::egui::{Align, Context, Layout, RichText, Spinner, Ui};

use crate::command::Command;
use crate::theme::{Theme, size};

/// Draws the line. `under_way` says what is done just now; whether it is to be called off.
pub(crate) fn show(ui: &mut Ui, last: &str, under_way: &[String]) -> bool {
    let theme = Theme::of(ui.ctx());
    let mut call_off = false;
    ui.horizontal(|ui| {
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            ui.label(RichText::new(keys(ui.ctx())).color(theme.weak).size(size::SMALL));
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                for what in under_way {
                    ui.add(Spinner::new().size(size::BODY));
                    ui.label(format!("{what}…"));
                }
                if !under_way.is_empty() {
                    call_off = ui.small_button("Cancel").clicked();
                }
                ui.label(RichText::new(last).color(theme.weak));
            });
        });
    });
    call_off
}

fn keys(context: &Context) -> String {
    let of = |command: Command| command.keys(context).unwrap_or_default();
    format!("{} commands   {} help", of(Command::Palette), of(Command::Help))
}
