//! Opening: files are read on a thread of their own, and what was in them is put where it belongs.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use eframe::egui::Context;

use crate::app::{Studio, short_name};
use crate::background::Job;
use crate::open::{self, OpenError, Opened};
use crate::run::{Session, Wake};
use crate::shell::layout::Panel;
use crate::shell::trouble::Trouble;

/// Reads a file or directory.
type Reader = fn(&Path) -> Result<Opened, OpenError>;

/// A file that is being read.
pub(crate) struct Opening {
    path: PathBuf,
    job: Job<Result<Opened, OpenError>>,
    /// Whether it is trained at once when it is there.
    then_run: bool,
}

impl Opening {
    /// What is done, for a person.
    pub(crate) fn what(&self) -> String {
        self.job.what().to_owned()
    }
}

impl Studio {
    /// Opens a file or directory. It is read beside the window; what comes of it is seen a few
    /// frames later.
    pub fn open(&mut self, context: &Context, path: &Path) {
        self.open_then(context, path, false);
    }

    pub(crate) fn open_then(&mut self, context: &Context, path: &Path, then_run: bool) {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let what = format!("Opening {}", short_name(&path));
        self.read_beside(context, path, (what, open::open), then_run);
    }

    /// Opens the whole journal of the run that is watched as a trace.
    pub(crate) fn open_all_steps(&mut self, context: &Context) {
        let Some(session) = &self.session else { return };
        let path = session.directory().to_owned();
        let what = format!("Reading all steps of {}", short_name(&path));
        self.read_beside(context, path, (what, open::all_steps), false);
    }

    /// Reads a file on a thread of its own; what is done there is told meanwhile.
    fn read_beside(
        &mut self,
        context: &Context,
        path: PathBuf,
        (what, read): (String, Reader),
        then_run: bool,
    ) {
        let file = path.clone();
        match Job::start(context, what, move || read(&file)) {
            Ok(job) => self.opening = Some(Opening { path, job, then_run }),
            Err(error) => self.troubles.push_back(Trouble::new(
                format!("Cannot open {}", short_name(&path)),
                error.to_string(),
                "Close other programs and try again.",
            )),
        }
    }

    pub(crate) fn poll_opening(&mut self, context: &Context) {
        let Some(opening) = &self.opening else { return };
        let result = match opening.job.poll() {
            Ok(None) => return,
            Ok(Some(result)) => Some(result),
            Err(_ended) => None,
        };
        let Some(Opening { path, then_run, .. }) = self.opening.take() else { return };
        let name = short_name(&path);
        match result {
            Some(Ok(opened)) => {
                self.kept.recent.add(&path);
                self.welcome = false;
                self.say(format!("Opened {name}"));
                self.take_opened(context, name, opened);
                if then_run && self.desk.run_file.is_some() {
                    self.run(context);
                }
            }
            Some(Err(error)) => {
                if matches!(error, OpenError::Read { .. }) {
                    self.kept.recent.forget(&path);
                }
                self.troubles.push_back(Trouble::of_open(&name, &error));
            }
            None => self.troubles.push_back(Trouble::new(
                format!("Cannot open {name}"),
                "Reading it broke off. That is a fault of the studio's.",
                "Please report it with the file.",
            )),
        }
    }

    fn take_opened(&mut self, context: &Context, name: String, opened: Opened) {
        match opened {
            Opened::Desk(desk) => self.put_on_desk(*desk),
            Opened::RunFile(file) => self.take_run_file(context, &file),
            Opened::Plan { file, plan } => {
                let profile = self.desk.profile().as_ref().clone();
                match open::plan_on(profile, &plan, &file) {
                    Ok(mut desk) => {
                        desk.run_file = self.desk.run_file.take();
                        self.put_on_desk(desk);
                    }
                    Err(error) => self.troubles.push_back(Trouble::new(
                        format!("Cannot open {}", short_name(&file)),
                        format!(
                            "{} has no profile.json beside it, and does not go with the one that is \
                             open ({error}).",
                            file.display()
                        ),
                        "Put its profile.json into the same folder, or open the profile first.",
                    )),
                }
            }
            Opened::Run { directory, desk } => {
                if let Some(desk) = desk {
                    self.put_on_desk(*desk);
                }
                self.attach(context, &directory);
            }
            Opened::Trace(trace) => {
                self.panels.show_trace(name, trace);
                self.kept.layout.reveal(Panel::Timeline);
            }
        }
    }

    /// Watches the run in a directory.
    fn attach(&mut self, context: &Context, directory: &Path) {
        match Session::attach(directory, wake(context)) {
            Ok(session) => self.watch(session),
            Err(error) => self.troubles.push_back(Trouble::new(
                "Cannot watch the run",
                error.to_string(),
                "Look whether the directory is still there and may be read.",
            )),
        }
    }

    pub(crate) fn watch(&mut self, session: Session) {
        self.panels.forget_trace();
        self.desk_is_newer = false;
        self.session = Some(session);
        self.kept.layout.reveal(Panel::Run);
    }

    /// A run file whose costs nobody knows: they are measured or estimated by `trainyard`.
    fn take_run_file(&mut self, context: &Context, file: &Path) {
        match &self.program {
            Ok(_) => self.estimate(context, file, false),
            Err(missing) => self.troubles.push_back(Trouble::new(
                format!("Cannot plan {}", short_name(file)),
                format!(
                    "{} has no profile.json beside it, and what its layers cost is found out by a \
                     program that is not there: {missing}.",
                    file.display()
                ),
                "Say in Settings where trainyard is; or run “trainyard measure” on the run file and \
                 open the profile that it writes.",
            )),
        }
    }

    /// Takes a profile that was measured or estimated for a run file.
    pub(crate) fn take_costs(&mut self, context: &Context, run_file: &Path, then_run: bool) {
        let beside = run_file.with_file_name(open::PROFILE);
        let same = self.desk.run_file.as_deref() == Some(run_file) && !then_run;
        let kept = same
            && open::read_profile(&beside)
                .is_ok_and(|profile| self.desk.set_profile(profile).is_ok());
        if kept {
            self.say("The measured times are the profile now");
        } else {
            self.open_then(context, run_file, then_run);
        }
    }
}

/// Makes the window draw again, from any thread.
pub(crate) fn wake(context: &Context) -> Wake {
    let context = context.clone();
    Arc::new(move || context.request_repaint())
}
