//! The fine-tuning of a pretrained model: what it needs, what it sees, and its start.

use std::path::{Path, PathBuf};

use tempfile::TempDir;
use trainyard_plan::TableColumns;
use trainyard_plan::fit::Fit;

use super::{opening, training};
use crate::document::{Document, Edit};
use crate::effect::{Data, Effect, Inquire};
use crate::error_dialog::{DOES_NOT_FIT, ErrorDialog};
use crate::event::{Aim, Event, FineTuningEvent, Question, Then};
use crate::fine_tuning::{Field, Form, Preview, Sizes, Wrong, of_program};
use crate::message::{DocumentMessage, FineTuningMessage, PreferencesMessage, ViewMessage};
use crate::open::{self, PROFILE, RUN_FILE};
use crate::panels::fine_tune;
use crate::paths::{home, short_name};
use crate::run::{End, Program, TaskEnd};
use crate::run_file::{free_directory, has_run_file};
use crate::state::State;

/// How many samples are shown.
const SAMPLES: &str = "4";

/// Translates an event.
pub(super) fn decide(state: &State, event: FineTuningEvent) -> Vec<Effect> {
    match event {
        FineTuningEvent::Estimate(sizes) => {
            // The board may show something else by now.
            let is_open = state.document.document().model.as_ref() == Some(&sizes.model);
            if is_open { estimate(state, sizes, false) } else { Vec::new() }
        }
        FineTuningEvent::Devices => training::look_for_devices(state),
        FineTuningEvent::Columns(table) => columns(state, table),
        FineTuningEvent::Preview => preview(state, false),
        FineTuningEvent::Start => start(state),
        FineTuningEvent::NextFolder => next_folder(state),
    }
}

/// Opens a pretrained model: what training it would need, on this machine's devices.
pub(super) fn open(state: &State, model: &Path) -> Vec<Effect> {
    let mut form = state.fine_tuning.form().clone();
    form.model = model.to_string_lossy().into_owned();
    if form.folder.trim().is_empty() || has_run_file(Path::new(form.folder.trim())) {
        form.folder = suggested_folder(model).display().to_string();
    }
    // What cannot be read of the form is mended in it; the model is shown all the same.
    let sizes = form.sizes().or_else(|_| {
        let model = form.model.clone();
        Form { model, ..Form::default() }.sizes()
    });
    let mut effects = vec![
        Effect::set_status(""),
        FineTuningMessage::Set(Box::new(form)).into(),
        PreferencesMessage::Reveal(fine_tune::INFO.id).into(),
    ];
    effects.extend(sizes.map(|sizes| estimate(state, sizes, true)).unwrap_or_default());
    // They are what one chooses from.
    if state.run.program().is_ok() && state.jobs.devices().is_none() {
        effects.extend(training::look_for_devices(state));
    }
    effects
}

/// A folder for a run of a model.
fn suggested_folder(model: &Path) -> PathBuf {
    let name = model.file_stem().unwrap_or_default().to_string_lossy();
    let name = if name.is_empty() { "fine-tuned".into() } else { name };
    free_directory(&home().join("trainyard"), &name)
}

fn program(state: &State) -> Result<Program, Vec<Effect>> {
    state.run.program().cloned().map_err(|missing| {
        vec![Effect::fail(
            "The program trainyard is missing",
            missing.to_string(),
            "Settings say where it is.",
        )]
    })
}

fn folder() -> Result<TempDir, Vec<Effect>> {
    TempDir::with_prefix("trainyard-studio-").map_err(|error| {
        vec![Effect::fail(
            "Cannot ask trainyard",
            format!("no folder for temporary files can be made: {error}"),
            "Free some space, or let TMPDIR name a folder that you may write to.",
        )]
    })
}

/// Has the program say what a training needs. `opens` says whether the model is opened by it.
fn estimate(state: &State, sizes: Sizes, opens: bool) -> Vec<Effect> {
    let program = match (state.run.program(), opens) {
        (Ok(program), _) => program.clone(),
        (Err(missing), true) => {
            let name = short_name(&sizes.model);
            let dialog = ErrorDialog::new(
                format!("Cannot open {name}"),
                format!(
                    "{} is a pretrained model; what it needs is worked out by a program that is not there: \
                     {missing}.",
                    sizes.model.display()
                ),
                "Say in Settings where trainyard is.",
            );
            return opening::not_opened(name, dialog).into();
        }
        (Err(_), false) => return Vec::new(),
    };
    let folder = match folder() {
        Ok(folder) => folder,
        Err(effects) => return effects,
    };
    let profile = folder.path().join(PROFILE);
    let run_file = folder.path().join(RUN_FILE);
    let arguments = sizes.arguments(&run_file, &profile);
    let file = sizes.run_file().map(|text| (run_file, text));
    vec![
        FineTuningMessage::Estimating(sizes.clone()).into(),
        Effect::Ask(Box::new(Inquire {
            program,
            what: "Estimating what the model needs",
            arguments,
            question: Question::Fit { sizes, profile, opens },
            folder: Some(folder),
            file,
        })),
    ]
}

