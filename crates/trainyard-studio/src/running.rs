//! What needs the program `trainyard`: looking for devices, measuring, training.

use std::fs;
use std::path::{Path, PathBuf};

use eframe::egui::Context;
use trainyard_plan::calibrate;

use crate::app::{Dialog, Studio};
use crate::command::Command;
use crate::export::write_atomic;
use crate::open::{PLAN, PROFILE, RUN_FILE};
use crate::opening::wake;
use crate::perform::home;
use crate::run::{self, Exit, Phase, Program, Session, Task, TaskEnd};
use crate::run_file;
use crate::shell::trouble::Trouble;

/// So many steps are enough to calibrate with.
const CALIBRATED_STEPS: usize = 50;

/// The program's exit code for a model that no plan brings within the budgets.
const DOES_NOT_FIT: i32 = 3;

/// How `trainyard measure` begins where it took what was measured before.
const KNOWN: &[u8] = b"measured before";

/// A program that answers a question, and what the answer is for.
pub(crate) struct Tasked {
    pub(crate) task: Task,
    aim: Aim,
}

/// What the answer is for.
enum Aim {
    /// The dialog “Use my devices…” and the about box.
    Devices,
    /// The profile of a run file.
    Costs { run_file: PathBuf, then_run: bool },
}

impl Studio {
    /// The program, or a dialog that says where it was looked for.
    fn program_or_trouble(&mut self) -> Option<Program> {
        match &self.program {
            Ok(program) => Some(program.clone()),
            Err(missing) => {
                self.troubles.push_back(Trouble::new(
                    "The program trainyard is missing",
                    missing.to_string(),
                    "Planning works without it. Settings say where it is.",
                ));
                None
            }
        }
    }

    fn start_task(&mut self, started: std::io::Result<Task>, aim: Aim) {
        match started {
            Ok(task) => self.task = Some(Tasked { task, aim }),
            Err(error) => self.troubles.push_back(Trouble::new(
                "Cannot start trainyard",
                error.to_string(),
                "Settings say which program is started.",
            )),
        }
    }

    pub(crate) fn look_for_devices(&mut self, context: &Context) {
        let Some(program) = self.program_or_trouble() else { return };
        self.start_task(Task::devices(&program, wake(context)), Aim::Devices);
    }

    pub(crate) fn forget_looking_for_devices(&mut self) {
        if self.task.as_ref().is_some_and(|tasked| matches!(tasked.aim, Aim::Devices)) {
            self.task = None;
        }
    }

    /// Measures what the layers of the desk's run file cost; `anew` also where that is known.
    pub(crate) fn measure(&mut self, context: &Context, anew: bool) {
        if let Some(run_file) = self.desk.run_file.clone() {
            self.measure_run_file(context, &run_file, anew);
        }
    }

    fn measure_run_file(&mut self, context: &Context, run_file: &Path, anew: bool) {
        let Some(program) = self.program_or_trouble() else { return };
        let profile = run_file.with_file_name(PROFILE);
        let started = Task::measure(&program, run_file, &profile, anew, wake(context));
        self.start_task(started, Aim::Costs { run_file: run_file.to_owned(), then_run: false });
    }

    /// Works the costs of a run file out from how fast its devices are.
    pub(crate) fn estimate(&mut self, context: &Context, run_file: &Path, then_run: bool) {
        let Some(program) = self.program_or_trouble() else { return };
        let arguments = [
            "plan".into(),
            run_file.as_os_str().to_owned(),
            "--save-profile".into(),
            run_file.with_file_name(PROFILE).into_os_string(),
        ];
        let what = "Estimating what the layers cost";
        let started = Task::start(&program, what, arguments, None, wake(context));
        self.start_task(started, Aim::Costs { run_file: run_file.to_owned(), then_run });
    }

    pub(crate) fn poll_task(&mut self, context: &Context) {
        let Some(end) = self.task.as_mut().and_then(|tasked| tasked.task.poll()) else { return };
        let Some(Tasked { task, aim }) = self.task.take() else { return };
        let answer = match end {
            TaskEnd::Done(answer) => answer,
            TaskEnd::Cancelled => {
                self.say(format!("{}: called off", task.what()));
                return;
            }
            TaskEnd::Failed(end) => {
                self.dialog = None;
                self.troubles.push_back(Trouble::new(
                    format!("{} failed", task.what()),
                    end.to_string(),
                    "What trainyard said last is above; the same command in a terminal says more.",
                ));
                // The costs are known all the same: the board shows by how much it does not fit.
                if let (Exit::Code(DOES_NOT_FIT), Aim::Costs { run_file, .. }) = (end.exit, aim) {
                    self.take_costs(context, &run_file, false);
                }
                return;
            }
        };
        match aim {
            Aim::Devices => match run::devices(&answer) {
                Ok(list) => {
                    if let Some(Dialog::MyDevices(mine)) = &mut self.dialog {
                        mine.take(&list);
                    }
                    self.devices = Some(list);
                }
                Err(words) => {
                    self.dialog = None;
                    let remedy = "Use a trainyard of the studio's own version.";
                    self.troubles.push_back(Trouble::new("Cannot list the devices", words, remedy));
                }
            },
            Aim::Costs { run_file, then_run } => {
                self.take_costs(context, &run_file, then_run);
                if answer.starts_with(KNOWN) {
                    let anew = Command::MeasureAnew.spec().name;
                    self.say(format!("These times were measured before; {anew} measures again"));
                }
            }
        }
    }

