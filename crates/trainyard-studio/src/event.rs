//! What happens that concerns more than one part of the state.

use std::path::PathBuf;

use tempfile::TempDir;

use crate::command::Export;
use crate::export::ExportError;
use crate::fine_tuning::Sizes;
use crate::open::{OpenError, Opened};
use crate::run::{NamedProgram, Session, SessionError, Talk, TaskEnd};

/// Something that happened or was chosen.
pub enum Event {
    /// A file or directory is to be opened.
    Open(PathBuf),
    /// A file was read.
    Read(Box<FileRead>),
    /// A path was chosen.
    PathChosen(Purpose, PathBuf),
    /// A plan is wanted of the planner.
    Plan,
    /// A run file was looked at before a program is started for it.
    Inspected(Box<Inspected>),
    /// A person said whether the program that a run file names may be started.
    ProgramAnswered {
        /// The question.
        question: Box<Inspected>,
        /// Whether it may.
        allowed: bool,
    },
    /// A person agreed that measuring replaces the profile beside a run file.
    ReplaceProfile {
        /// The run file.
        run_file: PathBuf,
        /// Whether to measure also what is known.
        anew: bool,
    },
    /// The program `trainyard` answered, or failed to.
    Answered(Box<Answered>),
    /// A run file is to be made, and what its layers cost to be found out.
    MakeRunFile {
        /// In this directory.
        directory: PathBuf,
        /// Its text.
        text: String,
        /// Whether to measure; else the costs are estimated.
        measure: bool,
    },
    /// The small training on the CPU is to be made and started.
    TrainSmall,
    /// Something about the fine-tuning of a pretrained model.
    FineTuning(FineTuningEvent),
    /// The model of the run that is watched is to be written for other programs.
    ExportModel,
    /// A conversation with a model is to begin.
    Talk(Talk),
    /// A training was started, or could not be.
    Started {
        /// The result.
        session: Result<Box<Session>, SessionError>,
        /// The run file of a new run.
        run_file: Option<PathBuf>,
        /// Whether it goes on with the run that is watched.
        resumed: bool,
    },
    /// The run in this directory is to be watched, or cannot be.
    Attached(PathBuf, Result<Box<Session>, SessionError>),
    /// The plan was written to a file, or could not be.
    Saved(PathBuf, Result<(), ExportError>),
    /// Something else was written to a file, or could not be.
    Written(PathBuf, Result<(), ExportError>),
    /// The run that is watched has ended.
    RunEnded,
    /// The window is asked to close.
    CloseRequested,
    /// The answer to closing over a running training.
    CloseOverRun(Choice),
    /// The answer to closing over unsaved edits.
    CloseUnsaved(Answer),
}

/// Something about the fine-tuning of a pretrained model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FineTuningEvent {
    /// What training the model that is open needs is to be estimated anew.
    Estimate(Sizes),
    /// The devices of this machine are to be looked for.
    Devices,
    /// The columns of a table are to be listed.
    Columns(String),
    /// The first samples are to be shown.
    Preview,
    /// It is to begin.
    Start,
    /// It has begun; the next one needs another folder.
    NextFolder,
}

/// Contents of a file.
pub struct FileRead {
    /// The file or directory.
    pub path: PathBuf,
    /// Follow-up once it is open.
    pub then: Then,
    /// Its contents; `None` where reading ended without a result, which is a fault of ours.
    pub opened: Option<Result<Opened, OpenError>>,
}

/// Follow-up once something is open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Then {
    /// Whether it is trained at once.
    pub run: bool,
    /// A notice for the person, in words.
    pub notice: Option<String>,
}

/// Purpose of a path that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// It is opened.
    Open,
    /// The plan is written to it.
    SavePlan,
    /// Something else is written to it.
    Export(Export),
    /// The run file of the fine-tuning is written to it.
    SaveRunFile,
    /// It is what a fine-tuning learns from.
    FineTuningData,
    /// The model of the run is written to it.
    ExportModel,
}

impl Purpose {
    /// Whether something is written to the path.
    #[must_use]
    pub fn saves(self) -> bool {
        matches!(self, Self::SavePlan | Self::Export(_) | Self::SaveRunFile | Self::ExportModel)
    }

    /// Such a path.
    #[must_use]
    pub fn example(self) -> &'static str {
        match self {
            Self::FineTuningData => "/path/to/chats.jsonl",
            Self::SaveRunFile => "/path/to/run.toml",
            Self::ExportModel => "/path/to/model.gguf",
            Self::Open | Self::SavePlan | Self::Export(_) => "/path/to/plan.json",
        }
    }
}

/// Purpose of starting the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Aim {
    /// The costs of the run file's layers, from how fast its devices are.
    Estimate {
        /// Whether the plan is trained at once.
        then_run: bool,
        /// Whether the costs are written beside the run file, which the studio made itself.
        beside: bool,
    },
    /// The costs of the run file's layers, measured.
    Measure {
        /// Also where they are known.
        anew: bool,
        /// Whether a person has agreed that a profile beside the run file is replaced.
        replace: bool,
    },
    /// A training of the plan.
    Train,
    /// Going on with the run in this directory.
    Resume(PathBuf),
    /// A conversation with what a run trains.
    Talk(Talk),
}

/// A run file, the program that it names, and what one is wanted for.
#[derive(Clone, Debug)]
pub struct Inspected {
    /// The run file.
    pub run_file: PathBuf,
    /// Its purpose.
    pub aim: Aim,
    /// The program that it names, if it does; or why that cannot be used, in words.
    pub named: Option<Result<NamedProgram, String>>,
}

/// Purpose of a program's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// The dialog “Use my devices…” and the about box.
    Devices,
    /// The profile of a run file.
    Costs {
        /// The run file.
        run_file: PathBuf,
        /// Where the program writes the profile.
        profile: PathBuf,
        /// Whether they are measured; else they are estimated, to open the run file.
        measured: bool,
        /// Follow-up once it is open.
        then: Then,
    },
    /// What training a pretrained model needs.
    Fit {
        /// Which training.
        sizes: Sizes,
        /// Where the program writes the profile.
        profile: PathBuf,
        /// Whether the model is opened by it.
        opens: bool,
    },
    /// The model of a run, written to a folder or file.
    Export(PathBuf),
    /// The columns of the table that a fine-tuning learns from.
    Columns,
    /// The first samples of a fine-tuning.
    Preview {
        /// Whether it begins if there are any.
        starts: bool,
    },
}

impl Question {
    /// Whether the answer of one makes the other's old.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

/// A program's answer.
pub struct Answered {
    /// The task, in words.
    pub what: String,
    /// Its purpose.
    pub question: Question,
    /// Its end.
    pub end: TaskEnd,
    /// Where it wrote files that are read once.
    pub folder: Option<TempDir>,
}

/// The answer to closing over a running training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// It goes on without the window.
    LeaveRunning,
    /// It finishes its step, saves and ends; the window waits for that.
    Stop,
    /// The window stays.
    Cancel,
}

/// The answer to closing over unsaved edits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The window stays.
    Stay,
    /// It closes, and the edits are lost.
    Close,
    /// The plan is saved first.
    Save,
}
