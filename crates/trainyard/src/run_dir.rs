//! `runs/<name>/`: everything one training leaves behind.
//!
//! ```text
//! run.toml  profile.json  plan.json                what was run, and from which costs
//! predicted-trace.json  journal.jsonl  trace.json  what was predicted, and what happened
//! checkpoints/step-000500/                         weights and optimizer after a step
//! latest                                           "checkpoints/step-000500": the newest whole one
//! .lock                                            held by the training that writes here
//! ```
//!
//! A file is written beside its place and then renamed, so a reader sees the old one or the new
//! one. Names that end in `.tmp` are what a crash left of that, and go at the next start.

use std::cell::Cell;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use trainyard_engine::checkpoint;
use trainyard_plan::FileKind;
use trainyard_plan::journal::OPEN_SEGMENT;

use crate::error::RunError;
use crate::journal;
use atomic::UNFINISHED;
use atomic::check_replaceable;
pub(crate) use atomic::{name_beside, sync_folder};
pub use atomic::{write_atomic, write_through};
use checkpoints::step_of;
pub(crate) use find::run_id;
pub use find::{CheckpointChoice, Found};
use lock::Lock;

mod atomic;
mod checkpoints;
mod find;
mod lock;
#[cfg(test)]
mod tests;

const RUN_FILE: &str = "run.toml";
const PLAN: &str = "plan.json";
const JOURNAL: &str = OPEN_SEGMENT;
const TRACE: &str = "trace.json";
const PREDICTED_TRACE: &str = "predicted-trace.json";
const PROFILE: &str = "profile.json";
const LATEST: &str = "latest";

/// A run's directory. One opened for writing is locked until it is dropped.
#[derive(Debug)]
pub struct RunDir {
    path: PathBuf,
    /// Of one that was opened for writing.
    lock: Option<Lock>,
    /// Whether it was made for this, and holds nothing yet.
    is_new: Cell<bool>,
}

impl Drop for RunDir {
    fn drop(&mut self) {
        if self.is_new.get() {
            drop(self.lock.take());
            // It stays if something is in it.
            let _removed = fs::remove_dir(&self.path).is_ok();
        }
    }
}

impl RunDir {
    /// Opens a directory for writing, and makes it if need be. `fresh` says that a new run starts:
    /// the directory must not hold one. Otherwise a run goes on: it must hold one.
    ///
    /// # Errors
    /// [`RunError::RunExists`], [`RunError::NotARun`], [`RunError::RunInUse`] if another training
    /// writes there, [`RunError::Io`].
    pub fn create(path: &Path, fresh: bool) -> Result<Self, RunError> {
        let is_new = fresh && !path.exists();
        if fresh {
            fs::create_dir_all(path).map_err(RunError::io("make the run directory", path))?;
        } else {
            require_run(path)?;
        }
        let lock = Lock::take(path)?;
        // Looked at under the lock: of two that start at once, one sees the other's run.
        if fresh && let Some(found) = signs_of_a_run(path)? {
            return Err(RunError::RunExists { path: path.to_owned(), found });
        }
        Ok(Self { path: path.to_owned(), lock: Some(lock), is_new: is_new.into() })
    }

    /// From here on the directory changes: makes what is missing, and ends what a crash interrupted.
    ///
    /// # Errors
    /// [`RunError::Io`].
    pub fn begin(&self) -> Result<(), RunError> {
        self.check_own_files()?;
        if let Some(lock) = &self.lock {
            lock.sign()?;
        }
        self.is_new.set(false);
        let checkpoints = self.checkpoints_dir();
        fs::create_dir_all(&checkpoints)
            .map_err(RunError::io("make the directory", &checkpoints))?;
        remove_unfinished(&self.path)?;
        remove_unfinished(&checkpoints)?;
        checkpoint::recover(&checkpoints)?;
        Ok(())
    }

    /// Refuses a directory in which something else lies where one of its files is to be.
    fn check_own_files(&self) -> Result<(), RunError> {
        let own = [RUN_FILE, PLAN, PROFILE, PREDICTED_TRACE, TRACE, LATEST];
        own.iter().try_for_each(|name| check_replaceable(&self.path.join(name)))
    }

    /// Refuses to go on where this is no longer the directory that was opened for writing.
    ///
    /// # Errors
    /// [`RunError::RunMoved`].
    pub fn check_still_there(&self) -> Result<(), RunError> {
        match &self.lock {
            Some(lock) if !lock.is_still_there() => {
                Err(RunError::RunMoved { path: self.path.clone() })
            }
            _ => Ok(()),
        }
    }

