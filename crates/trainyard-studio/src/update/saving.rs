//! Saving and exporting: the plan, the data behind what is drawn, and pictures of it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::command::Export;
use crate::effect::{Data, Effect, PictureFormat};
use crate::event::Purpose;
use crate::export::{ExportError, data, perfetto};
use crate::message::{Dialog, DocumentMessage, PreferencesMessage, ViewMessage};
use crate::panels::{board, timeline};
use crate::state::State;

/// Writes the plan to its file, or asks for one.
pub(super) fn save(state: &State) -> Vec<Effect> {
    if let Some(file) = state.document.document().file.clone() {
        return save_plan(state, file);
    }
    let (purpose, path) = (Purpose::SavePlan, state.document.plan_file());
    vec![ViewMessage::OpenDialog(Dialog::Path { purpose, path }).into()]
}

/// Writes the plan to a file.
pub(super) fn save_plan(state: &State, file: PathBuf) -> Vec<Effect> {
    vec![Effect::SavePlan(file, Box::new(state.document.document().present().plan.clone()))]
}

/// Follow-up of saving a plan.
pub(super) fn saved(file: PathBuf, saved: Result<(), ExportError>) -> Vec<Effect> {
    match saved {
        Ok(()) => vec![
            DocumentMessage::Saved(file.clone()).into(),
            Effect::set_status(format!("Saved {}", file.display())),
            PreferencesMessage::AddRecent(file).into(),
        ],
        Err(error) => vec![cannot_write(&error)],
    }
}

/// Says that something was written, or why not.
pub(super) fn written(file: &Path, written: Result<(), ExportError>) -> Vec<Effect> {
    vec![match written {
        Ok(()) => Effect::set_status(format!("Written to {}", file.display())),
        Err(error) => cannot_write(&error),
    }]
}

fn cannot_write(error: &ExportError) -> Effect {
    Effect::fail("Cannot write the file", error.to_string(), "")
}

/// Writes something to a file.
pub(super) fn export(state: &State, what: Export, file: PathBuf) -> Vec<Effect> {
    let present = || Arc::clone(state.document.document().present());
    // The measured trace where there is one.
    let trace = || state.measured_trace().unwrap_or_else(|| Arc::clone(&present().trace));
    let draw = |panel, format| {
        let file = file.clone();
        Effect::Draw { panel, file, format }
    };
    vec![match what {
        Export::BoardPng => draw(board::INFO, PictureFormat::Png),
        Export::BoardSvg => draw(board::INFO, PictureFormat::Svg),
        Export::TimelinePng => draw(timeline::INFO, PictureFormat::Png),
        Export::TimelineSvg => draw(timeline::INFO, PictureFormat::Svg),
        Export::Events => Effect::Write(file, Data::Trace(trace(), data::events_csv)),
        Export::Memory => Effect::Write(file, Data::Trace(trace(), data::memory_csv)),
        Export::Json => Effect::Write(file, Data::Trace(trace(), data::trace_json)),
        Export::Perfetto => Effect::Write(file, Data::Trace(trace(), perfetto::write)),
        Export::Prediction => Effect::Write(file, Data::Prediction(present())),
        Export::Stages => Effect::Write(file, Data::Stages(present())),
    }]
}
