//! The checkpoints of a run: which there are, which one is meant, and which may go.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use trainyard_engine::EngineError;
use trainyard_engine::checkpoint::{self, Manifest};
use trainyard_plan::journal::{Header, Record};

use super::atomic::UNFINISHED;
use super::{LATEST, RunDir, entries, write_atomic};
use crate::error::RunError;
use crate::journal::{self, first_header, read_what_is_sound};
use crate::validations::Validations;

const CHECKPOINTS: &str = "checkpoints";
const STEP: &str = "step-";
/// How often a reader looks again where a training removes what it was about to read.
const TRIES: usize = 20;

/// Which checkpoint of a run is meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CheckpointChoice {
    /// The newest.
    #[default]
    Latest,
    /// The one with the lowest validation loss, of those that are kept.
    Best,
    /// The one after this step.
    Step(u64),
}

impl FromStr for CheckpointChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim() {
            "latest" => Ok(Self::Latest),
            "best" => Ok(Self::Best),
            other => match other.trim_start_matches(STEP).parse() {
                Ok(step) => Ok(Self::Step(step)),
                Err(_) => Err("give latest, best, or the step of a checkpoint".to_owned()),
            },
        }
    }
}

/// A checkpoint, held: a training beside does not remove it as long as this lives.
#[derive(Debug)]
pub struct Found {
    /// Its step.
    pub step: u64,
    /// Its folder.
    pub path: PathBuf,
    /// Why it is not the one that was to be expected, for a person.
    pub note: Option<String>,
    /// The lock lives as long as the file is open.
    _hold: Option<File>,
}

impl RunDir {
    /// Where the checkpoint after a step belongs.
    #[must_use]
    pub fn checkpoint(&self, step: u64) -> PathBuf {
        self.path().join(Self::checkpoint_name(step))
    }

    /// The same, relative to the run directory, as journals and `latest` name it.
    #[must_use]
    pub fn checkpoint_name(step: u64) -> String {
        format!("{CHECKPOINTS}/{STEP}{step:06}")
    }

    pub(super) fn checkpoints_dir(&self) -> PathBuf {
        self.path().join(CHECKPOINTS)
    }

