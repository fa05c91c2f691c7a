//! The line at the bottom: what was done last, and what is under way.

use eframe::egui::{Align, Context, Label, Layout, RichText, Spinner, Ui};

use crate::command::Command;
use crate::document::labels::elided;
use crate::message::{JobsMessage, Message};
use crate::theme::{Theme, size};

/// What is under way is named in no more characters.
const NAMED: usize = 40;

/// Draws the line. `under_way` says what is done just now.
pub(crate) fn status_ui(ui: &mut Ui, last: &str, under_way: &[String], out: &mut Vec<Message>) {
    let theme = Theme::of(ui.ctx());
    ui.horizontal(|ui| {
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            ui.label(RichText::new(keys(ui.ctx())).color(theme.weak).size(size::SMALL));
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                // What can be of any length comes last, and gets what room there is.
                if !under_way.is_empty() {
                    ui.add(Spinner::new().size(size::BODY));
                    if ui.small_button("Cancel").clicked() {
                        out.push(JobsMessage::Cancel.into());
                    }
                }
                for what in under_way {
                    ui.label(format!("{}…", elided(what, NAMED))).on_hover_text(what);
                }
                ui.add(Label::new(RichText::new(last).color(theme.weak)).truncate());
            });
        });
    });
}

fn keys(context: &Context) -> String {
    let of = |command: Command| command.keys(context).unwrap_or_default();
    format!("{} commands   {} help", of(Command::Palette), of(Command::Help))
}

#[cfg(test)]
mod tests {
    use egui_kittest::Harness;
    use egui_kittest::kittest::Queryable as _;

    use super::status_ui;

    #[test]
    fn long_words_do_not_lie_over_the_keys() {
        let long = "switched off ".repeat(40);
        let mut harness = Harness::builder().with_size([600.0, 40.0]).build_ui(|ui| {
            status_ui(ui, &long, std::slice::from_ref(&long), &mut Vec::new());
        });
        harness.run_steps(2);
        let keys = harness.get_by_label_contains("commands").rect();
        let words = harness.query_all_by_label_contains("switched off");
        for words in words {
            assert!(words.rect().right() <= keys.left(), "{} {keys}", words.rect());
        }
        assert!(harness.get_by_label("Cancel").rect().right() < keys.left());
    }
}
