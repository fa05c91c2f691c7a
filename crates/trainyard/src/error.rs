//! What can go wrong between a person's files and a training: run files, texts, run directories,
//! journals. Every message names the thing, the place and the way out.

use std::io;
use std::path::PathBuf;

use miette::Diagnostic;
use thiserror::Error;
pub use trainyard_config::ConfigProblem;
use trainyard_config::{ConfigError, Document};
use trainyard_data::DataError;
use trainyard_engine::EngineError;
use trainyard_models::RecipeError;
use trainyard_plan::PlanError;
use trainyard_plan::memory::human_bytes;
use trainyard_pretrained::PretrainedError;

/// Everything the library part of the program refuses or reports.
///
/// It is also a [`miette::Diagnostic`], so a command turns it into a report with `?`; a problem in a
/// run file then comes with the lines around it.
#[derive(Debug, Error, Diagnostic)]
#[non_exhaustive]
pub enum RunError {
    /// Something in a run file, or in a `--set`, with the place where it stands.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Config(#[from] Box<ConfigProblem>),
    /// A setting whose value makes no sense.
    #[error("{key} is {value}, but must be {must}")]
    BadValue {
        /// Dotted name of the setting, such as `train.batch`.
        key: String,
        /// Its value, as text.
        value: String,
        /// What it must be.
        must: String,
    },
    /// A plan, schedule, profile or journal line that is not sound, or a plan that does not fit.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// A plan, profile or schedule file that is not sound, or not one for this run.
    #[error("{path} cannot be used: {error}", path = .path.display())]
    PlanFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: PlanError,
    },
    /// A file that is not what it should be.
    #[error("{path}: {reason}", path = .path.display())]
    BadFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A device, a worker or a checkpoint.
    #[error(transparent)]
    Engine(EngineError),
    /// A checkpoint of a run that cannot be loaded.
    #[error("{error}; {remedy}")]
    BadCheckpoint {
        /// What is wrong with it.
        error: EngineError,
        /// The way out.
        remedy: String,
    },
    /// Data of a kind that the model does not learn from.
    #[error(transparent)]
    Recipe(RecipeError),
    /// Data that cannot be read or used.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A pretrained model that cannot be read, or is not known.
    #[error(transparent)]
    Pretrained(#[from] PretrainedError),
    /// A checkpoint or a text that does not belong to the run.
    #[error("{what}; {remedy}")]
    Mismatch {
        /// What does not match.
        what: String,
        /// The way out.
        remedy: &'static str,
    },
    /// A text that is not UTF-8.
    #[error(
        "{name} is not UTF-8 text: the byte at offset {offset} (line {line}) cannot be read; save it \
         as UTF-8"
    )]
    NotUtf8 {
        /// The file.
        name: String,
        /// Offset of the first bad byte, from 0.
        offset: u64,
        /// Its line, from 1.
        line: u64,
    },
    /// A directory that holds another run already.
    #[error(
        "{path} already holds a run ({found}); continue it with `{program} resume {quoted}`, or name \
         another directory with `--set run.dir=...` (demo: `--directory`)",
        path = .path.display(),
        quoted = crate::cli::quoted(.path),
        program = crate::cli::program()
    )]
    RunExists {
        /// The directory.
        path: PathBuf,
        /// The file that shows it.
        found: String,
    },
    /// A file that a person may have written or edited.
    #[error(
        "{path} is there already, and not as this program wrote it: it may hold work of yours; name \
         another file, or say --force to replace it",
        path = .path.display()
    )]
    WouldReplace {
        /// The file.
        path: PathBuf,
    },
    /// Something else than a file, where one of a run is to be.
    #[error("{path} is {what}, and is not replaced; move it away", path = .path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
        /// What lies there.
        what: &'static str,
    },
    /// A directory that holds no run.
    #[error(
        "{path} is not a run directory: it has no {missing}; name a directory that `trainyard \
         train` made",
        path = .path.display()
    )]
    NotARun {
        /// The directory.
        path: PathBuf,
        /// The file it lacks.
        missing: String,
    },
    /// A directory another training writes to right now.
    #[error(
        "another training ({holder}) is writing to {path}; wait for it, stop it, or begin a run in \
         another directory: `{program} train ... --set run.dir=...`",
        path = .path.display(),
        program = crate::cli::program()
    )]
    RunInUse {
        /// The directory.
        path: PathBuf,
        /// The process that holds it, as far as it is known.
        holder: String,
    },
    /// A `latest` file that leads nowhere.
    #[error(
        "{path} names '{found}', which {reason}; write the name of an existing checkpoint into it, \
         such as checkpoints/step-000100",
        path = .path.display()
    )]
    BadLatest {
        /// The file.
        path: PathBuf,
        /// What stands in it.
        found: String,
        /// What is wrong with that.
        reason: String,
    },
    /// A run without the checkpoint that is needed.
    #[error("{path} has {what}", path = .path.display())]
    NoCheckpoint {
        /// The run directory.
        path: PathBuf,
        /// What it has not.
        what: String,
    },
    /// A run that is to go on and has nothing to go on from.
    #[error(
        "{path} has no checkpoint to go on from{}; begin it anew with `{} resume {} --restart`",
        lost(*.steps),
        crate::cli::program(),
        crate::cli::quoted(.path),
        path = .path.display()
    )]
    NothingToResume {
        /// The run directory.
        path: PathBuf,
        /// Steps that were made and are lost.
        steps: u64,
    },
    /// A run directory that was removed, renamed or taken over while it was written to.
    #[error(
        "{path} is not the run directory any more that this training writes to: it was \
         removed or renamed, or the file .lock in it was",
        path = .path.display()
    )]
    RunMoved {
        /// Where it was.
        path: PathBuf,
    },
    /// A disk that has no room for a checkpoint.
    #[error(
        "{path} has {} free, and a checkpoint of {} needs {}; free some space, or take another disk: a \
         new run's directory is named with `--set run.dir=...`, that of one that goes on is copied",
        human_bytes(*.free),
        human_bytes(*.checkpoint),
        human_bytes(*.needed),
        path = .path.display()
    )]
    NoRoom {
        /// The run directory.
        path: PathBuf,
        /// Size of a checkpoint, bytes.
        checkpoint: u64,
        /// What is needed, bytes.
        needed: u64,
        /// What is free, bytes.
        free: u64,
    },
    /// Somebody stopped it before anything was begun.
    #[error("stopped before the first step; nothing was changed")]
    Interrupted,
    /// An error that ended a training, and what was kept of it.
    #[error("{error}; {kept}")]
    Ended {
        /// What happened.
        error: Box<RunError>,
        /// What was kept, and how to go on.
        kept: String,
    },
    /// A journal that cannot be read.
    #[error("{path}, line {line}: {reason}", path = .path.display())]
    Journal {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong, and the way out.
        reason: String,
    },
    /// Reading or writing failed.
    #[error("cannot {doing} {path}: {source}{}", way_out(.source), path = .path.display())]
    Io {
        /// What was tried: `read`, `write`, ….
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl RunError {
    /// An input or output error, ready for `map_err`.
    pub fn io(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { doing, path, source }
    }

    /// A problem that has no place in a file, such as a setting that is missing.
    #[must_use]
    pub fn config(message: impl Into<String>) -> Self {
        let message = message.into();
        let label = String::new();
        Self::from(Box::new(ConfigProblem { message, source_code: None, span: None, label }))
    }

    /// The same as a problem at the place of a key of the run file, where it has one.
    #[must_use]
    pub fn at(self, document: &Document, key: &str) -> Self {
        document.problem_with(key, &self).map_or(self, Self::from)
    }

    /// The same with what was kept of the training that it ended.
    #[must_use]
    pub fn with_what_was_kept(self, kept: String) -> Self {
        Self::Ended { error: Box::new(self), kept }
    }

    /// Whether the reader of the program's output has gone.
    #[must_use]
    pub fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::BrokenPipe)
    }

    /// The exit code a program should end with: 1 failed, 2 wrong input, 3 it does not fit.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Plan(PlanError::DoesNotFit { .. } | PlanError::TensorTooLarge { .. })
            | Self::Engine(
                EngineError::Plan(PlanError::DoesNotFit { .. } | PlanError::TensorTooLarge { .. })
                | EngineError::OverBudget { .. }
                | EngineError::LayerTooLarge { .. },
            ) => 3,
            Self::Engine(
                EngineError::Plan(_)
                | EngineError::NoSuchAdapter { .. }
                | EngineError::AmbiguousAdapter { .. }
                | EngineError::Checkpoint { .. },
            ) => 2,
            Self::Ended { error, .. } => error.exit_code(),
            Self::Interrupted => crate::interrupt::INTERRUPTED,
            Self::Engine(_)
            | Self::RunInUse { .. }
            | Self::RunMoved { .. }
            | Self::NoRoom { .. }
            | Self::Data(
                DataError::Changed { .. }
                | DataError::OutsideText { .. }
                | DataError::Panicked { .. }
                | DataError::NoThread { .. },
            ) => 1,
            Self::Data(DataError::Io { source, .. }) if !is_wrong_name(source) => 1,
            Self::Io { source, .. } if !is_wrong_name(source) => 1,
            _ => 2,
        }
    }
}

