//! Messages: what happened or is wanted.
//!
//! A view draws from the [`State`](crate::state::State) and pushes messages. Each part of the state
//! updates itself from the messages that are for it, and returns [`Effect`](crate::effect::Effect)s.
//! What concerns several parts is a [`Command`] or an [`Event`], which `update` turns into messages
//! for each of them.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use trainyard_plan::fit::Fit;
use trainyard_plan::{DeviceList, TableColumn};

use crate::command::Command;
use crate::document::{Assessment, Document, Edit, Reference};
use crate::error_dialog::ErrorDialog;
use crate::event::{Event, Inspected, Purpose};
use crate::fine_tuning::{Form, Preview, Sizes, Wrong};
use crate::layout::Layout;
use crate::open::OpenedTrace;
use crate::persistence::{ProgramAnswer, Settings};
use crate::plan_search::{Ask, Search, Terms};
use crate::run::{Conversation, Program, ProgramMissing, Session, Talk};
use crate::under_way::{Inquiry, Inspection, Reading, Writing};

/// Something that happened or is wanted.
pub enum Message {
    /// A person wants something that has a name.
    Command(Command),
    /// Something that concerns several parts of the state.
    Event(Event),
    /// For the document.
    Document(DocumentMessage),
    /// For the run that is watched.
    Run(RunMessage),
    /// For the planner.
    Planning(PlanningMessage),
    /// For the fine-tuning that is being described.
    FineTuning(FineTuningMessage),
    /// For the conversation with a model.
    Chat(ChatMessage),
    /// For what is done beside the window.
    Jobs(JobsMessage),
    /// For what is seen.
    View(ViewMessage),
    /// For what is kept from one day to the next.
    Preferences(PreferencesMessage),
}

/// A message to the document.
pub enum DocumentMessage {
    /// Another takes its place. Edits that no file has are put aside: undo brings them back.
    Open {
        /// It.
        document: Box<Document>,
        /// Whether it is the built-in example, whose edits need not be saved.
        is_example: bool,
    },
    /// The same document with another profile.
    Reprofiled(Box<Document>),
    /// It was written to a file.
    Saved(PathBuf),
    /// An edit is done, where it may be.
    Edit {
        /// It.
        edit: Edit,
        /// Whether it was made on the board, which then says why it is refused.
        on_board: bool,
    },
    /// Undo of the last edit.
    Undo,
    /// Redo of the last undone edit.
    Redo,
    /// Preview of an edit under way.
    Preview(Option<Arc<Assessment>>),
    /// Why the last edit was refused is not said any more.
    ForgetRefusal,
    /// What has this name was to be opened and could not be; `None` where that is past.
    NotOpened(Option<String>),
    /// The reference that a person chose to compare with.
    Compare(Option<Reference>),
    /// The planner's best, to compare with unless a person chose something else.
    Offer(Option<Reference>),
}

impl DocumentMessage {
    /// Whether a person goes on with what is shown, or with something else that opened.
    pub(crate) fn takes_what_is_shown(&self) -> bool {
        matches!(
            self,
            Self::Open { .. }
                | Self::Reprofiled(_)
                | Self::Saved(_)
                | Self::Edit { .. }
                | Self::Undo
                | Self::Redo
        )
    }
}

/// A message to the watched run.
pub enum RunMessage {
    /// This program trains and measures, unless a run file names another one.
    UseProgram(Result<Program, ProgramMissing>),
    /// This run is watched from now on.
    Watch {
        /// It.
        session: Box<Session>,
        /// The run file that it was started from, where that is known.
        run_file: Option<PathBuf>,
        /// Whether it is the run that was watched before.
        resumed: bool,
    },
    /// Another document was opened: a run that has ended is let go of.
    DocumentOpened,
    /// The training is asked to finish its step, save and end.
    Stop,
    /// The training is ended at once.
    Kill,
    /// The run is not watched any more.
    Close,
}

/// A message to the planner's state.
pub enum PlanningMessage {
    /// The planner's request.
    Ask(Ask),
    /// A search has begun.
    Started {
        /// It.
        search: Search,
        /// Its terms.
        terms: Terms,
    },
    /// The search is not waited for any more.
    Cancel,
    /// Another document was opened; results are dropped.
    Forget,
}

