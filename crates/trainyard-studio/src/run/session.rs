//! A run that is watched: its child, if it was started here, its journal, and what is known of it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use trainyard_plan::compare::{Comparison, compare};
use trainyard_plan::journal::{State, Unreadable};

use super::child::{Child, ChildError, Job, OUTPUT};
use super::end::{End, Exit, last_lines_in};
use super::files::{RunFiles, Writer, is_run};
use super::follow::{Batch, Follower, Source};
use super::signal::{self, Signal};
use super::state::RunState;
use super::{Program, Wake};

/// As many batches are taken a frame: 1 MiB of journal, two milliseconds' work.
const BATCHES_A_FRAME: usize = 4;
/// Over so many of the newest steps a run is compared with its prediction.
const COMPARED_STEPS: usize = 16;
/// Traces of more events are compared every [`COMPARED_STEPS`] steps and not after each.
const COMPARED_EVENTS: usize = 20_000;

/// A run that is watched.
pub struct Session {
    directory: PathBuf,
    child: Option<Child>,
    follower: Follower,
    state: RunState,
    files: RunFiles,
    source: Source,
    writer: Option<Writer>,
    progress: Progress,
    /// Whether the journal was read to its end once.
    caught_up: bool,
    unreadable: Unreadable,
    notice: Option<String>,
    comparison: Option<Arc<Comparison>>,
    /// At which revision and step the comparison was made.
    compared: (u64, u64),
    /// Whether a training of another program was asked to stop.
    asked_to_stop: bool,
    wake: Wake,
}

/// How much of a journal is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes read.
    pub read_bytes: u64,
    /// Bytes there are.
    pub file_bytes: u64,
}

/// How it stands with a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Its journal is being read for the first time.
    Loading,
    /// Its program starts: devices are opened, weights made.
    Starting,
    /// It makes steps.
    Running,
    /// It was asked to stop, and finishes its step.
    Stopping,
    /// It was stopped and can be resumed.
    Stopped,
    /// All steps are done.
    Finished,
    /// An error, a signal or a crash ended it.
    Failed,
    /// Its directory or journal is gone.
    Gone,
    /// Its journal cannot be read.
    Unreadable,
}

/// How it stands with a run, for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// In one word.
    pub phase: Phase,
    /// In a sentence: what it does, or what went wrong and what can be done.
    pub words: String,
    /// The last lines its program said, where something went wrong.
    pub last_lines: Vec<String>,
}

impl Phase {
    /// The word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Loading => "Loading",
            Self::Starting => "Starting",
            Self::Running => "Running",
            Self::Stopping => "Stopping",
            Self::Stopped => "Stopped",
            Self::Finished => "Finished",
            Self::Failed => "Failed",
            Self::Gone => "Gone",
            Self::Unreadable => "Unreadable",
        }
    }

    /// Whether the run may be gone on with.
    #[must_use]
    pub fn can_resume(self) -> bool {
        matches!(self, Self::Stopped | Self::Failed)
    }
}

/// A run cannot be watched.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// Its program cannot be started.
    #[error(transparent)]
    Child(#[from] ChildError),
    /// There is no run.
    #[error("{} is not the directory of a run: there is no journal in it", .0.display())]
    NotARun(PathBuf),
    /// The directory has a run already.
    #[error("{} already has a run; resume it, or choose another directory", .0.display())]
    RunExists(PathBuf),
    /// No thread.
    #[error("the system gives no thread to read the journal with: {0}")]
    Thread(io::Error),
}

impl Session {
    /// Starts a new run in a directory that has none. `wake` makes the window draw again; it is
    /// called from other threads, when there is something new and never otherwise.
    ///
    /// # Errors
    /// [`SessionError`].
    pub fn start(
        program: &Program,
        run_file: &Path,
        plan: Option<&Path>,
        directory: &Path,
        sets: Vec<String>,
        wake: Wake,
    ) -> Result<Self, SessionError> {
        if is_run(directory) {
            return Err(SessionError::RunExists(directory.to_owned()));
        }
        let job =
            Job::Train { run_file: run_file.to_owned(), plan: plan.map(Path::to_owned), sets };
        let child = Child::start(program, &job, directory, Arc::clone(&wake))?;
        Self::follow(directory, Some(child), wake)
    }

