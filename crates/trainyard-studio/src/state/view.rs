//! View state besides document and run: dialogs, status line, time cursor.

use std::collections::VecDeque;

use crate::effect::Effect;
use crate::error_dialog::ErrorDialog;
use crate::message::{Dialog, ViewMessage};
use crate::open::OpenedTrace;

/// The view state.
pub struct View {
    status: String,
    errors: VecDeque<ErrorDialog>,
    dialog: Option<Dialog>,
    dialog_serial: u64,
    welcome: bool,
    cursor: Option<f64>,
    trace: Option<(String, OpenedTrace)>,
    trace_serial: u64,
    closes_when_stopped: bool,
    may_close: bool,
}

impl Default for View {
    fn default() -> Self {
        Self {
            status: String::new(),
            errors: VecDeque::new(),
            dialog: None,
            dialog_serial: 0,
            welcome: true,
            cursor: None,
            trace: None,
            trace_serial: 0,
            closes_when_stopped: false,
            may_close: false,
        }
    }
}

impl View {
    /// Takes a message.
    pub fn update(&mut self, message: ViewMessage) -> Vec<Effect> {
        match message {
            ViewMessage::Status(words) => self.status = words,
            ViewMessage::Fail(error) => self.errors.push_back(error),
            ViewMessage::ErrorRead => {
                if let Some(read) = self.errors.pop_front() {
                    self.status = read.title;
                }
            }
            ViewMessage::OpenDialog(dialog) => {
                self.dialog = Some(dialog);
                self.dialog_serial += 1;
            }
            ViewMessage::CloseDialog => self.dialog = None,
            ViewMessage::Welcome(is_shown) => self.welcome = is_shown,
            ViewMessage::Cursor(cursor) => self.cursor = cursor,
            ViewMessage::OpenTrace(name, trace) => self.show_trace(Some((name, trace))),
            ViewMessage::CloseTrace => self.show_trace(None),
            ViewMessage::CloseWhenStopped(closes) => self.closes_when_stopped = closes,
            ViewMessage::MayClose => self.may_close = true,
        }
        Vec::new()
    }

    fn show_trace(&mut self, trace: Option<(String, OpenedTrace)>) {
        self.trace = trace;
        self.cursor = None;
        self.trace_serial += 1;
    }

    /// The status line: the last action, in words.
    #[must_use]
    pub fn status(&self) -> &str {
        &self.status
    }

    /// The unread errors, the oldest first.
    pub fn errors(&self) -> impl Iterator<Item = &ErrorDialog> {
        self.errors.iter()
    }

    /// The error that is shown.
    #[must_use]
    pub fn error(&self) -> Option<&ErrorDialog> {
        self.errors.front()
    }

    /// The dialog that is shown, below any error.
    #[must_use]
    pub fn dialog(&self) -> Option<&Dialog> {
        self.dialog.as_ref()
    }

    /// Another number for each dialog that is opened.
    #[must_use]
    pub fn dialog_serial(&self) -> u64 {
        self.dialog_serial
    }

    /// Whether the welcome is shown.
    #[must_use]
    pub fn welcome(&self) -> bool {
        self.welcome
    }

    /// The instant that all panels look at, ns since the start of the step.
    #[must_use]
    pub fn cursor(&self) -> Option<f64> {
        self.cursor
    }

    /// The trace that was opened by itself.
    #[must_use]
    pub fn trace(&self) -> Option<&OpenedTrace> {
        self.trace.as_ref().map(|(_, trace)| trace)
    }

    /// The name of its file.
    #[must_use]
    pub fn trace_name(&self) -> Option<&str> {
        self.trace.as_ref().map(|(name, _)| name.as_str())
    }

    /// Another number for each trace that is opened or closed.
    #[must_use]
    pub fn trace_serial(&self) -> u64 {
        self.trace_serial
    }

    /// Whether the window closes as soon as the training has stopped.
    #[must_use]
    pub fn closes_when_stopped(&self) -> bool {
        self.closes_when_stopped
    }

    /// Whether the window may close without asking.
    #[must_use]
    pub fn may_close(&self) -> bool {
        self.may_close
    }
}
