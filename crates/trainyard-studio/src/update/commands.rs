//! Meaning of the commands.

use std::path::{Path, PathBuf};

use super::planning::plan;
use super::{opening, programs, saving, training};
use crate::command::{Command, Facts};
use crate::document::Document;
use crate::effect::Effect;
use crate::event::Purpose;
use crate::export::{Shell, Training, command_line};
use crate::message::{Dialog, DocumentMessage, PreferencesMessage, RunMessage, ViewMessage};
use crate::open::RUN_FILE;
use crate::panels::plans;
use crate::persistence::Settings;
use crate::run_file::sets;
use crate::state::State;

/// Translates a command. One that is unavailable only says why.
pub(crate) fn perform(state: &State, facts: &Facts, command: Command) -> Vec<Effect> {
    if let Some(why) = command.unavailable(facts) {
        let name = command.spec().name;
        return vec![Effect::set_status(format!("{name} is unavailable: {why}"))];
    }
    // A menu that is open would lie over what comes.
    let mut effects = vec![Effect::set_status(command.done(facts)), Effect::CloseMenus];
    effects.extend(means(state, command));
    effects
}

fn means(state: &State, command: Command) -> Vec<Effect> {
    match command {
        Command::Open | Command::OpenRecent => ask_for_path(Purpose::Open, PathBuf::new()),
        Command::OpenExample => open_example(),
        Command::SavePlan => saving::save(state),
        Command::SavePlanAs => ask_for_path(Purpose::SavePlan, state.document.plan_file()),
        Command::CopyCommandLine => copy_command_line(state),
        Command::Export(what) => {
            let file = state.document.folder().join(what.file_name());
            ask_for_path(Purpose::Export(what), file)
        }
        Command::AllSteps => opening::all_steps(state),
        Command::CloseTrace => {
            vec![ViewMessage::CloseTrace.into(), Effect::set_status("The trace is closed")]
        }
        Command::Quit => vec![Effect::CloseWindow],
        Command::Undo => vec![DocumentMessage::Undo.into()],
        Command::Redo => vec![DocumentMessage::Redo.into()],
        Command::AutoPlan => {
            let mut effects = vec![PreferencesMessage::Reveal(plans::INFO.id).into()];
            effects.extend(plan(state));
            effects
        }
        Command::UseMyDevices => {
            let mut effects = vec![open(Dialog::MyDevices)];
            effects.extend(training::look_for_devices(state));
            effects
        }
        Command::Measure => programs::measure(state, false),
        Command::MeasureAnew => programs::measure(state, true),
        Command::Calibrate => training::calibrate(state),
        Command::Run => programs::train(state),
        Command::Stop => vec![RunMessage::Stop.into()],
        Command::Resume => programs::resume(state),
        Command::FitTimeline | Command::FollowNewest => vec![Effect::InPanels(command)],
        Command::Toggle(panel) => vec![PreferencesMessage::Toggle(panel.id).into()],
        Command::ResetLayout => vec![PreferencesMessage::ResetLayout.into()],
        Command::Theme(theme) => set(state, |settings| settings.theme = theme),
        Command::ZoomIn => set(state, |settings| settings.zoom_by(1.0)),
        Command::ZoomOut => set(state, |settings| settings.zoom_by(-1.0)),
        Command::ZoomReset => set(state, |settings| settings.zoom = 1.0),
        Command::Palette => vec![open(Dialog::Palette)],
        Command::Welcome => vec![ViewMessage::Welcome(!state.view.welcome()).into()],
        Command::Help => vec![open(Dialog::Help)],
        Command::Settings => vec![open(Dialog::Settings)],
        Command::About => vec![open(Dialog::About)],
    }
}

fn open(dialog: Dialog) -> Effect {
    ViewMessage::OpenDialog(dialog).into()
}

fn ask_for_path(purpose: Purpose, path: PathBuf) -> Vec<Effect> {
    vec![open(Dialog::Path { purpose, path })]
}

fn set(state: &State, change: impl FnOnce(&mut Settings)) -> Vec<Effect> {
    let mut settings = state.preferences.settings().clone();
    change(&mut settings);
    vec![PreferencesMessage::Set(settings).into()]
}

fn open_example() -> Vec<Effect> {
    match Document::example() {
        Ok(document) => {
            let mut effects = opening::open_document(Box::new(document), true);
            effects.push(Effect::set_status("The example is open"));
            effects
        }
        Err(error) => vec![Effect::fail("Cannot open the example", error.to_string(), "")],
    }
}

fn copy_command_line(state: &State) -> Vec<Effect> {
    let document = state.document.document();
    let plan = state.document.plan_file();
    let training = Training {
        program: Path::new("trainyard"),
        run_file: document.run_file.as_deref().unwrap_or_else(|| Path::new(RUN_FILE)),
        plan: Some(&plan),
        sets: &sets(document),
    };
    let saved = document.file.is_some() && !document.is_changed();
    let words = match (document.run_file.is_some(), saved) {
        (false, _) => "Copied; put your run file in the place of run.toml",
        (true, false) => "Copied; save the plan before you run it",
        (true, true) => "Copied",
    };
    vec![Effect::Copy(command_line(Shell::of_system(), training)), Effect::set_status(words)]
}