    /// The checkpoints by step, oldest first.
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
        write_atomic(&self.path().join(LATEST), format!("{name}\n").as_bytes())
    }

    /// The checkpoint that `latest` names and its step; `None` if there is no `latest`.
    ///
    /// # Errors
    /// [`RunError::BadLatest`] if `latest` leads nowhere, [`RunError::Io`].
    pub fn latest(&self) -> Result<Option<(u64, PathBuf)>, RunError> {
        let path = self.path().join(LATEST);
        match fs::read(&path) {
            Ok(bytes) => self.check_latest(String::from_utf8_lossy(&bytes).trim()).map(Some),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(RunError::io("read", path)(error)),
        }
    }

    /// The checkpoint that is meant, held against being removed. Where `latest` is missing or leads
    /// nowhere, that is the newest whole one, and [`Found::note`] says so.
    ///
    /// # Errors
    /// [`RunError::NoCheckpoint`] if there is none such, [`RunError::BadLatest`], [`RunError::Io`].
    pub fn find(&self, choice: CheckpointChoice) -> Result<Found, RunError> {
        let mut tries = 0;
        loop {
            tries += 1;
            let (step, path, note) = match self.named(choice) {
                // A training beside saved and removed between two looks: now there is a newest one.
                Err(_) | Ok((_, _, Some(_)))
                    if choice == CheckpointChoice::Latest
                        && tries < TRIES
                        && matches!(self.latest(), Ok(Some(_))) =>
                {
                    continue;
                }
                named => named?,
            };
            let hold = hold(&path);
            // Removed between the look and the lock: the next look finds what is there now.
            if path.is_dir() || tries == TRIES {
                let hold = hold.map_err(RunError::io("open", &path));
                return hold.map(|hold| Found { step, path, note, _hold: hold });
            }
        }
    }

    fn named(&self, choice: CheckpointChoice) -> Result<(u64, PathBuf, Option<String>), RunError> {
        let mut all = self.checkpoints()?;
        if !matches!(choice, CheckpointChoice::Step(_)) {
            // Later ones are of before the run went back to an earlier one.
            let newest = self.newest_saved()?;
            all.retain(|(step, _)| newest.is_none_or(|newest| *step <= newest));
        }
        let steps = || match all.iter().map(|(step, _)| step.to_string()).collect::<Vec<_>>() {
            steps if steps.is_empty() => "it has none".to_owned(),
            steps => format!("it has those after the steps {}", steps.join(", ")),
        };
        let none = |what: String| RunError::NoCheckpoint { path: self.path().to_owned(), what };
        let of_step = |wanted: u64| {
            let found = all.iter().find(|(step, _)| *step == wanted).cloned();
            found.map(|(step, path)| (step, path, None))
        };
        match choice {
            CheckpointChoice::Step(step) => {
                let what = || format!("no checkpoint after step {step}: {}", steps());
                of_step(step).ok_or_else(|| none(what()))
            }
            CheckpointChoice::Best => {
                let validated = self.validations()?.comparable();
                let kept = all.iter().filter_map(|(step, _)| Some((*step, *validated.get(step)?)));
                let best = kept.min_by(|(_, one), (_, other)| one.total_cmp(other));
                let what = || format!("no checkpoint that was validated; {}", steps());
                best.and_then(|(step, _)| of_step(step)).ok_or_else(|| none(what()))
            }
            CheckpointChoice::Latest => {
                let problem = match self.latest() {
                    Ok(Some((step, path))) => return Ok((step, path, None)),
                    Ok(None) => None,
                    Err(error @ RunError::BadLatest { .. }) => Some(error),
                    Err(error) => return Err(error),
                };
                let Some((step, path)) = newest_whole(&all) else {
                    let words = "no checkpoint yet; a training saves one now and then, and where it is \
                                 stopped with Ctrl-C";
                    return Err(problem.unwrap_or_else(|| none(words.to_owned())));
                };
                let name = Self::checkpoint_name(step);
                let why = problem.map_or_else(
                    || format!("{} is missing", self.path().join(LATEST).display()),
                    |problem| problem.to_string(),
                );
                Ok((step, path, Some(format!("{why}: taking {name}, the newest whole one"))))
            }
        }
    }

    /// The validations, as the journal has them.
    ///
    /// # Errors
    /// As [`read_what_is_sound`].
    pub fn validations(&self) -> Result<Validations, RunError> {
        let mut validations = Validations::default();
        read_what_is_sound(self.path(), |record| validations.push(&record))?;
        Ok(validations)
    }

    /// The step of the checkpoint that was saved last, as `latest` or else the journal has it.
    fn newest_saved(&self) -> Result<Option<u64>, RunError> {
        if let Ok(Some((step, _))) = self.latest() {
            return Ok(Some(step));
        }
        let mut newest = None;
        read_what_is_sound(self.path(), |record| {
            if let Record::Checkpoint { step, .. } = record {
                newest = Some(step);
            }
        })?;
        Ok(newest)
    }

    /// Removes the oldest checkpoints until `keep` are left. The one that `latest` names stays, and
    /// so do the newest, those that are to stay for another reason, and those that somebody reads.
    ///
    /// # Errors
    /// [`RunError::BadLatest`], before anything is removed; [`RunError::Io`].
    pub fn prune_checkpoints(&self, keep: usize, also: &BTreeSet<u64>) -> Result<(), RunError> {
        let latest = self.latest()?.map(|(step, _)| step);
        let mut all = self.checkpoints()?;
        // Later ones are of before the run went back: they are not of those that are kept, and stay.
        all.retain(|(step, _)| latest.is_none_or(|latest| *step <= latest));
        let excess = all.len().saturating_sub(keep.max(1));
        for (step, path) in all.iter().take(excess) {
            if Some(*step) == latest || also.contains(step) {
                continue;
            }
            // Closed at once: Windows renames no folder with an open file.
            if File::open(path.join(MANIFEST)).is_ok_and(|manifest| is_held(&manifest)) {
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

    /// What a checkpoint says of itself, if it is the one of this run that its name says.
    ///
    /// # Errors
    /// [`RunError::BadCheckpoint`].
    pub fn manifest(&self, found: &Found) -> Result<Manifest, RunError> {
        let Found { step, path, .. } = found;
        let manifest = self.explain(*step, checkpoint::read_manifest(path))?;
        let own = self.run_id()?;
        let is_others = manifest.run.iter().zip(&own).any(|(run, own)| run != own);
        let reason = if manifest.step != *step {
            format!("its name says step {step}, its manifest step {}", manifest.step)
        } else if is_others {
            "it is of another run".to_owned()
        } else {
            return Ok(manifest);
        };
        let reason = format!("{reason}: it was copied here");
        self.explain(*step, Err(EngineError::Checkpoint { path: path.clone(), reason }))
    }

    /// What tells this run's checkpoints from those of others: when it was started first.
    ///
    /// # Errors
    /// As [`read_what_is_sound`].
    pub fn run_id(&self) -> Result<Option<String>, RunError> {
        if !journal::is_there(self.path()) {
            return Ok(None);
        }
        Ok(first_header(self.path())?.as_ref().map(run_id))
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
        let mut others = self.checkpoints().unwrap_or_default();
        others.retain(|(other, _)| *other < step);
        let remedy = match newest_whole(&others) {
            Some((older, _)) => format!(
                "if [model] or [optimizer] was changed, change it back; to use the newest whole \
                 checkpoint before this one, say --checkpoint {older}"
            ),
            None => "if [model] or [optimizer] was changed, change it back; or start a new run in \
                     another directory with --set run.dir=..."
                .to_owned(),
        };
        Err(RunError::BadCheckpoint { error, remedy })
    }

    /// The step and path of a checkpoint named in `latest`.
    fn check_latest(&self, name: &str) -> Result<(u64, PathBuf), RunError> {
        let bad = |reason: &str| RunError::BadLatest {
            path: self.path().join(LATEST),
            found: name.to_owned(),
            reason: reason.to_owned(),
        };
        let path = self.path().join(name);
        // A name that says anything but a step is refused, so it cannot lead out of the directory.
        let step = step_of(&path).filter(|step| name == Self::checkpoint_name(*step));
        let step = step.ok_or_else(|| bad("is not the name of a checkpoint"))?;
        if path.is_dir() {
            return Ok((step, path));
        }
        // A crash came just when it was to be replaced.
        let older = checkpoint::older_ones(&self.checkpoints_dir()).unwrap_or_default();
        let older = older.into_iter().find(|older| older.with_extension("") == path);
        older.map(|older| (step, older)).ok_or_else(|| bad("does not exist"))
    }
}

/// What tells a run's checkpoints from those of others, by the first header of its journal.
pub(crate) fn run_id(header: &Header) -> String {
    format!("{}-{}", header.model, header.started_unix_ms)
}

const MANIFEST: &str = "manifest.json";

/// Locks a checkpoint against being removed; nothing on a file system that knows no locks.
fn hold(path: &Path) -> std::io::Result<Option<File>> {
    let file = match File::open(path.join(MANIFEST)) {
        Ok(file) => file,
        // Whoever reads it says what is wrong with it.
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    match file.lock_shared() {
        Ok(()) => Ok(Some(file)),
        Err(error) if error.kind() == ErrorKind::Unsupported => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether somebody holds a checkpoint.
fn is_held(manifest: &File) -> bool {
    matches!(manifest.try_lock(), Err(fs::TryLockError::WouldBlock))
}

/// The newest checkpoint whose files are all as they were written.
fn newest_whole(all: &[(u64, PathBuf)]) -> Option<(u64, PathBuf)> {
    all.iter().rev().find(|(_, path)| checkpoint::check_whole(path).is_ok()).cloned()
}

/// The step a checkpoint's name says.
pub(super) fn step_of(path: &Path) -> Option<u64> {
    let digits = path.file_name()?.to_str()?.strip_prefix(STEP)?;
    let plain = digits.len() >= 6 && digits.bytes().all(|b| b.is_ascii_digit());
    if plain { digits.parse().ok() } else { None }
}
