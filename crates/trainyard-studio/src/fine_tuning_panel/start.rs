//! The run file, and the start.

use std::path::Path;

use eframe::egui::{CollapsingHeader, Label, RichText, Ui};

use super::fields::Fields;
use crate::command::Facts;
use crate::event::{Event, FineTuningEvent, Purpose};
use crate::fine_tuning::{Field, Form};
use crate::message::{Dialog, Message, ViewMessage};
use crate::open::RUN_FILE;
use crate::run_file::has_run_file;
use crate::run_panel::primary;
use crate::state::State;
use crate::theme::{Theme, size};

/// Draws where it goes, what is written, and the buttons.
pub(super) fn start_ui(
    ui: &mut Ui,
    state: &State,
    facts: &Facts,
    form: &mut Form,
    fields: &Fields,
    out: &mut Vec<Message>,
) {
    let theme = Theme::of(ui.ctx());
    fields.text(ui, Field::Folder, &mut form.folder);
    let folder = form.folder.trim();
    let is_taken = !folder.is_empty() && has_run_file(Path::new(folder));
    if is_taken {
        let words = "✖ it has a run.toml already; name another folder, or open that";
        ui.label(RichText::new(words).size(size::SMALL).color(theme.bad));
    }
    let run_file = state.fine_tuning_run_file();
    if let Ok(text) = &run_file {
        CollapsingHeader::new("Run file").show(ui, |ui| {
            let text = RichText::new(text.trim_end()).monospace().size(size::SMALL);
            ui.add(Label::new(text).wrap().selectable(true));
        });
    }
    for words in fields.others() {
        ui.label(RichText::new(format!("✖ {words}")).color(theme.bad));
    }
    let why_not = if run_file.is_err() || fields.are_wrong() {
        Some("what is marked above has to be mended, or filled in, first")
    } else if !facts.has_program {
        Some("the program trainyard was not found; Settings say where it is")
    } else if folder.is_empty() {
        Some("name a folder for the run first")
    } else if is_taken {
        Some("name another folder first")
    } else if facts.running {
        Some("a training goes on already")
    } else if facts.busy {
        Some("something else is under way")
    } else {
        None
    };
    ui.horizontal_wrapped(|ui| {
        ui.add_enabled_ui(why_not.is_none(), |ui| {
            let tip = "Write the run file and train: loss and timeline appear in the Run panel";
            if primary(ui, "Start fine-tuning").on_hover_text(tip).clicked() {
                out.push(Event::FineTuning(FineTuningEvent::Start).into());
            }
        });
        ui.add_enabled_ui(run_file.is_ok(), |ui| {
            let button = ui.button("Save run file…");
            let tip = "To train it elsewhere, or to add what this form does not have";
            if button.on_hover_text(tip).clicked() {
                // The folder is made only when it starts.
                let there = Path::new(folder).ancestors().find(|folder| folder.is_dir());
                let path = there.unwrap_or(Path::new("")).join(RUN_FILE);
                let purpose = Purpose::SaveRunFile;
                out.push(ViewMessage::OpenDialog(Dialog::Path { purpose, path }).into());
            }
        });
    });
    if let Some(why_not) = why_not {
        ui.weak(format!("Start: {why_not}."));
    }
}
