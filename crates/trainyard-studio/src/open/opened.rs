//! What was in a file, or why it cannot be opened.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use thiserror::Error;
use trainyard_plan::chrome::TraceFile;
use trainyard_plan::{OtherFile, Plan, PlanError, Trace};

use crate::document::Document;
use crate::timeline::ForeignScene;

/// The most events of a journal that are shown, which take about 2 GB.
pub(super) const MOST_EVENTS: usize = 1_500_000;

/// Contents of a file.
#[derive(Debug)]
pub enum Opened {
    /// Costs and a plan: from a profile, a plan or a run file with its profile beside it.
    Document(Box<Document>),
    /// A run file whose costs are not known yet.
    RunFile(PathBuf),
    /// A pretrained model: a folder or a file. What training it would need is not known yet.
    Model(PathBuf),
    /// A plan without a profile beside it.
    Plan {
        /// Its path.
        file: PathBuf,
        /// It.
        plan: Box<Plan>,
    },
    /// A run directory, and what was planned for it where that can be read.
    Run {
        /// Its path.
        directory: PathBuf,
        /// Its plan.
        document: Option<Box<Document>>,
    },
    /// What happened when.
    Trace(OpenedTrace),
}

/// A trace that is opened by itself.
#[derive(Clone, Debug)]
pub struct OpenedTrace {
    /// What devices did.
    pub trace: Arc<Trace>,
    /// What other programs did, ready to be drawn.
    pub foreign: Option<Arc<ForeignScene>>,
    /// What a reader should know of the file, in words.
    pub remarks: Vec<String>,
}

impl OpenedTrace {
    /// The trace of a journal.
    pub(super) fn of_journal(trace: Trace) -> Self {
        Self { trace: Arc::new(trace), foreign: None, remarks: Vec::new() }
    }
}

impl Opened {
    /// The contents of a trace file.
    pub(super) fn trace(file: TraceFile) -> Self {
        let TraceFile { trace, foreign, remarks } = file;
        let foreign = (!foreign.is_empty()).then(|| Arc::new(ForeignScene::new(foreign)));
        Self::Trace(OpenedTrace { trace: Arc::new(trace), foreign, remarks })
    }
}

/// Why a file cannot be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The system refuses.
    #[error("{} cannot be read: {error}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What it says.
        error: io::Error,
    },
    /// The file is too large to be what it says.
    #[error("{} has {bytes} bytes, more than can be read at once", .path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// A journal has more than can be shown at once.
    #[error("{} has more than {MOST_EVENTS} actions, more than can be shown at once", .path.display())]
    TooManyEvents {
        /// The journal.
        path: PathBuf,
    },
    /// It is something else.
    #[error(
        "{} is {}, not a run file (TOML with a [model]), profile, plan, trace, journal or model",
        .path.display(), .file.name
    )]
    Other {
        /// The file.
        path: PathBuf,
        /// What it is.
        file: OtherFile,
    },
    /// The directory has nothing of ours.
    #[error("the directory {} has neither a run nor a run file, profile, plan or model in it", .path.display())]
    NoRun {
        /// The directory.
        path: PathBuf,
    },
    /// It is a file of ours, but wrong.
    #[error("{}: {error}", .path.display())]
    Bad {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: PlanError,
    },
}

impl OpenError {
    /// What a person can do about it.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Read { error, .. } if error.kind() == io::ErrorKind::NotFound => {
                "Look whether it was moved or renamed, and open it from there."
            }
            Self::Read { .. } => "Look whether you may read it.",
            Self::TooLarge { .. } | Self::TooManyEvents { .. } => {
                "Write a part of the trace: trainyard trace RUN_DIR --from STEP --to STEP."
            }
            Self::Other { file, .. } if !file.remedy.is_empty() => file.remedy,
            Self::Other { .. } => {
                "trainyard measure writes profiles, trainyard plan writes plans, trainyard trace \
                 writes traces."
            }
            Self::NoRun { .. } => {
                "A run directory is what trainyard train leaves, with a journal.jsonl; a model's folder has a \
                 config.json."
            }
            Self::Bad { error: PlanError::UnknownVersion { .. }, .. } => {
                "Use a studio of the version that wrote it."
            }
            Self::Bad { error: PlanError::BadPlan { .. }, .. } => {
                "Plan and profile must be of the same model and devices; make the plan anew from \
                 the profile."
            }
            Self::Bad { .. } => "Mend the place that is named, or make the file anew.",
        }
    }
}
