//! Which program is started for a run file.
//!
//! That is the one of the settings, of `TRAINYARD_PROGRAM` or beside the studio. A run file may name
//! another one, which is started only after a person has seen its path and allowed it: opening a
//! stranger's file executes nothing of theirs. The answer holds for this run file and for the
//! program as it is.

use std::path::{Path, PathBuf};

use super::{opening, training};
use crate::effect::Effect;
use crate::error_dialog::ErrorDialog;
use crate::event::{Aim, Inspected};
use crate::message::{Dialog, PreferencesMessage, ViewMessage};
use crate::panels::fine_tune;
use crate::paths::short_name;
use crate::persistence::ProgramAnswer;
use crate::run::Program;
use crate::state::State;

/// Looks which program a run file names, before one is started for it.
pub(super) fn inspect(run_file: PathBuf, aim: Aim) -> Vec<Effect> {
    vec![Effect::Inspect { run_file, aim }]
}

/// Measures what the layers of the document's run file cost; `anew` also where that is known.
pub(super) fn measure(state: &State, anew: bool) -> Vec<Effect> {
    let run_file = state.document.document().run_file.clone();
    let aim = Aim::Measure { anew, replace: false };
    run_file.map(|run_file| inspect(run_file, aim)).unwrap_or_default()
}

/// Measures as [`measure`] does, after a person has agreed that the profile beside the run file is
/// replaced.
pub(super) fn replace_profile(run_file: PathBuf, anew: bool) -> Vec<Effect> {
    let mut effects = vec![ViewMessage::CloseDialog.into()];
    effects.extend(inspect(run_file, Aim::Measure { anew, replace: true }));
    effects
}

/// Trains the document's plan.
pub(super) fn train(state: &State) -> Vec<Effect> {
    let document = state.document.document();
    let Some(run_file) = document.run_file.clone() else {
        if document.model.is_some() {
            let words = "Say in the Fine-tune panel what it is to learn from, and start it there";
            return vec![
                PreferencesMessage::Reveal(fine_tune::INFO.id).into(),
                Effect::set_status(words),
            ];
        }
        return vec![ViewMessage::OpenDialog(Dialog::NoRunFile).into()];
    };
    if let Some(words) = document.present().shortage() {
        return vec![Effect::fail(
            "The plan does not fit",
            words,
            "Move layers to another device, recompute a stage, or let Auto-plan find a split.",
        )];
    }
    inspect(run_file, Aim::Train)
}

/// Goes on with the run that is watched.
pub(super) fn resume(state: &State) -> Vec<Effect> {
    let directory = state.run.session().map(|session| session.directory().to_owned());
    match (state.run.run_file(), directory) {
        (Some(run_file), Some(directory)) => inspect(run_file, Aim::Resume(directory)),
        _ => Vec::new(),
    }
}

/// Starts a program for a run file that was looked at, or asks first.
pub(super) fn inspected(state: &State, inspected: Inspected) -> Vec<Effect> {
    let Inspected { run_file, aim, named } = &inspected;
    let (notice, program) = match named {
        None => (None, None),
        Some(Err(words)) => (Some(words.clone()), None),
        Some(Ok(named)) => {
            let path = named.program.path().display();
            match state.preferences.programs().of(run_file, &named.fingerprint) {
                Some(true) => (None, Some(named.program.clone())),
                Some(false) => (Some(format!("{path} was not allowed")), None),
                None => {
                    let dialog = Dialog::Program(Box::new(inspected));
                    return vec![ViewMessage::OpenDialog(dialog).into()];
                }
            }
        }
    };
    let program = match program.map_or_else(|| default_program(state, run_file, aim), Ok) {
        Ok(program) => program,
        Err(effects) => return effects,
    };
    let notice = notice.map(|notice| {
        let (file, used) = (short_name(run_file), program.path().display());
        format!("{file} names a program of its own, but {notice}; {used} is used")
    });
    training::start(state, program, run_file, aim, notice)
}

/// The program that trains unless a run file names another, or why there is none.
fn default_program(state: &State, run_file: &Path, aim: &Aim) -> Result<Program, Vec<Effect>> {
    let missing = match state.run.program() {
        Ok(program) => return Ok(program.clone()),
        Err(missing) => missing,
    };
    Err(match aim {
        Aim::Estimate { .. } => {
            let name = short_name(run_file);
            let dialog = ErrorDialog::new(
                format!("Cannot open {name}"),
                format!(
                    "{} has no profile.json beside it, and what its layers cost is found out by a \
                     program that is not there: {missing}.",
                    run_file.display()
                ),
                "Say in Settings where trainyard is; or run “trainyard measure” on the run file \
                 and open the profile that it writes.",
            );
            opening::not_opened(name, dialog).into()
        }
        _ => vec![Effect::fail(
            "The program trainyard is missing",
            missing.to_string(),
            "Planning works without it. Settings say where it is.",
        )],
    })
}

/// Remembers what a person said of the program that a run file names, and goes on.
pub(super) fn answered(question: &Inspected, allowed: bool) -> Vec<Effect> {
    let Inspected { run_file, aim, named } = question;
    let mut effects = vec![ViewMessage::CloseDialog.into()];
    if let Some(Ok(named)) = named {
        let (run_file, fingerprint) = (run_file.clone(), named.fingerprint.clone());
        let answer = ProgramAnswer { run_file, fingerprint, allowed };
        effects.push(PreferencesMessage::Remember(answer).into());
    }
    // It is looked at again: what is started is what was asked about.
    effects.extend(inspect(run_file.clone(), aim.clone()));
    effects
}