impl From<ConfigError> for RunError {
    fn from(error: ConfigError) -> Self {
        match error {
            ConfigError::Problem(problem) => Self::Config(problem),
            ConfigError::BadValue { key, value, must } => Self::BadValue { key, value, must },
            ConfigError::Read { path, source } => Self::io("read the run file", path)(source),
            ConfigError::NotUtf8 { name, offset, line } => Self::NotUtf8 { name, offset, line },
            other => Self::config(other.to_string()),
        }
    }
}

impl From<RecipeError> for RunError {
    fn from(error: RecipeError) -> Self {
        match error {
            RecipeError::Config(error) => error.into(),
            RecipeError::Data(error) => error.into(),
            RecipeError::Pretrained(error) => error.into(),
            other @ (RecipeError::WrongData { .. }
            | RecipeError::OtherKind { .. }
            | RecipeError::Segments { .. }) => Self::Recipe(other),
        }
    }
}

impl From<EngineError> for RunError {
    fn from(error: EngineError) -> Self {
        match error {
            // The same remedies as for the program's own files: a full disk is met here first.
            EngineError::Io { path, source } => Self::io("read or write", path)(source),
            EngineError::BadOption { key, value, must } => Self::BadValue { key, value, must },
            other => Self::Engine(other),
        }
    }
}

/// Steps that were made for nothing, in words.
fn lost(steps: u64) -> String {
    match steps {
        0 => String::new(),
        steps => format!(": the {steps} steps it made are lost"),
    }
}

/// Whether a file or folder was named that is not there, or is something else than it should be.
fn is_wrong_name(source: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(
        source.kind(),
        Kind::NotFound
            | Kind::InvalidInput
            | Kind::IsADirectory
            | Kind::NotADirectory
            | Kind::AlreadyExists
    )
}

/// The remedy for the input and output errors that have one.
fn way_out(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "; free some space; a training goes on with `resume`, and keeps less with a \
             lower train.keep_checkpoints"
        }
        io::ErrorKind::NotFound => "; check the name",
        io::ErrorKind::IsADirectory => "; name a file",
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            "; a file is in the way: name another place"
        }
        io::ErrorKind::PermissionDenied => "; check who may read and write it",
        io::ErrorKind::ReadOnlyFilesystem => "; name a place that can be written to",
        _ => "",
    }
}
