//! Requests to the program `trainyard`: devices, costs, trainings.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::{export_model, fine_tuning, opening};
use crate::command::Command;
use crate::effect::{Effect, Inquire, Reader, Train};
use crate::error_dialog::{DOES_NOT_FIT, ErrorDialog};
use crate::event::{Aim, Answered, Question, Then};
use crate::export::{Shell, on_run_file};
use crate::message::{
    Dialog, DocumentMessage, FirstStep, JobsMessage, PreferencesMessage, RunMessage, ViewMessage,
};
use crate::open::{self, PLAN, PROFILE};
use crate::panels::run as run_panel;
use crate::paths::{home, short_name};
use crate::run::{self, End, Phase, Program, Session, SessionError, TaskEnd};
use crate::run_file;
use crate::state::State;

/// Number of steps to calibrate with.
const CALIBRATED_STEPS: usize = 50;

/// Start of the output of `trainyard measure` where it reused an earlier measurement.
const KNOWN: &[u8] = b"measured before";

/// Starts a program for a run file. `notice` is what a person should know of it.
pub(super) fn start(
    state: &State,
    program: Program,
    run_file: &Path,
    aim: &Aim,
    notice: Option<String>,
) -> Vec<Effect> {
    let effect = match aim {
        Aim::Estimate { then_run, beside } => {
            let then = Then { run: *then_run, notice };
            return estimate(program, run_file, *beside, then);
        }
        Aim::Measure { anew, replace } => {
            let (anew, replace) = (*anew, *replace);
            if !replace && run_file.with_file_name(PROFILE).exists() {
                let dialog = Dialog::ReplaceProfile { run_file: run_file.to_owned(), anew };
                return vec![ViewMessage::OpenDialog(dialog).into()];
            }
            let then = Then { run: false, notice };
            return vec![measure(program, run_file, (anew, replace), then)];
        }
        Aim::Train => {
            let document = state.document.document();
            let (plan, sets) = (document.present().plan.clone(), run_file::sets(document));
            let run_file = run_file.to_owned();
            Effect::Train(Box::new(Train { program, run_file, plan, sets }))
        }
        Aim::Resume(directory) => Effect::Resume { program, directory: directory.clone() },
        Aim::Talk(talk) => Effect::Talk { program, talk: talk.clone() },
    };
    std::iter::once(effect).chain(notice.map(Effect::set_status)).collect()
}

/// Lists what this machine has.
pub(super) fn look_for_devices(state: &State) -> Vec<Effect> {
    match state.run.program() {
        Ok(program) => vec![Effect::Ask(Box::new(Inquire {
            program: program.clone(),
            what: "Looking for devices",
            arguments: vec!["devices".into(), "--json".into()],
            question: Question::Devices,
            folder: None,
            file: None,
        }))],
        Err(missing) => vec![Effect::fail(
            "The program trainyard is missing",
            missing.to_string(),
            "Planning works without it. Settings say where it is.",
        )],
    }
}

/// Measures what the layers of a run file cost, into the profile beside it. One that is there, and
/// that a person may have edited, the program replaces only if it is told to.
fn measure(program: Program, run_file: &Path, (anew, replace): (bool, bool), then: Then) -> Effect {
    let profile = run_file.with_file_name(PROFILE);
    let mut arguments: Vec<OsString> =
        vec!["measure".into(), run_file.into(), "-o".into(), profile.clone().into()];
    if anew {
        arguments.push("--refresh".into());
    }
    if replace {
        arguments.push("--force".into());
    }
    Effect::Ask(Box::new(Inquire {
        program,
        what: "Measuring the layers on the devices",
        arguments,
        question: Question::Costs { run_file: run_file.to_owned(), profile, measured: true, then },
        folder: None,
        file: None,
    }))
}

