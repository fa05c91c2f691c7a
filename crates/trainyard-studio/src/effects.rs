//! Carries effects out: files, threads, programs, the clipboard, the window.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use eframe::egui::{Context, Popup, ViewportCommand};
use trainyard_plan::{Plan, PlanError};

use crate::background::Job;
use crate::effect::{Data, Effect, Inquire, Reader, Train};
use crate::error_dialog::ErrorDialog;
use crate::event::{Aim, Event, Then};
use crate::export::{ExportError, data, stages, write_atomic, write_with};
use crate::message::{ChatMessage, JobsMessage, Message, PlanningMessage, RunMessage, ViewMessage};
use crate::open::{PLAN, RUN_FILE};
use crate::paths::short_name;
use crate::plan_search::{Search, Terms};
use crate::run::{self, Conversation, Program, Session, Task, Wake, named_program};
use crate::run_file;
use crate::under_way::{Inquiry, Inspection, Reading, Writing};

/// Carries out what needs nothing but the window; what comes of it.
pub(crate) fn carry_out(context: &Context, effect: Effect) -> Vec<Message> {
    match effect {
        Effect::Send(message) => return vec![message],
        Effect::CloseMenus => Popup::close_all(context),
        Effect::Copy(text) => context.copy_text(text),
        Effect::CloseWindow => context.send_viewport_cmd(ViewportCommand::Close),
        Effect::KeepWindow => context.send_viewport_cmd(ViewportCommand::CancelClose),
        Effect::Read { path, what, read: reader, then } => {
            return vec![read(context, path, what, reader, then)];
        }
        Effect::Inspect { run_file, aim } => return vec![inspect(context, run_file, aim)],
        Effect::FindProgram(wish) => {
            return vec![RunMessage::UseProgram(find_program(&wish)).into()];
        }
        Effect::Plan { terms, ask } => {
            let started = Search::start(Terms::clone(&terms), ask, wake(context));
            return vec![match started {
                Ok(search) => PlanningMessage::Started { search, terms: *terms }.into(),
                Err(words) => failed("Cannot plan", words, "Close other programs."),
            }];
        }
        Effect::Ask(inquire) => return vec![ask(context, *inquire)],
        Effect::Train(train) => return vec![start(context, *train)],
        Effect::Resume { program, directory } => {
            let session = Session::resume(&program, &directory, Vec::new(), wake(context));
            let session = session.map(Box::new);
            return vec![Event::Started { session, run_file: None, resumed: true }.into()];
        }
        Effect::Talk { program, talk } => {
            let conversation = Conversation::start(&program, &talk, wake(context));
            return vec![ChatMessage::Began(talk, conversation).into()];
        }
        Effect::Watch(directory) => {
            let session = Session::attach(&directory, wake(context));
            return vec![Event::Attached(directory, session.map(Box::new)).into()];
        }
        Effect::SavePlan(file, plan) => {
            let saved = write_plan(&file, &plan);
            return vec![Event::Saved(file, saved).into()];
        }
        Effect::WriteRunFile { directory, text, aim } => {
            return vec![write_run_file(context, &directory, &text, aim)];
        }
        Effect::Write(file, data) => return vec![write(context, file, data)],
        // These need the panels, which the application has.
        Effect::Draw { .. } | Effect::InPanels(_) => {}
    }
    Vec::new()
}

fn failed(title: impl Into<String>, text: String, remedy: &str) -> Message {
    ViewMessage::Fail(ErrorDialog::new(title, text, remedy)).into()
}

/// Makes the window draw again, from any thread.
fn wake(context: &Context) -> Wake {
    let context = context.clone();
    Arc::new(move || context.request_repaint())
}

/// The program where a person says it is, or else in the usual places.
pub(crate) fn find_program(wish: &str) -> Result<Program, run::ProgramMissing> {
    let wish = wish.trim();
    let wished = (!wish.is_empty())
        .then(|| Program::find_in(None, Some(wish.as_ref()), None))
        .and_then(Result::ok);
    wished.map_or_else(Program::find, Ok)
}

/// Reads a file on a thread of its own.
fn read(context: &Context, path: PathBuf, what: String, read: Reader, then: Then) -> Message {
    let file = path.clone();
    match Job::start(context, what, move || read(&file)) {
        Ok(job) => JobsMessage::Reading(Reading { path, job, then }).into(),
        Err(error) => no_thread(format!("Cannot open {}", short_name(&path)), &error),
    }
}

/// Looks which program a run file names, on a thread of its own: a program can be large.
fn inspect(context: &Context, run_file: PathBuf, aim: Aim) -> Message {
    let (what, file) = (format!("Looking at {}", short_name(&run_file)), run_file.clone());
    match Job::start(context, what, move || named_program(&file)) {
        Ok(job) => JobsMessage::Inspecting(Inspection { run_file, aim, job }).into(),
        Err(error) => no_thread(format!("Cannot read {}", short_name(&run_file)), &error),
    }
}