    /// Writes a run file into a directory of its own and finds out what its layers cost.
    pub(crate) fn make_run_file(
        &mut self,
        context: &Context,
        directory: &Path,
        text: &str,
        measure: bool,
    ) {
        let Some(file) = self.write_run_file(directory, text) else { return };
        if measure {
            self.measure_run_file(context, &file, false);
        } else {
            self.estimate(context, &file, false);
        }
    }

    fn write_run_file(&mut self, directory: &Path, text: &str) -> Option<PathBuf> {
        let file = directory.join(RUN_FILE);
        let written = make_folder(directory)
            .and_then(|()| write_atomic(&file, text.as_bytes()).map_err(|error| error.to_string()));
        match written {
            Ok(()) => Some(file),
            Err(words) => {
                let remedy = "Name a folder that you may write to.";
                self.troubles.push_back(Trouble::new("Cannot write the run file", words, remedy));
                None
            }
        }
    }

    /// Trains the desk's plan in a new run directory beside its run file.
    pub(crate) fn run(&mut self, context: &Context) {
        let Some(run_file) = self.desk.run_file.clone() else {
            self.dialog = Some(Dialog::NoRunFile);
            return;
        };
        let Some(program) = self.program_or_trouble() else { return };
        if let Some(words) = self.desk.present().shortage() {
            self.troubles.push_back(Trouble::new(
                "The plan does not fit",
                words,
                "Move layers to another device, recompute a stage, or let Auto-plan find a split.",
            ));
            return;
        }
        let directory = run_directory(&run_file);
        let plan = directory.join(PLAN);
        let written = make_folder(&directory)
            .and_then(|()| self.write_plan(&plan).map_err(|error| error.to_string()));
        if let Err(words) = written {
            let remedy = "Look whether the folder of the run file may be written to.";
            self.troubles.push_back(Trouble::new("Cannot write the plan", words, remedy));
            return;
        }
        let sets = run_file::sets(&self.desk);
        let started =
            Session::start(&program, &run_file, Some(&plan), &directory, sets, wake(context));
        self.take_session(started);
    }

    fn take_session(&mut self, started: Result<Session, run::SessionError>) {
        match started {
            Ok(session) => {
                self.say(format!("Training in {}", session.directory().display()));
                self.kept.first_steps.ran = true;
                self.kept.recent.add(session.directory());
                self.watch(session);
            }
            Err(error) => self.troubles.push_back(Trouble::new(
                "Cannot start the training",
                error.to_string(),
                "Settings say which program is started.",
            )),
        }
    }

    /// Takes what is new of the run that is watched, and says so when it has ended.
    pub(crate) fn poll_session(&mut self) {
        let Some(session) = &mut self.session else { return };
        let ran = session.is_running();
        session.poll();
        if !ran || session.is_running() {
            return;
        }
        let directory = session.directory().display();
        let ended = match session.status().phase {
            Phase::Finished => format!("The training in {directory} is finished"),
            Phase::Stopped => format!("The training in {directory} has stopped"),
            _ => format!("The training in {directory} has failed"),
        };
        self.say(ended);
    }

    pub(crate) fn stop(&mut self) {
        match self.session.as_mut().map(Session::stop) {
            Some(Err(words)) => {
                self.troubles.push_back(Trouble::new("Cannot stop the training", words, ""));
            }
            Some(Ok(())) => {
                self.say("The training finishes its step, saves and stops");
            }
            None => {}
        }
    }

    pub(crate) fn resume(&mut self, context: &Context) {
        let Some(program) = self.program_or_trouble() else { return };
        let Some(directory) = self.session.as_ref().map(|it| it.directory().to_owned()) else {
            return;
        };
        let resumed = Session::resume(&program, &directory, Vec::new(), wake(context));
        // It is the same run: a plan that was opened since stays in its place.
        let desk_is_newer = self.desk_is_newer;
        self.take_session(resumed);
        self.desk_is_newer = desk_is_newer;
    }

    /// Takes the times that the run really had as the profile, and plans again.
    pub(crate) fn calibrate(&mut self, context: &Context) {
        let Some(session) = &self.session else { return };
        let (profile, plan) = match (&session.files().profile, &session.files().plan) {
            (Some(profile), Some(plan)) => (profile.as_ref(), plan.as_ref()),
            _ => (self.desk.profile().as_ref(), &self.desk.present().plan),
        };
        let measured = session.state().measured(CALIBRATED_STEPS);
        let calibrated = calibrate(profile, plan, &measured);
        match calibrated.and_then(|profile| self.desk.set_profile(profile)) {
            Ok(()) => {
                self.perform(context, Command::AutoPlan);
                self.say("The times of the run are the profile now; planning again");
            }
            Err(error) => self.troubles.push_back(Trouble::new(
                "Cannot calibrate",
                error.to_string(),
                "Open the run's own directory, so that its plan is on the desk, and try again.",
            )),
        }
    }

    /// The small training on the CPU, for those who have no run file.
    pub(crate) fn train_on_the_cpu(&mut self, context: &Context) {
        let directory = run_file::free_directory(&home().join("trainyard"), "first-run");
        if let Some(file) = self.write_run_file(&directory, &run_file::on_the_cpu()) {
            self.estimate(context, &file, true);
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