    /// Goes on with the run in a directory, from its newest checkpoint.
    ///
    /// # Errors
    /// [`SessionError`].
    pub fn resume(
        program: &Program,
        directory: &Path,
        sets: Vec<String>,
        wake: Wake,
    ) -> Result<Self, SessionError> {
        if !is_run(directory) {
            return Err(SessionError::NotARun(directory.to_owned()));
        }
        let child = Child::start(program, &Job::Resume { sets }, directory, Arc::clone(&wake))?;
        Self::follow(directory, Some(child), wake)
    }

    /// Watches the run in a directory, finished or not, whoever started it.
    ///
    /// # Errors
    /// [`SessionError`].
    pub fn attach(directory: &Path, wake: Wake) -> Result<Self, SessionError> {
        if !is_run(directory) {
            return Err(SessionError::NotARun(directory.to_owned()));
        }
        Self::follow(directory, None, wake)
    }

    fn follow(directory: &Path, child: Option<Child>, wake: Wake) -> Result<Self, SessionError> {
        let directory = std::path::absolute(directory).unwrap_or_else(|_| directory.to_owned());
        let follower = Follower::start(&directory, child.is_none(), Arc::clone(&wake))
            .map_err(SessionError::Thread)?;
        Ok(Self {
            directory,
            child,
            follower,
            state: RunState::default(),
            files: RunFiles::default(),
            source: Source::Awaited,
            writer: None,
            progress: Progress::default(),
            caught_up: false,
            unreadable: Unreadable::default(),
            notice: None,
            comparison: None,
            compared: (0, 0),
            asked_to_stop: false,
            wake,
        })
    }

    /// Takes what is new; to be called every frame. Whether anything was.
    pub fn poll(&mut self) -> bool {
        let lived = self.child.as_ref().is_some_and(|child| child.end().is_none());
        let ended = lived && self.child.as_mut().is_some_and(|child| child.poll().is_some());
        let mut news = ended;
        for _ in 0..BATCHES_A_FRAME {
            let Some(batch) = self.follower.poll() else { break };
            self.take(batch);
            news = true;
        }
        if self.follower.has_more() {
            // Its call came before this frame.
            (self.wake)();
        }
        if news {
            self.compare();
        }
        news
    }

    fn take(&mut self, batch: Batch) {
        if let Some(reason) = batch.restart {
            self.state = RunState::default();
            self.comparison = None;
            self.compared = (0, 0);
            self.caught_up = false;
            self.notice = Some(reason);
        }
        batch.records.iter().for_each(|record| self.state.push(record));
        if let Some(files) = batch.files {
            self.files = *files;
            self.comparison = None;
        }
        self.progress = Progress { read_bytes: batch.read_bytes, file_bytes: batch.file_bytes };
        self.caught_up |= batch.read_bytes >= batch.file_bytes;
        self.unreadable = batch.unreadable;
        self.source = batch.source;
        self.writer = batch.writer;
    }

    /// Puts the newest steps beside the prediction, if there are new ones.
    fn compare(&mut self) {
        let (revision, step) = (self.state.revision(), self.state.step());
        let Some(prediction) = &self.files.prediction else { return };
        let many = self.state.trace().events.len() > COMPARED_EVENTS;
        let (at_revision, at_step) = self.compared;
        let due = if many && self.is_running() && self.comparison.is_some() {
            step >= at_step + COMPARED_STEPS as u64 || step < at_step
        } else {
            revision != at_revision || self.comparison.is_none()
        };
        if !due || !self.caught_up {
            return;
        }
        self.compared = (revision, step);
        let measured = self.state.measured(COMPARED_STEPS);
        if measured.steps.is_empty() {
            return;
        }
        let mut comparison = compare((&prediction.simulation, &prediction.trace), &measured);
        comparison.estimated = prediction.estimated;
        self.comparison = Some(Arc::new(comparison));
    }