/// Follow-up of an estimate.
pub(super) fn estimated(
    state: &State,
    sizes: Sizes,
    (profile, opens): (PathBuf, bool),
    (end, folder): (TaskEnd, Option<TempDir>),
) -> Vec<Effect> {
    let not_estimated = |why| Effect::from(FineTuningMessage::NotEstimated(why));
    let in_words = |words: &str| Wrong { field: None, words: words.to_owned() };
    let answer = match end {
        TaskEnd::Cancelled => return vec![not_estimated(in_words("The estimate was cancelled"))],
        TaskEnd::Done(answer) => answer,
        // By how much is what one wants to know.
        TaskEnd::Failed(end) if end.exit == DOES_NOT_FIT => end.output,
        TaskEnd::Failed(end) => {
            let wrong = of_program(&end, "");
            if opens && sizes.context.is_some() && wrong.field == Some(Field::Context) {
                // It is shown with its own; what is written is refused beside its field then.
                return estimate(state, Sizes { context: None, ..sizes }, true);
            }
            let mut effects = vec![not_estimated(wrong)];
            if opens {
                effects.extend(not_opened(&sizes.model, &end));
            }
            return effects;
        }
    };
    let fit = match serde_json::from_slice::<Fit>(&answer) {
        Ok(fit) if (fit.format.as_str(), fit.version) == (Fit::FORMAT, Fit::VERSION) => fit,
        _ => {
            let words =
                "`trainyard fit` did not say what the model needs in a way that is known here";
            let remedy = "Use a trainyard of the studio's own version.";
            let title = format!("Cannot open {}", short_name(&sizes.model));
            return vec![not_estimated(in_words(words)), Effect::fail(title, words, remedy)];
        }
    };
    let read = Box::new(move |model: &Path| {
        let opened = open::model_with(model, &profile);
        // It is deleted with this, and not before.
        drop(folder);
        opened
    });
    let mut effects = vec![FineTuningMessage::Estimated(Box::new(fit)).into()];
    effects.extend(opening::open_with(&sizes.model, read, Then::default()));
    effects
}

fn not_opened(model: &Path, end: &End) -> [Effect; 3] {
    let name = short_name(model);
    let reason = end.reason().unwrap_or_else(|| end.to_string());
    let remedy = "In a terminal it says more: trainyard inspect, and trainyard fit";
    let dialog = ErrorDialog::new(format!("Cannot open {name}"), reason, remedy);
    opening::not_opened(name, dialog)
}

/// Puts a model on the board. Of the model that lies there already, with other sizes, what a person arranged
/// stays, where that is possible.
pub(super) fn put_on_board(state: &State, name: &str, mut document: Box<Document>) -> Vec<Effect> {
    let ours = state.document.document();
    if ours.model != document.model {
        let mut effects = opening::open_document(document, false);
        effects.extend(opening::opened(name));
        effects.push(FineTuningMessage::OnBoard.into());
        return effects;
    }
    let mut effects = Vec::new();
    if ours.is_changed() {
        let arrangement = crate::document::Arrangement {
            micro_batches: document.profile().micro_batches,
            made: None,
            ..ours.arrangement().clone()
        };
        let what = "what was arranged before".to_owned();
        let edit = Edit::Take { what, arrangement: Box::new(arrangement) };
        if let Err(refusal) = document.edit(&edit) {
            let words = format!(
                "The layers are arranged anew, as what was arranged is refused: {}",
                refusal.0
            );
            effects.push(Effect::set_status(words));
        }
    }
    effects.insert(0, DocumentMessage::Reprofiled(document).into());
    effects.push(FineTuningMessage::OnBoard.into());
    effects
}

/// Has the program list the columns of a table. While its path is being written there is nothing yet.
fn columns(state: &State, table: String) -> Vec<Effect> {
    let is_there = Path::new(&table).exists() || table.contains(['*', '?', '[']);
    let Some(program) = state.run.program().ok().filter(|_| is_there) else { return Vec::new() };
    let arguments = vec!["columns".into(), "--json".into(), "--".into(), table.clone().into()];
    vec![
        FineTuningMessage::Looking(table).into(),
        Effect::Ask(Box::new(Inquire {
            program: program.clone(),
            what: "Looking at the table",
            arguments,
            question: Question::Columns,
            folder: None,
            file: None,
        })),
    ]
}

