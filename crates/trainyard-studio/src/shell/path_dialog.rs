//! Asks for a file: by its path, from the list of recent ones, or with the system's own dialog.
//!
//! The path field works everywhere; the system's dialog needs a desktop, and runs on a thread of
//! its own because it blocks.

use std::path::{Path, PathBuf};

use eframe::egui::{self, Button, Context, Key, Modifiers};

use super::modal::modal;
use super::recent::recent_list;
use crate::background::Job;
use crate::command::Command;
use crate::event::{Event, Purpose};
use crate::message::{Message, ViewMessage};
use crate::persistence::Recent;
use crate::theme::{Theme, size};

/// The dialog.
#[derive(Debug)]
pub(crate) struct PathDialog {
    purpose: Purpose,
    path: String,
    /// The system's dialog, while it is shown.
    system: Option<Job<Option<PathBuf>>>,
    focused: bool,
}

impl PathDialog {
    /// A dialog that begins with a path.
    pub(crate) fn new(purpose: Purpose, path: &Path) -> Self {
        let path = path.to_string_lossy().into_owned();
        Self { purpose, path, system: None, focused: false }
    }

    pub(crate) fn show(&mut self, context: &Context, recent: &Recent, out: &mut Vec<Message>) {
        let mut chosen = self.poll_system();
        // What it asks to write under another ending is said, and can be mended, in the field.
        if let Some(path) = chosen.take_if(|path| lacked_ending(self.purpose, path).is_some()) {
            self.path = path.to_string_lossy().into_owned();
        }
        let saves = self.purpose.saves();
        let closed = modal(context, title(self.purpose), 560.0, |ui| {
            let label = ui.label(match self.purpose {
                Purpose::ExportModel => {
                    "A new folder, which transformers and the like open, or a .gguf file, which llama.cpp and the \
                     like do:"
                }
                _ if saves => "Write to this file:",
                Purpose::FineTuningData => "A file, a folder, or a pattern such as chats/*.jsonl:",
                _ => {
                    "A run file, profile, plan, trace, run directory, or a model (its folder or .gguf file). Dropping \
                     one on the window does the same."
                }
            });
            let field = egui::TextEdit::singleline(&mut self.path)
                .hint_text(self.purpose.example())
                .desired_width(f32::INFINITY);
            let field = ui.add(field).labelled_by(label.id);
            if !self.focused {
                // The first frame only finds out how large the dialog is, and nothing keeps a focus.
                self.focused = field.has_focus();
                field.request_focus();
            }
            let entered = field.lost_focus()
                && ui.input_mut(|input| input.consume_key(Modifiers::NONE, Key::Enter));
            let path = PathBuf::from(self.path.trim());
            let is_path = !path.as_os_str().is_empty();
            let lacked = lacked_ending(self.purpose, &path).filter(|_| is_path);
            let is_taken = self.purpose == Purpose::ExportModel && is_path && path.exists();
            let replaces = saves && !is_taken && lacked.is_none() && path.is_file();
            let theme = Theme::of(ui.ctx());
            if let Some(ending) = lacked {
                let format = ending.to_uppercase();
                let words = format!("It is written as {format}: its name must end in .{ending}.");
                ui.colored_label(theme.warn, words);
            }
            if replaces {
                ui.colored_label(theme.warn, "This file is there already and will be replaced.");
            }
            if is_taken {
                ui.colored_label(
                    theme.warn,
                    "There is something of that name already; name another.",
                );
            }
            ui.add_space(size::SPACE);
            ui.horizontal(|ui| {
                let may = is_path && lacked.is_none() && !is_taken;
                let go = match (saves, replaces) {
                    (false, _) if self.purpose == Purpose::FineTuningData => "Take it",
                    (false, _) => "Open",
                    (true, true) => "Replace",
                    (true, false) => "Save",
                };
                let go = ui.add_enabled(may, Button::new(go));
                if go.clicked() || (entered && may) {
                    chosen = Some(path.clone());
                }
                let browse = ui.add_enabled(self.system.is_none(), Button::new("Browse…"));
                if browse.on_hover_text("Choose with the system's own dialog").clicked() {
                    self.system = system_dialog(context, self.purpose, &path);
                }
            });
            if self.purpose == Purpose::Open {
                chosen = chosen.take().or_else(|| recent_list(ui, recent.paths()));
            }
        });
        if closed || chosen.is_some() {
            out.push(ViewMessage::CloseDialog.into());
        }
        out.extend(chosen.map(|path| Event::PathChosen(self.purpose, path).into()));
    }

    /// What was chosen in the system's dialog. One that fails or is left without a choice leaves
    /// this one as it is.
    fn poll_system(&mut self) -> Option<PathBuf> {
        let answer = self.system.as_ref()?.poll();
        if matches!(answer, Ok(None)) {
            return None;
        }
        self.system = None;
        answer.ok().flatten().flatten()
    }
}

fn system_dialog(context: &Context, purpose: Purpose, path: &Path) -> Option<Job<Option<PathBuf>>> {
    let mut dialog = rfd::FileDialog::new().set_title(title(purpose));
    if let Some(folder) = path.parent().filter(|folder| folder.is_dir()) {
        dialog = dialog.set_directory(folder);
    }
    if let Some(name) = path.file_name().filter(|_| purpose.saves()) {
        dialog = dialog.set_file_name(name.to_string_lossy());
    }
    let ask = move || match purpose {
        _ if purpose.saves() => dialog.save_file(),
        _ => dialog.pick_file(),
    };
    // Without a thread there is still the path field.
    Job::start(context, "Choosing a file", ask).ok()
}

/// The ending that the name of an exported file must have and has not: whoever opens it goes by that.
fn lacked_ending(purpose: Purpose, path: &Path) -> Option<&'static str> {
    let Purpose::Export(what) = purpose else { return None };
    let (_, ending) = what.file_name().rsplit_once('.')?;
    let has = path.extension().is_some_and(|it| it.eq_ignore_ascii_case(ending));
    (!has).then_some(ending)
}

fn title(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Open => "Open",
        Purpose::SavePlan => "Save plan as",
        Purpose::Export(what) => Command::Export(what).spec().name,
        Purpose::SaveRunFile => "Save run file as",
        Purpose::ExportModel => "Export model",
        Purpose::FineTuningData => "What to learn from",
    }
}
