//! Dialog before a program named by a run file is started.

use eframe::egui::{Context, Label, RichText, Ui};

use super::modal::modal;
use crate::event::{Event, Inspected};
use crate::message::{Message, ViewMessage};
use crate::theme::{Theme, size};

/// Asks. Without an answer nothing is started.
pub(crate) fn program_ui(
    context: &Context,
    question: &Inspected,
    default: Option<&str>,
    out: &mut Vec<Message>,
) {
    let mut answer = None;
    let closed = modal(context, "Start the program that this run file names?", 560.0, |ui| {
        ui.label("The run file");
        path(ui, &question.run_file.display().to_string());
        ui.label("names a program of its own, which would plan, measure and train with it:");
        if let Some(Ok(named)) = &question.named {
            path(ui, &named.program.path().display().to_string());
        }
        ui.add_space(size::GAP);
        let theme = Theme::of(ui.ctx());
        ui.colored_label(
            theme.warn,
            "A program can do everything that you can. Start it only if you know where it comes \
             from.",
        );
        ui.add_space(size::GAP);
        ui.weak(match default {
            Some(default) => format!("Otherwise {default} is used."),
            None => "Otherwise there is no program to plan and train with.".to_owned(),
        });
        ui.weak("The answer holds for this run file until the program changes.");
        ui.add_space(size::MARGIN);
        ui.horizontal_wrapped(|ui| {
            for (text, allowed) in [("Start it", true), ("Use the other program", false)] {
                if ui.button(text).clicked() {
                    answer = Some(allowed);
                }
            }
        });
    });
    if let Some(allowed) = answer {
        let question = Box::new(question.clone());
        out.push(Event::ProgramAnswered { question, allowed }.into());
    } else if closed {
        let words = "Nothing was started".to_owned();
        out.extend([ViewMessage::CloseDialog.into(), ViewMessage::Status(words).into()]);
    }
}

/// A path that a person is to read before they answer.
pub(super) fn path(ui: &mut Ui, path: &str) {
    ui.add(Label::new(RichText::new(path).monospace().strong()).selectable(true).wrap());
}