    /// Asks the training to finish its step, save and end.
    ///
    /// # Errors
    /// In words, if it cannot be asked.
    pub fn stop(&mut self) -> Result<(), String> {
        self.signal(Signal::Interrupt)
    }

    /// Ends the training at once. What it did since its newest checkpoint is lost.
    ///
    /// # Errors
    /// In words, if the system refuses.
    pub fn kill(&mut self) -> Result<(), String> {
        self.signal(Signal::Kill)
    }

    fn signal(&mut self, signal: Signal) -> Result<(), String> {
        if let Some(child) = &mut self.child {
            let sent = if signal == Signal::Kill { child.kill() } else { child.stop() };
            return sent.map_err(|error| error.to_string());
        }
        if signal == Signal::Interrupt && self.asked_to_stop {
            return Ok(());
        }
        // Asked anew: the number in the lock is that of a training only while it is held.
        let Writer::Running(Some(process)) = Writer::of(&self.directory) else {
            return Err("no training says that it writes this directory, so none can be stopped \
                        from here"
                .to_owned());
        };
        signal::send(signal, process)
            .map_err(|error| format!("process {process} cannot be stopped: {error}"))?;
        self.asked_to_stop = true;
        Ok(())
    }

    /// Whether a training writes this directory, as far as is known.
    #[must_use]
    pub fn is_running(&self) -> bool {
        match (&self.child, self.writer) {
            (Some(child), _) => child.end().is_none(),
            (None, Some(Writer::Running(_))) => true,
            (None, Some(Writer::Nobody) | None) => false,
            // Nobody knows; the journal's word has to do.
            (None, Some(Writer::Unknown)) => {
                matches!(self.state.state(), Some(State::Starting | State::Running))
            }
        }
    }

    /// Whether the training was started here and runs.
    #[must_use]
    pub fn is_own_child_running(&self) -> bool {
        self.child.as_ref().is_some_and(|child| child.end().is_none())
    }

    /// The number of the training's process, where it is known and runs.
    #[must_use]
    pub fn process(&self) -> Option<u32> {
        match (&self.child, self.writer) {
            (Some(child), _) => child.end().is_none().then(|| child.id()),
            (None, Some(Writer::Running(id))) => id,
            _ => None,
        }
    }

    /// The run directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// What the journal told.
    #[must_use]
    pub fn state(&self) -> &RunState {
        &self.state
    }

    /// The run's settings.
    #[must_use]
    pub fn files(&self) -> &RunFiles {
        &self.files
    }

