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

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use trainyard_engine::EngineError;

use crate::error::RunError;
use atomic::UNFINISHED;
pub use atomic::write_atomic;
use lock::lock;

mod atomic;
mod lock;
#[cfg(test)]
mod tests;

const RUN_FILE: &str = "run.toml";
const PLAN: &str = "plan.json";
const JOURNAL: &str = "journal.jsonl";
const TRACE: &str = "trace.json";
const PREDICTED_TRACE: &str = "predicted-trace.json";
const PROFILE: &str = "profile.json";
const CHECKPOINTS: &str = "checkpoints";
const LATEST: &str = "latest";
const STEP: &str = "step-";

/// A run's directory. One opened for writing is locked until it is dropped.
#[derive(Debug)]
pub struct RunDir {
    path: PathBuf,
    /// The lock lives as long as the file is open.
    _lock: Option<File>,
}

impl RunDir {
    /// Opens a directory for writing, and makes it if need be. `fresh` says that a new run starts:
    /// the directory must not hold one. Otherwise a run goes on: it must hold one.
    ///
    /// # Errors
    /// [`RunError::RunExists`], [`RunError::NotARun`], [`RunError::RunInUse`] if another training
    /// writes there, [`RunError::Io`].
    pub fn create(path: &Path, fresh: bool) -> Result<Self, RunError> {
        if fresh {
            fs::create_dir_all(path).map_err(RunError::io("make the run directory", path))?;
        } else {
            require_run(path)?;
        }
        let lock = lock(path)?;
        // Looked at under the lock: of two that start at once, one sees the other's run.
        if fresh && let Some(found) = signs_of_a_run(path)? {
            return Err(RunError::RunExists { path: path.to_owned(), found });
        }
        let run = Self { path: path.to_owned(), _lock: lock };
        let checkpoints = run.checkpoints_dir();
        fs::create_dir_all(&checkpoints)
            .map_err(RunError::io("make the directory", &checkpoints))?;
        remove_unfinished(&run.path)?;
        remove_unfinished(&checkpoints)?;
        Ok(run)
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
        drop(lock(path)?);
        Err(RunError::RunExists { path: path.to_owned(), found })
    }