fn no_thread(title: String, error: &io::Error) -> Message {
    failed(title, error.to_string(), "Close other programs and try again.")
}

fn ask(context: &Context, inquire: Inquire) -> Message {
    let Inquire { program, what, arguments, question, folder, file } = inquire;
    if let Some((file, text)) = file
        && let Err(error) = write_atomic(&file, text.as_bytes())
    {
        let remedy = "Free some space, or let TMPDIR name a folder that you may write to.";
        return failed("Cannot write a temporary file", error.to_string(), remedy);
    }
    match Task::start(&program, what, arguments, None, wake(context)) {
        Ok(task) => JobsMessage::Asked(Inquiry { task, question, folder }).into(),
        Err(error) => failed(
            "Cannot start trainyard",
            format!("{}: {error}", program.path().display()),
            "Settings say which program is started.",
        ),
    }
}

/// Starts a training in a new run directory beside its run file.
fn start(context: &Context, train: Train) -> Message {
    let Train { program, run_file, plan, sets } = train;
    let directory = run_directory(&run_file);
    let file = directory.join(PLAN);
    let written = make_folder(&directory)
        .and_then(|()| write_plan(&file, &plan).map_err(|error| error.to_string()));
    if let Err(words) = written {
        let remedy = "Look whether the folder of the run file may be written to.";
        return failed("Cannot write the plan", words, remedy);
    }
    let session = Session::start(&program, &run_file, Some(&file), &directory, sets, wake(context));
    let (session, run_file) = (session.map(Box::new), Some(run_file));
    Event::Started { session, run_file, resumed: false }.into()
}

fn write_plan(file: &Path, plan: &Plan) -> Result<(), ExportError> {
    write_with(file, |out| Ok(serde_json::to_writer_pretty(out, plan)?))
}

fn write_run_file(context: &Context, directory: &Path, text: &str, aim: Aim) -> Message {
    let file = directory.join(RUN_FILE);
    let written = make_folder(directory)
        .and_then(|()| write_atomic(&file, text.as_bytes()).map_err(|error| error.to_string()));
    match written {
        Ok(()) => inspect(context, file, aim),
        Err(words) => {
            failed("Cannot write the run file", words, "Name a folder that you may write to.")
        }
    }
}

fn make_folder(folder: &Path) -> Result<(), String> {
    fs::create_dir_all(folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))
}

/// The first free run directory for a run file. One that lies in a run directory, as every run
/// keeps its own, gets a directory beside that.
fn run_directory(run_file: &Path) -> PathBuf {
    let folder = run_file.parent().unwrap_or_else(|| Path::new("."));
    if run::is_run(folder) {
        let name = folder.file_name().map_or("run".into(), |name| name.to_string_lossy());
        return run_file::free_directory(folder.parent().unwrap_or(folder), &name);
    }
    let name = run_file.file_stem().map_or("run".into(), |name| name.to_string_lossy());
    run_file::free_directory(&folder.join("runs"), &name)
}

/// Writes data: a trace, of which there can be much, on a thread of its own.
fn write(context: &Context, file: PathBuf, data: Data) -> Message {
    let written = match data {
        Data::Trace(trace, write) => {
            let cancelled = Arc::new(AtomicBool::new(false));
            let (path, flag) = (file.clone(), Arc::clone(&cancelled));
            let what = format!("Writing {}", short_name(&file));
            let job = Job::start(context, what, move || {
                write_with(&path, |out| write(&trace, &mut UntilCancelled { out, flag: &flag }))
            });
            match job {
                Ok(job) => return JobsMessage::Writing(Writing { file, job, cancelled }).into(),
                Err(source) => Err(ExportError::Write { path: file.clone(), source }),
            }
        }
        Data::Prediction(plan) => {
            write_with(&file, |out| data::simulation_json(&plan.simulation, out))
        }
        Data::Text(text) => write_atomic(&file, text.as_bytes()),
        Data::Stages(plan) => match stages::StageRow::of(&plan.profile, &plan.plan) {
            Ok(rows) => write_with(&file, |out| stages::csv(&rows, out)),
            Err(error) => return cannot_list(&error),
        },
    };
    Event::Written(file, written).into()
}

fn cannot_list(error: &PlanError) -> Message {
    failed("Cannot list the stages", error.to_string(), "")
}

/// Fails once the writing is cancelled; the file is then as it was before.
struct UntilCancelled<'a> {
    out: &'a mut dyn Write,
    flag: &'a AtomicBool,
}

impl Write for UntilCancelled<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.flag.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
