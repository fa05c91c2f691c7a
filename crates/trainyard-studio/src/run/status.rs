//! How it stands with a run, in words for a person.

use trainyard_plan::journal::State;

use super::child::{Child, OUTPUT};
use super::end::{End, Exit, last_lines_in};
use super::follow::Source;
use super::session::Session;

/// How it stands with a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Its journal is being read for the first time.
    Loading,
    /// Its program starts: devices are opened, weights made.
    Starting,
    /// It makes steps.
    Running,
    /// It was asked to stop, and finishes its step.
    Stopping,
    /// It was stopped and can be resumed.
    Stopped,
    /// All steps are done.
    Finished,
    /// An error, a signal or a crash ended it.
    Failed,
    /// Its directory or journal is gone.
    Gone,
    /// Its journal cannot be read.
    Unreadable,
}

/// How it stands with a run, for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// In one word.
    pub phase: Phase,
    /// In a sentence: what it does, or what went wrong and what can be done.
    pub words: String,
    /// The last lines its program said, where something went wrong.
    pub last_lines: Vec<String>,
}

impl Phase {
    /// The word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Loading => "Loading",
            Self::Starting => "Starting",
            Self::Running => "Running",
            Self::Stopping => "Stopping",
            Self::Stopped => "Stopped",
            Self::Finished => "Finished",
            Self::Failed => "Failed",
            Self::Gone => "Gone",
            Self::Unreadable => "Unreadable",
        }
    }

    /// Whether the run may be gone on with.
    #[must_use]
    pub fn can_resume(self) -> bool {
        matches!(self, Self::Stopped | Self::Failed)
    }
}

impl Session {
    /// What a person should know besides the status: lines that could not be read, a journal that
    /// was read again, settings that could not be, a loss that is no number.
    #[must_use]
    pub fn remarks(&self) -> Vec<String> {
        let mut remarks: Vec<String> = Vec::new();
        if let Some(step) = self.state.not_a_number() {
            remarks.push(format!(
                "the loss is not a number since step {step}; a lower learning rate or a clip may \
                 help"
            ));
        }
        if self.unreadable.lines > 0 {
            remarks.push(self.unreadable.to_string());
        }
        remarks.extend(self.notice.clone());
        remarks.extend(self.files.problems.iter().cloned());
        remarks
    }

    /// How it stands, in words.
    #[must_use]
    pub fn status(&self) -> Status {
        let status = |phase, words: String| Status { phase, words, last_lines: Vec::new() };
        let directory = self.directory.display();
        match &self.source {
            Source::Gone => {
                let words = if self.directory.is_dir() {
                    format!("the journal in {directory} is gone; what is shown was read before")
                } else {
                    format!("{directory} is gone; what is shown was read before")
                };
                return self.with_lines(status(Phase::Gone, words));
            }
            Source::Refused(reason) => {
                let words = format!("the journal of {directory} cannot be shown: {reason}");
                return self.with_lines(status(Phase::Unreadable, words));
            }
            Source::Awaited | Source::Open => {}
        }
        if let Some(end) = self.end_of_child() {
            return self.after(end);
        }
        // Our own child's journal is read as it is written; there is nothing to wait for.
        if !self.caught_up && self.progress.file_bytes > 0 && !self.is_own_child_running() {
            return status(Phase::Loading, "reading the journal".to_owned());
        }
        if self.is_running() {
            return self.while_it_runs();
        }
        match self.state.state() {
            Some(State::Finished) => status(Phase::Finished, self.finished_words()),
            Some(State::Stopped) => status(Phase::Stopped, self.stopped_words()),
            Some(State::Failed) => {
                self.with_lines(status(Phase::Failed, self.state.message().to_owned()))
            }
            Some(State::Starting | State::Running) => {
                let words = format!(
                    "no program writes this run any more, and the last one did not say how it \
                     ended: it was killed, or the machine went down; {}",
                    self.way_on()
                );
                self.with_lines(status(Phase::Failed, words))
            }
            None => status(Phase::Loading, "the journal says nothing yet".to_owned()),
        }
    }

    fn while_it_runs(&self) -> Status {
        let stops = self.child.as_ref().map_or(self.asked_to_stop, Child::asked_to_stop);
        let status =
            |phase, words: &str| Status { phase, words: words.to_owned(), last_lines: Vec::new() };
        match self.state.state() {
            _ if stops => status(Phase::Stopping, "finishing its step, then saving"),
            Some(State::Running) => status(Phase::Running, "training"),
            _ => status(Phase::Starting, "opening the devices and making the plan's weights"),
        }
    }

    /// The status after a child's end: what it said itself in the journal, or else how it ended.
    fn after(&self, end: &End) -> Status {
        let status = |phase, words| Status { phase, words, last_lines: Vec::new() };
        match (end.exit, self.state.state()) {
            (Exit::Code(0), _) => status(Phase::Finished, self.finished_words()),
            (Exit::Code(130), _) => status(Phase::Stopped, self.stopped_words()),
            (exit, state) => {
                let asked = self.child.as_ref().is_some_and(Child::asked_to_stop);
                let said = match state {
                    Some(State::Failed) if self.is_of_child() => {
                        format!("{exit}: {}", self.state.message())
                    }
                    _ if asked && matches!(exit, Exit::Signal(_)) => {
                        format!("{exit}, as you asked")
                    }
                    // The lines themselves are shown beside this.
                    _ if end.last_lines.is_empty() => format!("{exit}; it said nothing"),
                    // Of which the reason is the beginning, and may be far up.
                    _ => match end.reason() {
                        Some(reason) => format!("{exit}: {reason}"),
                        None => exit.to_string(),
                    },
                };
                let words = if self.state.header().is_some() {
                    format!("{said}; {}", self.way_on())
                } else {
                    said
                };
                Status { phase: Phase::Failed, words, last_lines: end.last_lines.clone() }
            }
        }
    }

    /// Whether the newest part of the journal is the child's: one that fails early writes none.
    fn is_of_child(&self) -> bool {
        let started = self.state.header().map_or(0, |header| header.started_unix_ms);
        self.child.as_ref().is_some_and(|child| started >= child.started_unix_ms())
    }

    /// Whether the run may be gone on with: one that never began has nothing to go on from.
    #[must_use]
    pub fn can_resume(&self) -> bool {
        let began = self.state.header().is_some();
        began && !self.is_running() && self.status().phase.can_resume()
    }

    fn finished_words(&self) -> String {
        let loss = self.state.validation().last();
        let loss = loss.map_or_else(String::new, |loss| format!(", validation loss {loss:.4}"));
        format!("all {} steps are done{loss}", self.state.steps())
    }

    fn stopped_words(&self) -> String {
        format!("stopped after step {} of {}", self.state.step(), self.state.steps())
    }

    /// What can be done with a run that ended too early.
    fn way_on(&self) -> String {
        match self.checkpoints().next_back() {
            Some(checkpoint) => format!("it can be resumed after step {}", checkpoint.step),
            None => "it has no checkpoint, so resuming it begins at step 1".to_owned(),
        }
    }

    fn with_lines(&self, status: Status) -> Status {
        let last_lines = match &self.child {
            Some(child) => child.last_lines(),
            None => last_lines_in(&self.directory.join(OUTPUT), 0),
        };
        Status { last_lines, ..status }
    }
}
