//! Effects: what is to be done outside the state.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;
use trainyard_plan::{Plan, Trace};

use crate::command::Command;
use crate::document::Assessment;
use crate::error_dialog::ErrorDialog;
use crate::event::{Aim, Question, Then};
use crate::message::{Message, ViewMessage};
use crate::open::{OpenError, Opened};
use crate::panel::info::PanelInfo;
use crate::plans::search::{Ask, Terms};
use crate::run::Program;

/// Reads a file, on a thread of its own.
pub type Reader = Box<dyn FnOnce(&Path) -> Result<Opened, OpenError> + Send>;

/// Something to be done outside the state. What comes of it comes back as a message.
pub enum Effect {
    /// Another part of the state hears of it too.
    Send(Message),
    /// Menus that are open are closed: they would lie over what comes.
    CloseMenus,
    /// A text goes to the clipboard.
    Copy(String),
    /// The window closes.
    CloseWindow,
    /// The window, which was asked to close, stays.
    KeepWindow,
    /// A file is read.
    Read {
        /// The file or directory.
        path: PathBuf,
        /// What is done, for a person.
        what: String,
        /// How.
        read: Reader,
        /// What happens then.
        then: Then,
    },
    /// A run file is looked at before a program is started for it.
    Inspect {
        /// The run file.
        run_file: PathBuf,
        /// What a program is wanted for.
        aim: Aim,
    },
    /// The program is looked for where a person says, then in the usual places.
    FindProgram(String),
    /// The planner looks for plans.
    Plan {
        /// What it keeps to.
        terms: Box<Terms>,
        /// What is asked.
        ask: Ask,
    },
    /// A program answers a question.
    Ask(Box<Inquire>),
    /// A plan is trained in a new run directory.
    Train(Box<Train>),
    /// A training goes on from its newest checkpoint.
    Resume {
        /// What trains.
        program: Program,
        /// The run directory.
        directory: PathBuf,
    },
    /// The run in a directory is watched.
    Watch(PathBuf),
    /// The plan is written to a file.
    SavePlan(PathBuf, Box<Plan>),
    /// A run file is written into a directory, and a program started for it.
    WriteRunFile {
        /// The directory, which is made if need be.
        directory: PathBuf,
        /// The run file's text.
        text: String,
        /// What for.
        aim: Aim,
    },
    /// Data is written to a file.
    Write(PathBuf, Data),
    /// A panel is drawn into a file.
    Draw {
        /// Which.
        panel: PanelInfo,
        /// Where to.
        file: PathBuf,
        /// As what.
        format: PictureFormat,
    },
    /// The panels do what a command asks of their views.
    InPanels(Command),
}

/// How a program is asked.
pub struct Inquire {
    /// The program.
    pub program: Program,
    /// What it does, for a person.
    pub what: &'static str,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// What the answer is for.
    pub question: Question,
    /// Where it writes files that are read once.
    pub folder: Option<TempDir>,
}

/// What is trained.
pub struct Train {
    /// What trains.
    pub program: Program,
    /// The run file.
    pub run_file: PathBuf,
    /// The plan.
    pub plan: Plan,
    /// What of the run file the document changes, as `--set` takes it.
    pub sets: Vec<String>,
}

/// What is written to a file.
pub enum Data {
    /// A trace, in some format.
    Trace(Arc<Trace>, fn(&Trace, &mut dyn Write) -> io::Result<()>),
    /// What the simulator says of a plan.
    Prediction(Arc<Assessment>),
    /// A row for every stage.
    Stages(Arc<Assessment>),
}

/// What a picture is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PictureFormat {
    /// Points.
    Png,
    /// Shapes and text.
    Svg,
}

impl Effect {
    /// Says at the bottom of the window what was done.
    pub(crate) fn set_status(words: impl Into<String>) -> Self {
        ViewMessage::Status(words.into()).into()
    }

    /// Shows what went wrong.
    pub(crate) fn fail(
        title: impl Into<String>,
        text: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        ViewMessage::Fail(ErrorDialog::new(title, text, remedy)).into()
    }
}

impl<M: Into<Message>> From<M> for Effect {
    fn from(message: M) -> Self {
        Self::Send(message.into())
    }
}