/// A message to the fine-tuning that is being described.
pub enum FineTuningMessage {
    /// What a person wrote.
    Set(Box<Form>),
    /// The program is asked what a training needs.
    Estimating(Sizes),
    /// What it said.
    Estimated(Box<Fit>),
    /// Why it could not.
    NotEstimated(Wrong),
    /// The board shows what was estimated last.
    OnBoard,
    /// The program is asked for the columns of a table.
    Looking(String),
    /// Those that it listed, or why it could not, in words.
    Columns(Result<Vec<TableColumn>, String>),
    /// The program is asked for the first samples of a training with a run file of this text.
    Previewing(String),
    /// What it showed; nothing where nobody waited for it.
    Previewed(Option<Preview>),
    /// What the program refused.
    Refused(Wrong),
}

/// A message to the conversation with a model.
pub enum ChatMessage {
    /// It has begun, or could not.
    Began(Talk, io::Result<Conversation>),
    /// Something is said to the model.
    Say(String),
    /// The answer in hand ends.
    Stop,
    /// The model forgets what was said.
    Forget,
    /// The conversation ends.
    End,
}

/// A message to the background jobs.
pub enum JobsMessage {
    /// A file is being read.
    Reading(Reading),
    /// A run file is being looked at.
    Inspecting(Inspection),
    /// A program was started that answers a question.
    Asked(Inquiry),
    /// Data is being written.
    Writing(Writing),
    /// Whatever is under way is cancelled.
    Cancel,
    /// The devices of this machine.
    Devices(Box<DeviceList>),
    /// The device list is no longer needed.
    ForgetDevices,
}

/// A message to the view state.
pub enum ViewMessage {
    /// The status line: the last action, in words.
    Status(String),
    /// Something went wrong.
    Fail(ErrorDialog),
    /// The oldest error was read.
    ErrorRead,
    /// A dialog is shown, in the place of one that was.
    OpenDialog(Dialog),
    /// The dialog is closed.
    CloseDialog,
    /// Whether the welcome is shown.
    Welcome(bool),
    /// The instant that all panels look at, ns since the start of the step.
    Cursor(Option<f64>),
    /// A trace was opened by itself, from a file of this name.
    OpenTrace(String, OpenedTrace),
    /// The trace that was opened by itself, and how the timeline was looked at, are forgotten.
    CloseTrace,
    /// Whether the window closes as soon as the training has stopped.
    CloseWhenStopped(bool),
    /// The window may close without asking.
    MayClose,
}

/// A message to the preferences.
pub enum PreferencesMessage {
    /// The settings.
    Set(Settings),
    /// The layout of the panels.
    Arrange(Layout),
    /// A panel that is seen is hidden, another one shown.
    Toggle(&'static str),
    /// A panel is shown.
    Reveal(&'static str),
    /// The panels are where they were at first.
    ResetLayout,
    /// A file was opened or written.
    AddRecent(PathBuf),
    /// A file is gone.
    ForgetRecent(PathBuf),
    /// All recent files are forgotten.
    ClearRecent,
    /// The first steps went further.
    Did(FirstStep),
    /// Whether the program that a run file names may be started.
    Remember(ProgramAnswer),
    /// The fine-tuning that is being described.
    KeepForm(Box<Form>),
}

/// One of the first steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstStep {
    /// A layer was moved.
    Moved,
    /// The planner was asked.
    Planned,
    /// A training was started.
    Ran,
}

/// A dialog.
#[derive(Clone, Debug)]
pub enum Dialog {
    /// The command palette.
    Palette,
    /// The help sheet.
    Help,
    /// The settings.
    Settings,
    /// The about box.
    About,
    /// A file is asked for.
    Path {
        /// Its purpose.
        purpose: Purpose,
        /// The suggested path.
        path: PathBuf,
    },
    /// This machine's devices, and a run file for them.
    MyDevices,
    /// The plan has no run file to train.
    NoRunFile,
    /// A run file names a program that is not allowed yet.
    Program(Box<Inspected>),
    /// Measuring would replace the profile beside a run file.
    ReplaceProfile {
        /// The run file.
        run_file: PathBuf,
        /// Whether to measure also what is known.
        anew: bool,
    },
    /// The window is to close over a training.
    ClosingOverRun,
    /// The window is to close over edits that no file has.
    ClosingUnsaved,
}

macro_rules! into_message {
    ($($part:ident($message:ty)),* $(,)?) => {$(
        impl From<$message> for Message {
            fn from(message: $message) -> Self {
                Self::$part(message)
            }
        }
    )*};
}

into_message!(
    Command(Command),
    Event(Event),
    Document(DocumentMessage),
    Run(RunMessage),
    Planning(PlanningMessage),
    FineTuning(FineTuningMessage),
    Chat(ChatMessage),
    Jobs(JobsMessage),
    View(ViewMessage),
    Preferences(PreferencesMessage),
);
