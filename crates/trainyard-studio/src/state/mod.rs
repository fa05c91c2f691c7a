//! The application's state: parts that each update themselves from messages.
//!
//! A part says with [`Effect`]s what is to be done elsewhere; it reads no file, starts no program
//! and draws nothing itself.

mod chat;
mod document;
mod fine_tuning;
mod jobs;
mod planning;
mod preferences;
mod run;
mod view;

use std::sync::Arc;

use trainyard_plan::Trace;

use crate::document::Document;
use crate::effect::Effect;
use crate::fine_tuning::{Wanted, Wrong, run_file};
use crate::message::Message;
use crate::panel_info::PanelInfo;
use crate::persistence::Persisted;
pub use chat::{Chat, Mood, Speaker, Turn};
pub use document::DocumentState;
pub use fine_tuning::FineTuning;
pub use jobs::Jobs;
pub use planning::Planning;
pub use preferences::Preferences;
pub use run::RunPart;
pub use view::View;

/// The application's state.
pub struct State {
    /// The document.
    pub document: DocumentState,
    /// The training that is watched, and the program that trains.
    pub run: RunPart,
    /// The planner's request and results.
    pub planning: Planning,
    /// The fine-tuning that is being described.
    pub fine_tuning: FineTuning,
    /// The conversation with a model.
    pub chat: Chat,
    /// Background jobs.
    pub jobs: Jobs,
    /// The view state.
    pub view: View,
    /// The preferences, which persist between sessions.
    pub preferences: Preferences,
}

impl State {
    /// The state with a document, what was kept, and panels to show.
    #[must_use]
    pub fn new(document: Document, persisted: Persisted, panels: &[PanelInfo]) -> Self {
        Self {
            document: DocumentState::new(document),
            run: RunPart::default(),
            planning: Planning::default(),
            fine_tuning: FineTuning::new(persisted.fine_tuning.clone()),
            chat: Chat::default(),
            jobs: Jobs::default(),
            view: View::default(),
            preferences: Preferences::new(persisted, panels),
        }
    }

    /// Hands a message to the part that it is for. Commands and events, which concern several
    /// parts, change nothing by themselves: see `update`.
    pub fn update(&mut self, message: Message) -> Vec<Effect> {
        match message {
            Message::Command(_) | Message::Event(_) => Vec::new(),
            Message::Document(message) => self.document.update(message),
            Message::Run(message) => self.run.update(message),
            Message::Planning(message) => self.planning.update(message),
            Message::FineTuning(message) => self.fine_tuning.update(message),
            Message::Chat(message) => self.chat.update(message),
            Message::Jobs(message) => self.jobs.update(message),
            Message::View(message) => self.view.update(message),
            Message::Preferences(message) => self.preferences.update(message),
        }
    }

    /// News from other threads and processes.
    pub fn poll(&mut self) -> Vec<Message> {
        let mut news = self.jobs.poll();
        news.extend(self.planning.poll());
        news.extend(self.run.poll());
        self.chat.poll();
        news
    }

    /// Whether something is under way that will change what is drawn.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.jobs.is_busy() || self.planning.is_planning()
    }

    /// Whether something lies over the window.
    #[must_use]
    pub fn is_covered(&self) -> bool {
        self.view.dialog().is_some() || self.view.error().is_some()
    }

    /// Whether the run has nothing to do with the document that was opened while it went on. Then
    /// it is out of sight but for its own panel.
    #[must_use]
    pub fn run_is_aside(&self) -> bool {
        self.run.is_older_than_document() && self.run_is_foreign()
    }

    /// Whether the run is of other devices or of another model than the document.
    #[must_use]
    pub fn run_is_foreign(&self) -> bool {
        let Some(session) = self.run.session() else { return false };
        let devices = &session.state().trace().devices;
        let ours = &self.document.document().profile().model;
        let other_model = session.files().profile.as_ref().is_some_and(|theirs| {
            theirs.model.name != ours.name || theirs.model.layers.len() != ours.layers.len()
        });
        !devices.is_empty() && (!self.document.has_devices(devices) || other_model)
    }

    /// The run file of the fine-tuning that is being described, whose batch is cut as the board shows it.
    ///
    /// # Errors
    /// What of the form makes no sense.
    pub fn fine_tuning_run_file(&self) -> Result<String, Vec<Wrong>> {
        let wanted = self.fine_tuning_wanted()?;
        let document = self.document.document();
        let is_shown = self.fine_tuning.shown().is_some_and(|(sizes, _)| *sizes == wanted.sizes);
        let is_on_board = is_shown && document.model.as_ref() == Some(&wanted.sizes.model);
        let micro_batches = is_on_board.then(|| document.arrangement().micro_batches);
        Ok(run_file(&wanted, micro_batches))
    }

    /// The same as far as the first samples follow from it: not from how the batch is cut.
    ///
    /// # Errors
    /// What of the form makes no sense.
    pub fn fine_tuning_preview_file(&self) -> Result<String, Vec<Wrong>> {
        Ok(run_file(&self.fine_tuning_wanted()?, None))
    }

    fn fine_tuning_wanted(&self) -> Result<Wanted, Vec<Wrong>> {
        let mut wanted = self.fine_tuning.form().wanted()?;
        // It may lie in another folder than the one that this program was started in.
        wanted.data = std::path::absolute(&wanted.data).unwrap_or(wanted.data);
        Ok(wanted)
    }

    /// Number of the run's steps that are no longer in the timeline.
    #[must_use]
    pub fn hidden_steps(&self) -> u64 {
        match (self.view.trace(), self.run.session()) {
            (None, Some(session)) => session.state().forgotten_steps(),
            _ => 0,
        }
    }

    /// The measured trace that is shown, where there is one.
    #[must_use]
    pub fn measured_trace(&self) -> Option<Arc<Trace>> {
        let of_run = || self.run.session().map(|session| Arc::new(session.state().trace().clone()));
        let opened = self.view.trace().map(|opened| Arc::clone(&opened.trace));
        opened.or_else(of_run).filter(|trace| !trace.events.is_empty())
    }
}
