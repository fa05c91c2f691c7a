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
use crate::panel_info::PanelInfo;
use crate::plan_search::{Ask, Terms};
use crate::run::{Program, Talk};

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
        /// The task, in words.
        what: String,
        /// The reader.
        read: Reader,
        /// Follow-up once it is open.
        then: Then,
    },
    /// A run file is looked at before a program is started for it.
    Inspect {
        /// The run file.
        run_file: PathBuf,
        /// Purpose of starting a program.
        aim: Aim,
    },
    /// The program is looked for where a person says, then in the usual places.
    FindProgram(String),
    /// The planner looks for plans.
    Plan {
        /// Its terms.
        terms: Box<Terms>,
        /// The request.
        ask: Ask,
    },
    /// A program answers a question.
    Ask(Box<Inquire>),
    /// A plan is trained in a new run directory.
    Train(Box<Train>),
    /// A training goes on from its newest checkpoint.
    Resume {
        /// The program that trains.
        program: Program,
        /// The run directory.
        directory: PathBuf,
    },
    /// A conversation with a model begins.
    Talk {
        /// The program.
        program: Program,
        /// With whom.
        talk: Talk,
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
        /// Its purpose.
        aim: Aim,
    },
    /// Data is written to a file.
    Write(PathBuf, Data),
    /// A panel is drawn into a file.
    Draw {
        /// Which.
        panel: PanelInfo,
        /// The file.
        file: PathBuf,
        /// As what.
        format: PictureFormat,
    },
    /// The panels do what a command asks of their views.
    InPanels(Command),
}

/// A question to a program.
pub struct Inquire {
    /// The program.
    pub program: Program,
    /// The task, in words.
    pub what: &'static str,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Purpose of the answer.
    pub question: Question,
    /// Where it writes files that are read once.
    pub folder: Option<TempDir>,
    /// A file that it reads, with its text: written before it starts.
    pub file: Option<(PathBuf, String)>,
}

/// A training to start.
pub struct Train {
    /// The program that trains.
    pub program: Program,
    /// The run file.
    pub run_file: PathBuf,
    /// The plan.
    pub plan: Plan,
    /// Settings that the document changes, as `--set` takes them.
    pub sets: Vec<String>,
}

/// Data to write to a file.
pub enum Data {
    /// A trace, in some format.
    Trace(Arc<Trace>, fn(&Trace, &mut dyn Write) -> io::Result<()>),
    /// The simulated prediction of a plan.
    Prediction(Arc<Assessment>),
    /// A row for every stage.
    Stages(Arc<Assessment>),
    /// A text.
    Text(String),
}

/// File format of a picture.
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