/// Follow-up of a look at a table.
pub(super) fn looked(end: TaskEnd) -> Vec<Effect> {
    let is_known = |it: &TableColumns| {
        (it.format.as_str(), it.version) == (TableColumns::FORMAT, TableColumns::VERSION)
    };
    let columns = match end {
        TaskEnd::Cancelled => Err("looking at it was cancelled".to_owned()),
        TaskEnd::Failed(end) => Err(end.reason().unwrap_or_else(|| end.to_string())),
        TaskEnd::Done(answer) => serde_json::from_slice(&answer)
            .ok()
            .filter(is_known)
            .map(|it: TableColumns| it.columns)
            .ok_or("`trainyard columns` did not list columns in a way that is known here".into()),
    };
    vec![FineTuningMessage::Columns(columns).into()]
}

/// Has the program show the first samples. `starts` says whether the training begins if that goes well.
fn preview(state: &State, starts: bool) -> Vec<Effect> {
    let Ok(text) = state.fine_tuning_preview_file() else { return Vec::new() };
    let (program, folder) = match program(state).and_then(|it| Ok((it, folder()?))) {
        Ok(both) => both,
        Err(effects) => return effects,
    };
    let file = folder.path().join(RUN_FILE);
    let arguments = vec![
        "preview".into(),
        file.clone().into(),
        "--json".into(),
        "--samples".into(),
        SAMPLES.into(),
    ];
    vec![
        FineTuningMessage::Previewing(text.clone()).into(),
        Effect::Ask(Box::new(Inquire {
            program,
            what: "Reading the first samples",
            arguments,
            question: Question::Preview { starts },
            folder: Some(folder),
            file: Some((file, text)),
        })),
    ]
}

/// Follow-up of a preview.
pub(super) fn previewed(state: &State, end: TaskEnd, starts: bool) -> Vec<Effect> {
    vec![match end {
        TaskEnd::Cancelled => FineTuningMessage::Previewed(None).into(),
        TaskEnd::Done(answer) => match Preview::of_json(&answer) {
            Ok(preview) => {
                let mut effects: Vec<Effect> =
                    vec![FineTuningMessage::Previewed(Some(preview)).into()];
                if starts {
                    effects.push(Event::FineTuning(FineTuningEvent::Start).into());
                }
                return effects;
            }
            Err(words) => FineTuningMessage::Refused(Wrong { field: None, words }).into(),
        },
        TaskEnd::Failed(end) => {
            let data = state.fine_tuning.form().data.trim();
            FineTuningMessage::Refused(of_program(&end, data)).into()
        }
    }]
}

/// Writes the run file into its folder and trains it; but first the program has to read its data, so that
/// nothing is written of what cannot be trained.
fn start(state: &State) -> Vec<Effect> {
    let Ok(text) = state.fine_tuning_run_file() else { return Vec::new() };
    let previewed = state.fine_tuning_preview_file().ok();
    let of = state.fine_tuning.preview().map(|(of, _)| of.to_owned());
    if of.is_none() || of != previewed {
        return preview(state, true);
    }
    let directory = PathBuf::from(state.fine_tuning.form().folder.trim());
    let directory = std::path::absolute(&directory).unwrap_or(directory);
    let aim = Aim::Estimate { then_run: true, beside: true };
    vec![
        Effect::WriteRunFile { directory, text, aim },
        Event::FineTuning(FineTuningEvent::NextFolder).into(),
    ]
}

/// Names another folder for the next one.
fn next_folder(state: &State) -> Vec<Effect> {
    let mut form = state.fine_tuning.form().clone();
    let folder = Path::new(form.folder.trim());
    if !has_run_file(folder) {
        return Vec::new();
    }
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let next = free_directory(folder.parent().unwrap_or(folder), &name);
    form.folder = next.display().to_string();
    vec![FineTuningMessage::Set(Box::new(form)).into()]
}

/// Writes the run file to a file.
pub(super) fn save_run_file(state: &State, file: PathBuf) -> Vec<Effect> {
    let Ok(text) = state.fine_tuning_run_file() else { return Vec::new() };
    vec![Effect::Write(file, Data::Text(text))]
}

/// Takes a file or folder as what is learned from.
pub(super) fn take_data(state: &State, path: &Path) -> Vec<Effect> {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut form = state.fine_tuning.form().clone();
    form.data = path.to_string_lossy().into_owned();
    vec![ViewMessage::CloseDialog.into(), FineTuningMessage::Set(Box::new(form)).into()]
}