/// Works the costs of a run file out from how fast its devices are. Nothing is written beside a
/// file that was merely opened: the profile and the plan, which `trainyard plan` would write there,
/// go to a folder of their own. Beside a run file of the studio's own they are kept, but never in
/// the place of what is there: the program is not told to replace anything.
fn estimate(program: Program, run_file: &Path, beside: bool, then: Then) -> Vec<Effect> {
    let kept = [PROFILE, PLAN].map(|name| run_file.with_file_name(name));
    let ([profile, plan], folder) = if beside && kept.iter().all(|file| !file.exists()) {
        (kept, None)
    } else {
        match TempDir::with_prefix("trainyard-studio-") {
            Ok(folder) => ([PROFILE, PLAN].map(|name| folder.path().join(name)), Some(folder)),
            Err(error) => {
                return vec![Effect::fail(
                    "Cannot estimate what the layers cost",
                    format!("no folder for temporary files can be made: {error}"),
                    "Free some space, or let TMPDIR name a folder that you may write to.",
                )];
            }
        }
    };
    let arguments = vec![
        "plan".into(),
        run_file.into(),
        "--save-profile".into(),
        profile.clone().into(),
        "-o".into(),
        plan.into(),
    ];
    vec![Effect::Ask(Box::new(Inquire {
        program,
        what: "Estimating what the layers cost",
        arguments,
        question: Question::Costs { run_file: run_file.to_owned(), profile, measured: false, then },
        folder,
        file: None,
    }))]
}

/// Follow-up of a program's answer.
pub(super) fn answered(state: &State, answered: Answered) -> Vec<Effect> {
    let Answered { what, question, end, folder } = answered;
    match (end, question) {
        (end, Question::Fit { sizes, profile, opens }) => {
            fine_tuning::estimated(state, sizes, (profile, opens), (end, folder))
        }
        (end, Question::Export(path)) => export_model::written(&end, &path),
        (end, Question::Columns) => fine_tuning::looked(end),
        (end, Question::Preview { starts }) => fine_tuning::previewed(state, end, starts),
        (TaskEnd::Cancelled, _) => vec![Effect::set_status(format!("{what}: cancelled"))],
        (TaskEnd::Failed(end), Question::Devices) => {
            let remedy = "In a terminal it says more: trainyard devices";
            let failed = Effect::fail(format!("{what} failed"), end.to_string(), remedy);
            vec![ViewMessage::CloseDialog.into(), failed]
        }
        (TaskEnd::Failed(end), Question::Costs { run_file, profile, measured, then }) => {
            let mut effects = no_costs(state, &what, &run_file, measured, &end);
            // The costs are known all the same: the board shows by how much it does not fit.
            if end.exit == DOES_NOT_FIT {
                let then = Then { run: false, ..then };
                effects.extend(take_costs(state, &run_file, profile, folder, (measured, then)));
            }
            effects
        }
        (TaskEnd::Done(answer), Question::Devices) => match run::devices(&answer) {
            Ok(list) => vec![JobsMessage::Devices(Box::new(list)).into()],
            Err(words) => {
                let remedy = "Use a trainyard of the studio's own version.";
                let failed = Effect::fail("Cannot list the devices", words, remedy);
                vec![ViewMessage::CloseDialog.into(), failed]
            }
        },
        (TaskEnd::Done(answer), Question::Costs { run_file, profile, measured, then }) => {
            let mut effects = take_costs(state, &run_file, profile, folder, (measured, then));
            if answer.starts_with(KNOWN) {
                let anew = Command::MeasureAnew.spec().name;
                let words = format!("These times were measured before; {anew} measures again");
                effects.push(Effect::set_status(words));
            }
            effects
        }
    }
}

/// Says why the costs of a run file were not found out. One that was to be opened by them is not
/// open.
fn no_costs(state: &State, what: &str, run_file: &Path, measured: bool, end: &End) -> Vec<Effect> {
    let command = if measured { "measure" } else { "plan" };
    let line = on_run_file(Shell::of_system(), Path::new("trainyard"), command, run_file);
    let mut effects = vec![ViewMessage::CloseDialog.into()];
    let is_open = state.document.document().run_file.as_deref() == Some(run_file);
    if measured && is_open {
        let remedy = format!("In a terminal it says more: {line}");
        effects.push(Effect::fail(format!("{what} failed"), end.to_string(), remedy));
    } else {
        let name = short_name(run_file);
        let dialog = ErrorDialog::of_run_file(&name, end, &line);
        effects.extend(opening::not_opened(name, dialog));
    }
    effects
}

