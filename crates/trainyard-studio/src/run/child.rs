//! A training as a child process. It outlives the window if it is let.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use crossbeam_channel::{Receiver, bounded};
use thiserror::Error;

use super::end::{End, Exit, last_lines_in, wait};
use super::program::Program;
use super::signal::{self, Signal};
use super::wake::Wake;

/// What a training says goes into this file of its run directory: a pipe would break when the
/// studio ends, and the training with it.
pub const OUTPUT: &str = "output.log";

/// A training could not be started, or not be ended.
#[derive(Debug, Error)]
#[error("cannot {what} {}: {error}", path.display())]
pub struct ChildError {
    /// What was tried.
    what: &'static str,
    /// With which file.
    path: PathBuf,
    /// Why it failed.
    error: io::Error,
}

/// What to train.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Job {
    /// A new run.
    Train {
        /// The run file.
        run_file: PathBuf,
        /// The plan to run; without it the program makes one.
        plan: Option<PathBuf>,
        /// Changes to the run file, as `--set` takes them: `train.steps=100`.
        sets: Vec<String>,
    },
    /// The run in the directory, from its newest checkpoint.
    Resume {
        /// Changes to the run file.
        sets: Vec<String>,
    },
}

/// A training that was started here. Dropping it lets it run on.
#[derive(Debug)]
pub struct Child {
    process: Arc<Mutex<std::process::Child>>,
    id: u32,
    started_unix_ms: u64,
    output: PathBuf,
    /// Where in the output this child begins, bytes.
    output_start: u64,
    ended: Receiver<Exit>,
    end: Option<End>,
    asked_to_stop: bool,
}

impl ChildError {
    fn of(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |error| Self { what, path, error }
    }
}

impl Job {
    /// The arguments that make `trainyard` do it in a run directory.
    #[must_use]
    pub fn arguments(&self, directory: &Path) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = Vec::new();
        let sets = match self {
            Self::Train { run_file, plan, sets } => {
                arguments.extend(["train".into(), run_file.into()]);
                if let Some(plan) = plan {
                    arguments.extend(["--plan".into(), plan.into()]);
                }
                // In quotes: a directory may be called 7, or have a quote in its name.
                let quoted = toml_string(&directory.to_string_lossy());
                arguments.extend(["--set".into(), format!("run.dir={quoted}").into()]);
                sets
            }
            Self::Resume { sets } => {
                arguments.extend(["resume".into(), directory.into()]);
                sets
            }
        };
        for set in sets {
            arguments.extend(["--set".into(), set.into()]);
        }
        arguments
    }
}

/// A text as TOML writes it. JSON's escapes are among TOML's.
fn toml_string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

impl Child {
    /// Starts a training in a run directory, which is made if need be. `wake` is called once, when
    /// the training has ended.
    ///
    /// # Errors
    /// [`ChildError`] naming the file.
    pub fn start(
        program: &Program,
        job: &Job,
        directory: &Path,
        wake: Wake,
    ) -> Result<Self, ChildError> {
        let directory = std::path::absolute(directory)
            .map_err(ChildError::of("find the run directory", directory))?;
        fs::create_dir_all(&directory)
            .map_err(ChildError::of("make the run directory", &directory))?;
        let output = directory.join(OUTPUT);
        let file = File::options().append(true).create(true).open(&output);
        let file = file.map_err(ChildError::of("open the training's output", &output))?;
        let output_start = file.metadata().map_or(0, |about| about.len());
        let both =
            file.try_clone().map_err(ChildError::of("open the training's output", &output))?;
        let mut command = Command::new(program.path());
        command.args(job.arguments(&directory)).stdin(Stdio::null()).stdout(both).stderr(file);
        // A Ctrl-C in the studio's terminal is not meant for the training.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let process = command.spawn().map_err(ChildError::of("start", program.path()))?;
        let id = process.id();
        let process = Arc::new(Mutex::new(process));
        let (send, ended) = bounded(1);
        let waited_for = Arc::clone(&process);
        let watch = move || {
            let exit = wait(&waited_for);
            // The receiver is gone when the studio has let go of it.
            if send.send(exit).is_ok() {
                wake();
            }
        };
        thread::Builder::new()
            .name("trainyard child".to_owned())
            .spawn(watch)
            .map_err(ChildError::of("watch", program.path()))?;
        Ok(Self {
            process,
            id,
            started_unix_ms: u64::try_from(started.as_millis()).unwrap_or(0),
            output,
            output_start,
            ended,
            end: None,
            asked_to_stop: false,
        })
    }

    /// The number of its process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// When it was started, ms since 1970. A header of the journal that is older is not its own.
    #[must_use]
    pub fn started_unix_ms(&self) -> u64 {
        self.started_unix_ms
    }

    /// How it ended; `None` while it runs.
    pub fn poll(&mut self) -> Option<&End> {
        if self.end.is_none()
            && let Ok(exit) = self.ended.try_recv()
        {
            let last_lines = self.last_lines();
            self.end = Some(End { exit, last_lines, output: Vec::new() });
        }
        self.end.as_ref()
    }

    /// How it ended, as far as [`Child::poll`] knows.
    #[must_use]
    pub fn end(&self) -> Option<&End> {
        self.end.as_ref()
    }

    /// The last lines it said so far.
    #[must_use]
    pub fn last_lines(&self) -> Vec<String> {
        last_lines_in(&self.output, self.output_start)
    }

    /// Whether it was asked to stop.
    #[must_use]
    pub fn asked_to_stop(&self) -> bool {
        self.asked_to_stop
    }

    /// Asks it to finish its step, save and end. On Windows, where that cannot be asked, it ends at
    /// once.
    ///
    /// # Errors
    /// [`ChildError`] if it cannot be asked.
    pub fn stop(&mut self) -> Result<(), ChildError> {
        // A second interrupt would make it end without saving.
        if self.asked_to_stop {
            return Ok(());
        }
        self.signal(Signal::Interrupt)?;
        self.asked_to_stop = true;
        Ok(())
    }

    /// Ends it at once. What it did since its newest checkpoint is lost.
    ///
    /// # Errors
    /// [`ChildError`] if the system refuses.
    pub fn kill(&mut self) -> Result<(), ChildError> {
        self.asked_to_stop = true;
        self.signal(Signal::Kill)
    }

    fn signal(&mut self, signal: Signal) -> Result<(), ChildError> {
        // Under the lock the process is not waited for, so its number is not another's yet.
        let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        if let Ok(Some(_)) = process.try_wait() {
            return Ok(());
        }
        let sent = match signal {
            Signal::Kill => process.kill(),
            Signal::Interrupt => signal::send(signal, self.id),
        };
        sent.map_err(ChildError::of("stop the training that writes", &self.output))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_what_a_person_would_type() {
        let words = |job: &Job| {
            let arguments = job.arguments(Path::new("/runs/a \"b\""));
            arguments.into_iter().map(|it| it.into_string().unwrap()).collect::<Vec<_>>()
        };
        let job = Job::Train {
            run_file: "run.toml".into(),
            plan: Some("plan.json".into()),
            sets: vec!["train.steps=3".into()],
        };
        let dir = r#"run.dir="/runs/a \"b\"""#;
        assert_eq!(
            words(&job),
            ["train", "run.toml", "--plan", "plan.json", "--set", dir, "--set", "train.steps=3"]
        );
        assert_eq!(words(&Job::Resume { sets: Vec::new() }), ["resume", "/runs/a \"b\""]);
    }
}