    /// Refuses a directory that holds a run already, before anything takes time; [`Self::create`] looks
    /// again.
    ///
    /// # Errors
    /// [`RunError::RunInUse`], [`RunError::RunExists`], [`RunError::Io`].
    pub fn check_free(path: &Path) -> Result<(), RunError> {
        let found = if path.is_dir() { signs_of_a_run(path)? } else { None };
        let Some(found) = found else { return Ok(()) };
        // A run that is being written to cannot be gone on with.
        drop(Lock::take(path)?);
        Err(RunError::RunExists { path: path.to_owned(), found })
    }

    /// Opens the directory of a run for reading. It may be written to at the same time.
    ///
    /// # Errors
    /// [`RunError::NotARun`] if it lacks a run file or a journal.
    pub fn open(path: &Path) -> Result<Self, RunError> {
        require_run(path)?;
        Ok(Self { path: path.to_owned(), lock: None, is_new: false.into() })
    }

    /// The directory itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The run file as resolved.
    #[must_use]
    pub fn run_file(&self) -> PathBuf {
        self.path.join(RUN_FILE)
    }

    /// The plan that is run.
    #[must_use]
    pub fn plan(&self) -> PathBuf {
        self.path.join(PLAN)
    }

    /// The journal.
    #[must_use]
    pub fn journal(&self) -> PathBuf {
        self.path.join(JOURNAL)
    }

    /// The trace of one step, as predicted.
    #[must_use]
    pub fn predicted_trace(&self) -> PathBuf {
        self.path.join(PREDICTED_TRACE)
    }

    /// What the layers cost on the devices, as the run was planned with.
    #[must_use]
    pub fn profile(&self) -> PathBuf {
        self.path.join(PROFILE)
    }

    /// The trace of the last steps, as measured.
    #[must_use]
    pub fn trace(&self) -> PathBuf {
        self.path.join(TRACE)
    }
}

/// The paths in a directory.
fn entries(directory: &Path) -> Result<Vec<PathBuf>, RunError> {
    let read =
        || fs::read_dir(directory)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>();
    match read() {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        result => result.map_err(RunError::io("read the directory", directory)),
    }
}

/// The first thing in a directory that only a run leaves there.
fn signs_of_a_run(path: &Path) -> Result<Option<String>, RunError> {
    let files = [RUN_FILE, JOURNAL, LATEST];
    // The journal is made first. One without a word is of a start that failed: a full disk.
    let is_sign = |name: &&str| {
        let about = fs::metadata(path.join(name));
        about.is_ok_and(|about| about.len() > 0 || *name != JOURNAL)
    };
    if let Some(found) = files.into_iter().find(is_sign) {
        return Ok(Some(found.to_owned()));
    }
    let checkpoints = entries(&path.join("checkpoints"))?;
    let found = checkpoints.iter().find(|path| step_of(path).is_some());
    Ok(found.map(|path| path.display().to_string()))
}

/// A run has a run file, and a journal or checkpoints: one whose journal was lost can still be used.
fn require_run(path: &Path) -> Result<(), RunError> {
    if path.is_file() {
        return Err(a_file_instead(path));
    }
    let missing = if !path.join(RUN_FILE).is_file() {
        RUN_FILE
    } else if journal::is_there(path) || path.join(LATEST).is_file() {
        return Ok(());
    } else {
        JOURNAL
    };
    Err(RunError::NotARun { path: path.into(), missing: missing.into() })
}

/// A file where a run directory is wanted, named for what it is.
fn a_file_instead(path: &Path) -> RunError {
    let kind = File::open(path).and_then(FileKind::read);
    let remedy = match &kind {
        Ok(FileKind::RunFile) => "train it, which makes a run directory, and name that",
        Ok(FileKind::Journal | FileKind::Plan | FileKind::Profile | FileKind::Trace) => {
            "name the directory that it lies in, if `trainyard train` made that"
        }
        _ => "name a directory that `trainyard train` made",
    };
    let name = kind.as_ref().map_or("a file", FileKind::name);
    let reason = format!("it is {name}, not a run directory; {remedy}");
    RunError::BadFile { path: path.to_owned(), reason }
}

/// Removes what a crash left half-written.
fn remove_unfinished(directory: &Path) -> Result<(), RunError> {
    for path in entries(directory)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // As the program names them: a person may have files of the sort.
        let is_ours = name.starts_with('.') || name.starts_with("step-");
        if is_ours && name.ends_with(UNFINISHED) {
            let is_dir = fs::symlink_metadata(&path).is_ok_and(|about| about.is_dir());
            let remove = if is_dir { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            remove.map_err(RunError::io("remove the leftover", &path))?;
        }
    }
    Ok(())
}