/// Takes a profile that was measured or estimated for a run file.
fn take_costs(
    state: &State,
    run_file: &Path,
    profile: PathBuf,
    folder: Option<TempDir>,
    (measured, then): (bool, Then),
) -> Vec<Effect> {
    let ours = state.document.document();
    let same = ours.run_file.as_deref() == Some(run_file) && !then.run;
    let profiled = same.then(|| open::read_profile(&profile).ok()).flatten().and_then(|profile| {
        let mut document = ours.clone();
        document.set_profile(profile).is_ok().then_some(document)
    });
    if let Some(document) = profiled {
        let mut effects = vec![DocumentMessage::Reprofiled(Box::new(document)).into()];
        if measured {
            effects.push(Effect::set_status("The measured times are the profile now"));
        } else {
            effects.extend(opening::opened(&short_name(run_file)));
        }
        effects.extend(then.notice.map(Effect::set_status));
        return effects;
    }
    let read: Reader = Box::new(move |run_file| {
        let opened = open::run_file_with(run_file, &profile);
        // It is deleted with this, and not before.
        drop(folder);
        opened
    });
    opening::open_with(run_file, read, then)
}

/// Writes a run file into a directory of its own and finds out what its layers cost.
pub(super) fn make_run_file(directory: PathBuf, text: String, measure: bool) -> Vec<Effect> {
    let aim = if measure {
        Aim::Measure { anew: false, replace: false }
    } else {
        Aim::Estimate { then_run: false, beside: true }
    };
    vec![ViewMessage::CloseDialog.into(), Effect::WriteRunFile { directory, text, aim }]
}

/// The small training on the CPU, for those who have no run file.
pub(super) fn train_small() -> Vec<Effect> {
    let directory = run_file::free_directory(&home().join("trainyard"), "first-run");
    let aim = Aim::Estimate { then_run: true, beside: true };
    let text = run_file::on_the_cpu();
    vec![ViewMessage::CloseDialog.into(), Effect::WriteRunFile { directory, text, aim }]
}

/// Watches a training that was started, or says why it was not.
pub(super) fn started(
    session: Result<Box<Session>, SessionError>,
    run_file: Option<PathBuf>,
    resumed: bool,
) -> Vec<Effect> {
    match session {
        Ok(session) => {
            let directory = session.directory().to_owned();
            let mut effects = vec![
                Effect::set_status(format!("Training in {}", directory.display())),
                PreferencesMessage::Did(FirstStep::Ran).into(),
                PreferencesMessage::AddRecent(directory).into(),
            ];
            effects.extend(watch(session, run_file, resumed));
            effects
        }
        Err(error) => vec![Effect::fail(
            "Cannot start the training",
            error.to_string(),
            "Settings say which program is started.",
        )],
    }
}

/// Watches a run.
pub(super) fn watch(
    session: Box<Session>,
    run_file: Option<PathBuf>,
    resumed: bool,
) -> Vec<Effect> {
    vec![
        ViewMessage::CloseTrace.into(),
        RunMessage::Watch { session, run_file, resumed }.into(),
        PreferencesMessage::Reveal(run_panel::INFO.id).into(),
    ]
}

/// Says how the run that is watched has ended.
pub(super) fn ended(state: &State) -> Vec<Effect> {
    let Some(session) = state.run.session() else { return Vec::new() };
    let directory = session.directory().display();
    vec![Effect::set_status(match session.status().phase {
        Phase::Finished => format!("The training in {directory} is finished"),
        Phase::Stopped => format!("The training in {directory} has stopped"),
        _ => format!("The training in {directory} has failed"),
    })]
}

/// Takes the times that the run really had as the profile, and plans again.
pub(super) fn calibrate(state: &State) -> Vec<Effect> {
    let Some(session) = state.run.session() else { return Vec::new() };
    let ours = state.document.document();
    let (profile, plan) = match (&session.files().profile, &session.files().plan) {
        (Some(profile), Some(plan)) => (profile.as_ref(), plan.as_ref()),
        _ => (ours.profile().as_ref(), &ours.present().plan),
    };
    let measured = session.state().measured(CALIBRATED_STEPS);
    let mut document = ours.clone();
    let calibrated = trainyard_plan::calibrate(profile, plan, &measured);
    match calibrated.and_then(|profile| document.set_profile(profile)) {
        Ok(()) => vec![
            DocumentMessage::Reprofiled(Box::new(document)).into(),
            Command::AutoPlan.into(),
            Effect::set_status("The times of the run are the profile now; planning again"),
        ],
        Err(error) => vec![Effect::fail(
            "Cannot calibrate",
            error.to_string(),
            "Open the run's own directory, so that its plan is open, and try again.",
        )],
    }
}
