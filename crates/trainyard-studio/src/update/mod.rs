//! Translates commands and events into messages for the parts of the state, and into effects.
//!
//! Everything here reads the state and changes nothing.

mod chat;
mod closing;
mod commands;
mod export_model;
mod fine_tuning;
mod opening;
mod planning;
mod programs;
mod saving;
mod training;

use crate::effect::Effect;
use crate::event::{Event, Purpose, Then};
use crate::state::State;
pub(crate) use closing::close;
pub(crate) use commands::perform;

/// Translates an event.
pub(crate) fn decide(state: &State, event: Event) -> Vec<Effect> {
    match event {
        Event::Open(path) | Event::PathChosen(Purpose::Open, path) => {
            opening::open(&path, Then::default())
        }
        Event::Read(read) => opening::read(state, *read),
        Event::PathChosen(Purpose::SavePlan, path) => saving::save_plan(state, path),
        Event::PathChosen(Purpose::Export(what), path) => saving::export(state, what, path),
        Event::PathChosen(Purpose::SaveRunFile, path) => fine_tuning::save_run_file(state, path),
        Event::PathChosen(Purpose::FineTuningData, path) => fine_tuning::take_data(state, &path),
        Event::PathChosen(Purpose::ExportModel, path) => export_model::write(state, path),
        Event::ExportModel => export_model::ask(state),
        Event::Talk(talk) => chat::begin(state, talk),
        Event::FineTuning(event) => fine_tuning::decide(state, event),
        Event::Plan => planning::plan(state),
        Event::Inspected(inspected) => programs::inspected(state, *inspected),
        Event::ProgramAnswered { question, allowed } => programs::answered(&question, allowed),
        Event::ReplaceProfile { run_file, anew } => programs::replace_profile(run_file, anew),
        Event::Answered(answered) => training::answered(state, *answered),
        Event::MakeRunFile { directory, text, measure } => {
            training::make_run_file(directory, text, measure)
        }
        Event::TrainSmall => training::train_small(),
        Event::Started { session, run_file, resumed } => {
            training::started(session, run_file, resumed)
        }
        Event::Attached(directory, session) => opening::attached(&directory, session),
        Event::Saved(file, saved) => saving::saved(file, saved),
        Event::Written(file, written) => saving::written(&file, written),
        Event::RunEnded => {
            [training::ended(state), closing::after_run(state)].into_iter().flatten().collect()
        }
        Event::CloseRequested => closing::requested(state),
        Event::CloseOverRun(choice) => closing::over_run(state, choice),
        Event::CloseUnsaved(answer) => closing::unsaved(state, answer),
    }
}