    /// How much of the journal is read.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.progress
    }

    /// The newest steps beside the prediction.
    #[must_use]
    pub fn comparison(&self) -> Option<&Arc<Comparison>> {
        self.comparison.as_ref()
    }

    /// What a person should know besides the status: lines that could not be read, a journal that
    /// was read again, settings that could not be, a loss that is no number.
    #[must_use]
    pub fn remarks(&self) -> Vec<String> {
        let mut remarks: Vec<String> = Vec::new();
        if let Some(step) = self.state.not_a_number() {
            remarks.push(format!(
                "the loss is not a number since step {step}; a lower learning rate or a clip may \
                 help"
            ));
        }
        if self.unreadable.lines > 0 {
            remarks.push(self.unreadable.to_string());
        }
        remarks.extend(self.notice.clone());
        remarks.extend(self.files.problems.iter().cloned());
        remarks
    }

    /// How it stands, in words.
    #[must_use]
    pub fn status(&self) -> Status {
        let told = |phase, words: String| Status { phase, words, last_lines: Vec::new() };
        let directory = self.directory.display();
        match &self.source {
            Source::Gone => {
                let words = if self.directory.is_dir() {
                    format!("the journal in {directory} is gone; what is shown was read before")
                } else {
                    format!("{directory} is gone; what is shown was read before")
                };
                return self.with_lines(told(Phase::Gone, words));
            }
            Source::Refused(reason) => {
                let words = format!("the journal of {directory} cannot be shown: {reason}");
                return self.with_lines(told(Phase::Unreadable, words));
            }
            Source::Awaited | Source::Open => {}
        }
        if let Some(end) = self.child.as_ref().and_then(Child::end) {
            return self.after(end);
        }
        if !self.caught_up && self.progress.file_bytes > 0 {
            return told(Phase::Loading, "reading the journal".to_owned());
        }
        if self.is_running() {
            return self.while_it_runs();
        }
        match self.state.state() {
            Some(State::Finished) => told(Phase::Finished, self.finished_words()),
            Some(State::Stopped) => told(Phase::Stopped, self.stopped_words()),
            Some(State::Failed) => {
                self.with_lines(told(Phase::Failed, self.state.message().to_owned()))
            }
            Some(State::Starting | State::Running) => {
                let words = format!(
                    "no program writes this run any more, and the last one did not say how it \
                     ended: it was killed, or the machine went down; {}",
                    self.way_on()
                );
                self.with_lines(told(Phase::Failed, words))
            }
            None => told(Phase::Loading, "the journal says nothing yet".to_owned()),
        }
    }

    fn while_it_runs(&self) -> Status {
        let stops = self.child.as_ref().map_or(self.asked_to_stop, Child::asked_to_stop);
        let told =
            |phase, words: &str| Status { phase, words: words.to_owned(), last_lines: Vec::new() };
        match self.state.state() {
            _ if stops => told(Phase::Stopping, "finishing its step, then saving"),
            Some(State::Running) => told(Phase::Running, "training"),
            _ => told(Phase::Starting, "opening the devices and making the plan's weights"),
        }
    }

    /// The status after a child's end: what it said itself in the journal, or else how it ended.
    fn after(&self, end: &End) -> Status {
        let told = |phase, words| Status { phase, words, last_lines: Vec::new() };
        match (end.exit, self.state.state()) {
            (Exit::Code(0), _) => told(Phase::Finished, self.finished_words()),
            (Exit::Code(130), _) => told(Phase::Stopped, self.stopped_words()),
            (exit, state) => {
                let asked = self.child.as_ref().is_some_and(Child::asked_to_stop);
                let said = match state {
                    Some(State::Failed) if self.is_of_child() => {
                        format!("{exit}: {}", self.state.message())
                    }
                    _ if asked && matches!(exit, Exit::Signal(_)) => {
                        format!("{exit}, as you asked")
                    }
                    _ => end.to_string(),
                };
                let words = if self.state.header().is_some() {
                    format!("{said}; {}", self.way_on())
                } else {
                    said
                };
                Status { phase: Phase::Failed, words, last_lines: end.last_lines.clone() }
            }
        }
    }

    /// Whether the newest part of the journal is the child's: one that fails early writes none.
    fn is_of_child(&self) -> bool {
        let started = self.state.header().map_or(0, |header| header.started_unix_ms);
        self.child.as_ref().is_some_and(|child| started >= child.started_unix_ms())
    }

    fn finished_words(&self) -> String {
        let loss = self.state.validation().last();
        let loss = loss.map_or_else(String::new, |loss| format!(", validation loss {loss:.4}"));
        format!("all {} steps are done{loss}", self.state.steps())
    }

    fn stopped_words(&self) -> String {
        format!("stopped after step {} of {}", self.state.step(), self.state.steps())
    }

    /// What can be done with a run that ended too early.
    fn way_on(&self) -> String {
        match self.state.checkpoints().next_back() {
            Some(checkpoint) => format!("it can be resumed after step {}", checkpoint.step),
            None => "no checkpoint was saved, so resuming it begins at step 1".to_owned(),
        }
    }

    fn with_lines(&self, status: Status) -> Status {
        let last_lines = match &self.child {
            Some(child) => child.last_lines(),
            None => last_lines_in(&self.directory.join(OUTPUT), 0),
        };
        Status { last_lines, ..status }
    }
}