    /// Opens the directory of a run for reading. It may be written to at the same time.
    ///
    /// # Errors
    /// [`RunError::NotARun`] if it lacks a run file or a journal.
    pub fn open(path: &Path) -> Result<Self, RunError> {
        require_run(path)?;
        Ok(Self { path: path.to_owned(), _lock: None })
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

    /// Where the checkpoint after a step belongs.
    #[must_use]
    pub fn checkpoint(&self, step: u64) -> PathBuf {
        self.path.join(Self::checkpoint_name(step))
    }

    /// The same, relative to the run directory, as journals and `latest` name it.
    #[must_use]
    pub fn checkpoint_name(step: u64) -> String {
        format!("{CHECKPOINTS}/{STEP}{step:06}")
    }

    /// The whole checkpoints by step, oldest first.
    ///
    /// # Errors
    /// [`RunError::Io`] if the directory cannot be read.
    pub fn checkpoints(&self) -> Result<Vec<(u64, PathBuf)>, RunError> {
        let mut found = Vec::new();
        for path in entries(&self.checkpoints_dir())? {
            if let Some(step) = step_of(&path)
                && path.is_dir()
            {
                found.push((step, path));
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    /// Names the newest checkpoint, once it is whole.
    ///
    /// # Errors
    /// [`RunError::BadLatest`] if there is no such checkpoint, [`RunError::Io`].
    pub fn set_latest(&self, step: u64) -> Result<(), RunError> {
        let name = Self::checkpoint_name(step);
        self.check_latest(&name)?;
        write_atomic(&self.path.join(LATEST), format!("{name}\n").as_bytes())
    }

    /// The newest checkpoint and its step; `None` if none has been saved yet.
    ///
    /// # Errors
    /// [`RunError::BadLatest`] if `latest` leads nowhere, [`RunError::Io`].
    pub fn latest(&self) -> Result<Option<(u64, PathBuf)>, RunError> {
        let path = self.path.join(LATEST);
        match fs::read(&path) {
            Ok(bytes) => self.check_latest(String::from_utf8_lossy(&bytes).trim()).map(Some),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(RunError::io("read", path)(error)),
        }
    }

    /// [`Self::latest`] for whoever needs one.
    ///
    /// # Errors
    /// As [`Self::latest`]; [`RunError::Mismatch`] if none has been saved yet.
    pub fn newest_checkpoint(&self) -> Result<(u64, PathBuf), RunError> {
        self.latest()?.ok_or_else(|| RunError::Mismatch {
            what: format!("{} has no checkpoint yet", self.path.display()),
            remedy: "train it to its end, or stop it with Ctrl-C, which saves one",
        })
    }

    /// Removes the oldest checkpoints until `keep` are left. The one that `latest` names stays, and
    /// so does the newest.
    ///
    /// # Errors
    /// [`RunError::BadLatest`], before anything is removed; [`RunError::Io`].
    pub fn prune_checkpoints(&self, keep: usize) -> Result<(), RunError> {
        let latest = self.latest()?.map(|(step, _)| step);
        let all = self.checkpoints()?;
        let excess = all.len().saturating_sub(keep.max(1));
        for (step, path) in all.iter().take(excess) {
            if Some(*step) == latest {
                continue;
            }
            // Renamed first: half a checkpoint must never look like a whole one.
            let mut unfinished = path.clone().into_os_string();
            unfinished.push(UNFINISHED);
            let remove =
                fs::rename(path, &unfinished).and_then(|()| fs::remove_dir_all(&unfinished));
            remove.map_err(RunError::io("remove the old checkpoint", path))?;
        }
        Ok(())
    }

    /// Adds the way out to an error about the checkpoint of a step.
    ///
    /// # Errors
    /// [`RunError::BadCheckpoint`], or the error as it was where it is about something else.
    pub fn explain<T>(&self, step: u64, result: Result<T, EngineError>) -> Result<T, RunError> {
        let error = match result {
            Ok(value) => return Ok(value),
            Err(error @ EngineError::Checkpoint { .. }) => error,
            Err(other) => return Err(other.into()),
        };
        let others = self.checkpoints().unwrap_or_default();
        let older = others.iter().rev().map(|(other, _)| *other).find(|other| *other < step);
        let remedy = match older {
            Some(older) => format!(
                "if [model] or [optimizer] was changed, change it back; to use the checkpoint before \
                 this one, write {} into {}",
                Self::checkpoint_name(older),
                self.path.join(LATEST).display()
            ),
            None => "if [model] or [optimizer] was changed, change it back; or start a new run in \
                     another directory with --set run.dir=..."
                .to_owned(),
        };
        Err(RunError::BadCheckpoint { error, remedy })
    }

    fn checkpoints_dir(&self) -> PathBuf {
        self.path.join(CHECKPOINTS)
    }

    /// The step and path of a checkpoint named in `latest`.
    fn check_latest(&self, name: &str) -> Result<(u64, PathBuf), RunError> {
        let bad = |reason: &str| RunError::BadLatest {
            path: self.path.join(LATEST),
            found: name.to_owned(),
            reason: reason.to_owned(),
        };
        let path = self.path.join(name);
        // A name that says anything but a step is refused, so it cannot lead out of the directory.
        let step = step_of(&path).filter(|step| name == Self::checkpoint_name(*step));
        let step = step.ok_or_else(|| bad("is not the name of a checkpoint"))?;
        if path.is_dir() { Ok((step, path)) } else { Err(bad("does not exist")) }
    }
}

/// The step a checkpoint's name says.
fn step_of(path: &Path) -> Option<u64> {
    let digits = path.file_name()?.to_str()?.strip_prefix(STEP)?;
    let plain = digits.len() >= 6 && digits.bytes().all(|b| b.is_ascii_digit());
    if plain { digits.parse().ok() } else { None }
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
    let checkpoints = entries(&path.join(CHECKPOINTS))?;
    let found = checkpoints.iter().find(|path| step_of(path).is_some());
    Ok(found.map(|path| path.display().to_string()))
}

fn require_run(path: &Path) -> Result<(), RunError> {
    match [RUN_FILE, JOURNAL].into_iter().find(|name| !path.join(name).is_file()) {
        None => Ok(()),
        Some(missing) => Err(RunError::NotARun { path: path.into(), missing: missing.into() }),
    }
}

/// Removes what a crash left half-written.
fn remove_unfinished(directory: &Path) -> Result<(), RunError> {
    for path in entries(directory)? {
        if path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(UNFINISHED)) {
            let is_dir = fs::symlink_metadata(&path).is_ok_and(|about| about.is_dir());
            let remove = if is_dir { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            remove.map_err(RunError::io("remove the leftover", &path))?;
        }
    }
    Ok(())
}
