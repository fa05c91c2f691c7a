//! Which checkpoint of a run is meant, and whether it can be used.

use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use trainyard_engine::checkpoint::{self, Manifest};
use trainyard_engine::{CheckpointFault, EngineError};
use trainyard_plan::journal::{Header, Record};

use super::checkpoints::{MANIFEST, STEP};
use super::{LATEST, RunDir};
use crate::error::RunError;
use crate::journal::{self, first_header, read_what_is_sound};

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
                let hold = hold.map_err(RunError::io("open", path.join(MANIFEST)));
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
            steps => {
                let word =
                    if steps.len() == 1 { "that after step" } else { "those after the steps" };
                format!("it has {word} {}", steps.join(", "))
            }
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
        let fault = CheckpointFault::Damaged;
        self.explain(*step, Err(EngineError::Checkpoint { path: path.clone(), fault, reason }))
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
        result.map_err(|error| match &error {
            EngineError::Checkpoint { fault, .. } => {
                let remedy = self.remedy(step, fault);
                RunError::BadCheckpoint { error, remedy }
            }
            _ => error.into(),
        })
    }

    /// The way out where the checkpoint of a step cannot be used.
    fn remedy(&self, step: u64, fault: &CheckpointFault) -> String {
        let new_run = "start a new run in another directory with --set run.dir=...";
        match fault {
            CheckpointFault::Damaged => {
                let mut others = self.checkpoints().unwrap_or_default();
                others.retain(|(other, _)| *other < step);
                match newest_whole(&others) {
                    Some((older, _)) => {
                        format!("to use the newest whole one before it, say --checkpoint {older}")
                    }
                    None => format!("there is no whole one before it: {new_run}"),
                }
            }
            CheckpointFault::OtherModel => {
                format!(
                    "change [model] back to what it was trained with (train.method and [lora] too), or {new_run}"
                )
            }
            CheckpointFault::OtherOptimizer { saved } => {
                format!("say --set optimizer.kind={saved}, or {new_run}")
            }
            CheckpointFault::OtherState => {
                format!("change [optimizer] back to what it was, or {new_run}")
            }
            CheckpointFault::OtherVersion => {
                format!("use the program that wrote it, or {new_run}")
            }
        }
    }
}

/// What tells a run's checkpoints from those of others, by the first header of its journal.
pub(crate) fn run_id(header: &Header) -> String {
    format!("{}-{}", header.model, header.started_unix_ms)
}

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

/// The newest checkpoint whose files are all as they were written.
fn newest_whole(all: &[(u64, PathBuf)]) -> Option<(u64, PathBuf)> {
    all.iter().rev().find(|(_, path)| checkpoint::check_whole(path).is_ok()).cloned()
}
