//! Opening: what is read, and where it belongs.

use std::path::{Path, PathBuf};

use super::{fine_tuning, training};
use crate::command::Command;
use crate::document::Document;
use crate::effect::{Effect, Reader};
use crate::error_dialog::ErrorDialog;
use crate::event::{Aim, FileRead, Then};
use crate::message::{DocumentMessage, PreferencesMessage, RunMessage, ViewMessage};
use crate::open::{self, OpenError, Opened};
use crate::panels::timeline;
use crate::paths::short_name;
use crate::run::{Session, SessionError};
use crate::state::State;

/// Opens a file or directory.
pub(super) fn open(path: &Path, then: Then) -> Vec<Effect> {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let what = format!("Opening {}", short_name(&path));
    vec![Effect::Read { path, what, read: Box::new(open::open), then }]
}

/// Opens a run file with costs that lie elsewhere, in a folder that is deleted when it is read.
pub(super) fn open_with(run_file: &Path, read: Reader, then: Then) -> Vec<Effect> {
    let what = format!("Opening {}", short_name(run_file));
    vec![Effect::Read { path: run_file.to_owned(), what, read, then }]
}

/// Opens the whole journal of the run that is watched as a trace.
pub(super) fn all_steps(state: &State) -> Vec<Effect> {
    let Some(session) = state.run.session() else { return Vec::new() };
    let path = session.directory().to_owned();
    let what = format!("Reading all steps of {}", short_name(&path));
    vec![Effect::Read { path, what, read: Box::new(open::all_steps), then: Then::default() }]
}

/// Opens the contents of a file.
pub(super) fn read(state: &State, read: FileRead) -> Vec<Effect> {
    let FileRead { path, then, opened } = read;
    let name = short_name(&path);
    match opened {
        Some(Ok(opened)) => {
            let has_run_file = run_file_of(&opened).is_some();
            let mut effects = vec![PreferencesMessage::AddRecent(path).into()];
            effects.extend(take(state, name, opened));
            effects.extend(then.notice.map(Effect::set_status));
            if then.run && has_run_file {
                effects.push(Command::Run.into());
            }
            effects
        }
        Some(Err(error)) => {
            let mut effects = Vec::new();
            if matches!(error, OpenError::Read { .. }) {
                effects.push(PreferencesMessage::ForgetRecent(path).into());
            }
            let dialog = ErrorDialog::of_open(&name, &error);
            effects.extend(not_opened(name, dialog));
            effects
        }
        None => {
            let dialog = ErrorDialog::new(
                format!("Cannot open {name}"),
                "Reading it stopped unexpectedly. That is a fault of the studio's.",
                "Please report it with the file.",
            );
            not_opened(name, dialog).into()
        }
    }
}

/// Says that something is open, once it is: until then the welcome stays, and a status of another.
pub(super) fn opened(name: &str) -> [Effect; 3] {
    [
        ViewMessage::Welcome(false).into(),
        DocumentMessage::NotOpened(None).into(),
        Effect::set_status(format!("Opened {name}")),
    ]
}

/// Says that something could not be opened, in a dialog and as long as something else is shown.
pub(super) fn not_opened(name: String, dialog: ErrorDialog) -> [Effect; 3] {
    [
        Effect::set_status(dialog.title.clone()),
        DocumentMessage::NotOpened(Some(name)).into(),
        ViewMessage::Fail(dialog).into(),
    ]
}

/// Watches the run in a directory that was opened, or says why it cannot be.
pub(super) fn attached(
    directory: &Path,
    session: Result<Box<Session>, SessionError>,
) -> Vec<Effect> {
    let name = short_name(directory);
    match session {
        Ok(session) => and_opened(training::watch(session, None, false), &name),
        Err(error) => {
            let remedy = "Look whether the directory is still there and may be read.";
            let title = format!("Cannot watch the run {name}");
            not_opened(name, ErrorDialog::new(title, error.to_string(), remedy)).into()
        }
    }
}

fn run_file_of(opened: &Opened) -> Option<&PathBuf> {
    match opened {
        Opened::Document(document) => document.run_file.as_ref(),
        _ => None,
    }
}

fn take(state: &State, name: String, opened: Opened) -> Vec<Effect> {
    match opened {
        Opened::Document(document) if document.model.is_some() => {
            fine_tuning::put_on_board(state, &name, document)
        }
        Opened::Document(document) => and_opened(open_document(document, false), &name),
        Opened::Model(model) => fine_tuning::open(state, &model),
        // What its layers cost is measured or estimated by `trainyard`.
        Opened::RunFile(run_file) => {
            let aim = Aim::Estimate { then_run: false, beside: false };
            vec![Effect::set_status(""), Effect::Inspect { run_file, aim }]
        }
        Opened::Plan { file, plan } => {
            let ours = state.document.document();
            match open::plan_on(ours.profile().as_ref().clone(), &plan, &file) {
                Ok(mut document) => {
                    document.run_file.clone_from(&ours.run_file);
                    and_opened(open_document(Box::new(document), false), &name)
                }
                Err(error) => {
                    let dialog = ErrorDialog::new(
                        format!("Cannot open {name}"),
                        format!(
                            "{} has no profile.json beside it, and does not go with the one that \
                             is open ({error}).",
                            file.display()
                        ),
                        "Put its profile.json into the same folder, or open the profile first.",
                    );
                    not_opened(name, dialog).into()
                }
            }
        }
        Opened::Run { directory, document } => {
            let document = document.map(|document| open_document(document, false));
            let mut effects = document.unwrap_or_default();
            effects.push(Effect::Watch(directory));
            effects
        }
        Opened::Trace(trace) => {
            let mut effects = and_opened(Vec::new(), &name);
            if !trace.remarks.is_empty() {
                let remarks = trace.remarks.join("; ");
                effects.push(Effect::set_status(format!("Opened {name}: {remarks}")));
            }
            effects.push(ViewMessage::OpenTrace(name, trace).into());
            effects.push(PreferencesMessage::Reveal(timeline::INFO.id).into());
            effects
        }
    }
}

fn and_opened(mut effects: Vec<Effect>, name: &str) -> Vec<Effect> {
    effects.extend(opened(name));
    effects
}

/// Puts a document in the place of the present one, and lets go of the training that belonged to
/// that.
pub(super) fn open_document(document: Box<Document>, is_example: bool) -> Vec<Effect> {
    vec![
        DocumentMessage::Open { document, is_example }.into(),
        ViewMessage::CloseTrace.into(),
        RunMessage::DocumentOpened.into(),
    ]
}
