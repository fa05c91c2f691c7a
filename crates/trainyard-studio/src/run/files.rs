//! What a run directory holds, read and never written.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File, TryLockError};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use trainyard_plan::compare::Prediction;
use trainyard_plan::{Plan, Profile};

use super::journal_files::has_journal;

/// The journal's name.
pub const JOURNAL: &str = "journal.jsonl";
/// The run file's.
pub const RUN_FILE: &str = "run.toml";
/// The plan's.
pub const PLAN: &str = "plan.json";
/// The profile's.
pub const PROFILE: &str = "profile.json";
/// The measured trace's.
pub const TRACE: &str = "trace.json";
/// The predicted trace's.
pub const PREDICTED_TRACE: &str = "predicted-trace.json";
const CHECKPOINTS: &str = "checkpoints";
const LOCK: &str = ".lock";
/// The largest file that is read whole.
const LARGEST_BYTES: u64 = 256 << 20;

/// The settings of a run, as far as they could be read.
#[derive(Clone, Debug, Default)]
pub struct RunFiles {
    /// The run file's text, with every default.
    pub run_file: Option<String>,
    /// The plan that is run.
    pub plan: Option<Arc<Plan>>,
    /// The costs it was planned with.
    pub profile: Option<Arc<Profile>>,
    /// What the simulator says of the two.
    pub prediction: Option<Arc<Prediction>>,
    /// What it trains, by its run file.
    pub trains: Trains,
    /// What could not be read, in words that name the file.
    pub problems: Vec<String>,
}

/// What a run trains.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Trains {
    /// A pretrained model, which other programs can have too.
    Pretrained,
    /// A pretrained encoder with a task, which writes no text.
    Encoder,
    /// Something else.
    #[default]
    Other,
}

/// Who writes a run directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writer {
    /// A training does, with this process number where it says so.
    Running(Option<u32>),
    /// No program.
    Nobody,
    /// The file system knows no locks, or the lock cannot be looked at.
    Unknown,
}

/// Whether a path is a run directory: it has a journal.
#[must_use]
pub fn is_run(directory: &Path) -> bool {
    has_journal(directory)
}

/// The names of the checkpoints that a run directory has: older ones are removed as it goes on.
#[must_use]
pub(super) fn checkpoints_in(directory: &Path) -> BTreeSet<OsString> {
    let entries = fs::read_dir(directory.join(CHECKPOINTS)).into_iter().flatten();
    entries.filter_map(|entry| Some(entry.ok()?.file_name())).collect()
}

impl Trains {
    fn of_run_file(run_file: &str) -> Self {
        let table: toml::Table = run_file.parse().unwrap_or_default();
        let model = table.get("model");
        let text = |key: &str| model.and_then(|model| model.get(key)).and_then(toml::Value::as_str);
        // Decoders learn from no tables of texts.
        let has_table = table.get("data").is_some_and(|data| data.get("sentences").is_some());
        match (text("kind"), text("task")) {
            (Some("hf"), None) if !has_table => Self::Pretrained,
            (Some("hf"), _) => Self::Encoder,
            _ => Self::Other,
        }
    }
}

impl RunFiles {
    /// Reads what is there. What is missing is not a problem: a run that starts has nothing yet.
    #[must_use]
    pub fn read(directory: &Path) -> Self {
        let mut problems = Vec::new();
        let mut text = |name: &str| match read_text(&directory.join(name)) {
            Ok(text) => text,
            Err(problem) => {
                problems.push(problem);
                None
            }
        };
        let (run_file, plan, profile) = (text(RUN_FILE), text(PLAN), text(PROFILE));
        let trains = run_file.as_deref().map(Trains::of_run_file).unwrap_or_default();
        let mut files = Self { run_file, trains, problems, ..Self::default() };
        if let Some(text) = plan {
            files.plan = files.take(PLAN, Plan::from_json(&text));
        }
        if let Some(text) = profile {
            files.profile = files.take(PROFILE, Profile::from_json(&text));
        }
        if let (Some(plan), Some(profile)) = (&files.plan, &files.profile) {
            match Prediction::of(profile, plan) {
                Ok(prediction) => files.prediction = Some(Arc::new(prediction)),
                Err(error) => {
                    files.problems.push(format!("the plan cannot be simulated: {error}"));
                }
            }
        }
        files
    }

    fn take<T>(&mut self, name: &str, read: Result<T, impl fmt::Display>) -> Option<Arc<T>> {
        match read {
            Ok(value) => Some(Arc::new(value)),
            Err(error) => {
                self.problems.push(format!("{name}: {error}"));
                None
            }
        }
    }
}

impl Writer {
    /// Looks whether a training holds the directory's lock. For a moment this holds the lock
    /// itself, so it must not be asked while a training is being started there.
    #[must_use]
    pub fn of(directory: &Path) -> Self {
        let mut file = match File::open(directory.join(LOCK)) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Self::Nobody,
            Err(_) => return Self::Unknown,
        };
        match file.try_lock_shared() {
            Ok(()) => Self::Nobody,
            Err(TryLockError::WouldBlock) => {
                let mut note = String::new();
                // On Windows a locked file cannot be read.
                let read = (&mut file).take(40).read_to_string(&mut note);
                let id = note.trim().strip_prefix("process ").filter(|_| read.is_ok());
                Self::Running(id.and_then(|id| id.parse().ok()))
            }
            Err(TryLockError::Error(_)) => Self::Unknown,
        }
    }
}

/// A file's text; `None` if there is no such file.
fn read_text(path: &PathBuf) -> Result<Option<String>, String> {
    let problem = |reason: String| format!("{} cannot be read: {reason}", path.display());
    let length = match fs::metadata(path) {
        Ok(about) => about.len(),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(problem(error.to_string())),
    };
    if length > LARGEST_BYTES {
        return Err(problem(format!("it is {length} bytes long, too long for such a file")));
    }
    fs::read_to_string(path).map(Some).map_err(|error| problem(error.to_string()))
}
