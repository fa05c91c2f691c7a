//! The model that a run trained, written for other programs: `trainyard export`.

use std::path::PathBuf;

use crate::effect::{Effect, Inquire};
use crate::event::{Purpose, Question};
use crate::message::{Dialog, ViewMessage};
use crate::run::TaskEnd;
use crate::run_file::free_directory;
use crate::state::State;

/// Asks where the model of the run that is watched is to be written: beside its run file, unless a person says
/// otherwise.
pub(super) fn ask(state: &State) -> Vec<Effect> {
    let Some(session) = state.run.session() else { return Vec::new() };
    let run = session.directory();
    let beside = run.ancestors().nth(2).unwrap_or(run);
    let (purpose, path) = (Purpose::ExportModel, free_directory(beside, "exported"));
    vec![ViewMessage::OpenDialog(Dialog::Path { purpose, path }).into()]
}

/// Has the program write it to a folder or file.
pub(super) fn write(state: &State, path: PathBuf) -> Vec<Effect> {
    let Some(session) = state.run.session() else { return Vec::new() };
    let program = match state.run.program() {
        Ok(program) => program.clone(),
        Err(missing) => {
            let title = "The program trainyard is missing";
            return vec![Effect::fail(title, missing.to_string(), "Settings say where it is.")];
        }
    };
    let path = std::path::absolute(&path).unwrap_or(path);
    let run = session.directory();
    let run = std::path::absolute(run).unwrap_or_else(|_| run.to_owned());
    vec![Effect::Ask(Box::new(Inquire {
        program,
        what: "Writing the model",
        arguments: vec!["export".into(), run.into(), "-o".into(), path.clone().into()],
        question: Question::Export(path),
        folder: None,
        file: None,
    }))]
}

/// Follow-up of the writing.
pub(super) fn written(end: &TaskEnd, path: &std::path::Path) -> Vec<Effect> {
    vec![match end {
        TaskEnd::Cancelled => Effect::set_status("Writing the model: cancelled"),
        TaskEnd::Done(_) => Effect::set_status(format!("The model is in {}", path.display())),
        TaskEnd::Failed(end) => {
            let reason = end.reason().unwrap_or_else(|| end.to_string());
            Effect::fail("Cannot write the model", reason, "Nothing was written.")
        }
    }]
}
