//! A run that is watched: its child, if it was started here, its journal, and what is known of it.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use trainyard_plan::compare::{Comparison, Corrected, Pair, compare};
use trainyard_plan::journal::{State, Unreadable};

use super::child::{Child, ChildError, Job};
use super::end::End;
use super::files::{RunFiles, Writer, is_run};
use super::follow::{Batch, Follower, Source};
use super::program::Program;
use super::records::Checkpoint;
use super::signal::{self, Signal};
use super::state::RunState;
use super::wake::Wake;

/// A frame takes batches for so long; one of them takes about two milliseconds.
const TAKING: Duration = Duration::from_millis(4);
/// Number of newest steps that are compared with the prediction.
const COMPARED_STEPS: usize = 16;
/// Traces of more events are compared every [`COMPARED_STEPS`] steps and not after each.
const COMPARED_EVENTS: usize = 20_000;

/// A run that is watched.
pub struct Session {
    pub(super) directory: PathBuf,
    pub(super) child: Option<Child>,
    follower: Follower,
    pub(super) state: RunState,
    pub(super) files: RunFiles,
    /// The names of the checkpoints that are on disk.
    checkpoints: BTreeSet<OsString>,
    pub(super) source: Source,
    writer: Option<Writer>,
    pub(super) progress: Progress,
    /// Whether the journal was read to its end once.
    pub(super) caught_up: bool,
    /// Whether all is read that the child left, which has ended.
    complete: bool,
    pub(super) unreadable: Unreadable,
    pub(super) notice: Option<String>,
    comparison: Option<Arc<Comparison>>,
    /// At which revision and step the comparison was made.
    compared: (u64, u64),
    /// Whether a training of another program was asked to stop.
    pub(super) asked_to_stop: bool,
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
            checkpoints: BTreeSet::new(),
            source: Source::Awaited,
            writer: None,
            progress: Progress::default(),
            caught_up: false,
            complete: false,
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
        if ended {
            self.follower.tell_end_of_writer();
        }
        let mut news = ended;
        let began = Instant::now();
        while began.elapsed() < TAKING
            && let Some(batch) = self.follower.poll()
        {
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
            self.state = RunState::default().after(&self.state);
            self.comparison = None;
            self.compared = (0, 0);
            self.caught_up = false;
            self.notice = Some(reason);
        }
        if let Some(state) = batch.state {
            self.state = state.after(&self.state);
        }
        batch.records.iter().for_each(|record| self.state.push(record));
        if let Some(files) = batch.files {
            self.files = *files;
            self.comparison = None;
        }
        if let Some(checkpoints) = batch.checkpoints {
            self.checkpoints = checkpoints;
        }
        self.progress = Progress { read_bytes: batch.read_bytes, file_bytes: batch.file_bytes };
        self.caught_up |= batch.read_bytes >= batch.file_bytes;
        self.complete |= batch.complete;
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
        let mut comparison = compare(prediction, &measured);
        let measured = comparison.step_us.measured;
        comparison.corrected = self.state.correction().map(|correction| Corrected {
            after_step: correction.after_step,
            step_us: Pair { predicted: correction.step_us, measured },
            factor: correction.factor,
            reason: correction.reason.clone(),
        });
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

    /// How the child ended, once all is read that it left: what it did last is told before that it
    /// is over.
    pub(super) fn end_of_child(&self) -> Option<&End> {
        self.child.as_ref().and_then(Child::end).filter(|_| self.complete)
    }

    /// Whether a training writes this directory, as far as is known and read.
    #[must_use]
    pub fn is_running(&self) -> bool {
        match (&self.child, self.writer) {
            (Some(_), _) => self.end_of_child().is_none(),
            (None, Some(Writer::Running(_))) => true,
            (None, Some(Writer::Nobody) | None) => false,
            // Unknown; the journal has to do.
            (None, Some(Writer::Unknown)) => {
                matches!(self.state.state(), Some(State::Starting | State::Running))
            }
        }
    }

    /// Whether the training was started here and runs.
    #[must_use]
    pub fn is_own_child_running(&self) -> bool {
        self.child.is_some() && self.is_running()
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

    /// The state folded from the journal.
    #[must_use]
    pub fn state(&self) -> &RunState {
        &self.state
    }

    /// The run's settings.
    #[must_use]
    pub fn files(&self) -> &RunFiles {
        &self.files
    }

    /// The newest checkpoints that were saved and are still there, oldest first.
    pub fn checkpoints(&self) -> impl DoubleEndedIterator<Item = &Checkpoint> {
        self.state.checkpoints().filter(|checkpoint| {
            let name = Path::new(&checkpoint.path).file_name();
            name.is_some_and(|name| self.checkpoints.contains(name))
        })
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
}
