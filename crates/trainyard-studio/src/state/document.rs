//! The document, what was edited before it, and what an edit under way would lead to.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use trainyard_plan::{DeviceProfile, TraceDevice};

use crate::change::Change;
use crate::document::{Assessment, Document, Edit};
use crate::effect::Effect;
use crate::human_time::human_us;
use crate::message::{DocumentMessage, FirstStep, PlanningMessage, PreferencesMessage};
use crate::open::PLAN;
use crate::paths::home;
use crate::plan_search::BEST;

/// The document.
pub struct DocumentState {
    document: Document,
    /// Edited, unsaved documents that were replaced, the newest last.
    aside: Vec<Document>,
    is_example: bool,
    /// Number of documents opened so far.
    serial: u64,
    preview: Option<Arc<Assessment>>,
    /// Why the last edit on the board was not done, and what there was then.
    refusal: Option<(String, Arc<Assessment>)>,
    /// The name of what was to be opened last, where it could not be.
    not_opened: Option<String>,
}

impl DocumentState {
    /// A document, taken for the built-in example.
    #[must_use]
    pub fn new(document: Document) -> Self {
        Self {
            document,
            aside: Vec::new(),
            is_example: true,
            serial: 0,
            preview: None,
            refusal: None,
            not_opened: None,
        }
    }

    /// Takes a message.
    pub fn update(&mut self, message: DocumentMessage) -> Vec<Effect> {
        if message.takes_what_is_shown() {
            self.not_opened = None;
        }
        match message {
            DocumentMessage::Open { document, is_example } => {
                let before = std::mem::replace(&mut self.document, *document);
                if before.is_changed() && !self.is_example {
                    self.aside.push(before);
                }
                self.is_example = is_example;
                self.serial += 1;
                return vec![PlanningMessage::Forget.into()];
            }
            DocumentMessage::Reprofiled(document) => self.document = *document,
            DocumentMessage::Saved(file) => self.document.mark_saved(file),
            DocumentMessage::Edit { edit, on_board } => return self.edit(&edit, on_board),
            DocumentMessage::Undo => return self.undo(),
            DocumentMessage::Redo => {
                let redone = self.document.redo();
                let words = redone.map_or_else(String::new, |it| format!("Redid: {it}"));
                return vec![Effect::set_status(words)];
            }
            DocumentMessage::Preview(preview) => self.preview = preview,
            DocumentMessage::ForgetRefusal => self.refusal = None,
            DocumentMessage::NotOpened(name) => self.not_opened = name,
            DocumentMessage::Compare(reference) => self.document.reference = reference,
            DocumentMessage::Offer(best) => {
                // What a person chose to compare with stays; an older best is no longer one.
                let chosen = self.document.reference.take().filter(|it| it.name != BEST);
                self.document.reference = chosen.or(best);
            }
        }
        Vec::new()
    }

    /// Does an edit, and says what it brought or why it is refused.
    fn edit(&mut self, edit: &Edit, on_board: bool) -> Vec<Effect> {
        let before = Arc::clone(self.document.present());
        let stages = self.document.arrangement().stages.clone();
        if let Err(refusal) = self.document.edit(edit) {
            if on_board {
                self.refusal = Some((refusal.0.clone(), before));
            }
            return vec![Effect::set_status(refusal.0)];
        }
        let mut effects = Vec::new();
        if on_board && stages != self.document.arrangement().stages {
            effects.push(PreferencesMessage::Did(FirstStep::Moved).into());
        }
        if !Arc::ptr_eq(&before, self.document.present()) {
            effects.extend(self.brought(&before).map(Effect::set_status));
        }
        effects
    }

    /// What the last edit did, and what it brought. `before` is what there was.
    fn brought(&self, before: &Assessment) -> Option<String> {
        let done = self.document.history().done()?;
        let now = self.document.present();
        Some(match Change::of_share(now.delta(before).step) {
            Some(Change { words, .. }) => {
                format!("{done}: step {} {words}", human_us(now.simulation.step_us))
            }
            None => done,
        })
    }

    /// Takes back the last edit, or else that another document was opened.
    fn undo(&mut self) -> Vec<Effect> {
        if let Some(undone) = self.document.undo() {
            return vec![Effect::set_status(format!("Undid: {undone}"))];
        }
        let Some(before) = self.aside.pop() else { return vec![Effect::set_status("")] };
        self.document = before;
        self.serial += 1;
        let done = Effect::set_status("Back: what was edited before");
        vec![PlanningMessage::Forget.into(), done]
    }

    /// The document.
    #[must_use]
    pub fn document(&self) -> &Document {
        &self.document
    }

    /// Whether it is the built-in example.
    #[must_use]
    pub fn is_example(&self) -> bool {
        self.is_example
    }

    /// Another number for another document.
    #[must_use]
    pub fn serial(&self) -> u64 {
        self.serial
    }

    /// Preview of an edit under way.
    #[must_use]
    pub fn preview(&self) -> Option<&Arc<Assessment>> {
        self.preview.as_ref()
    }

    /// Why the last edit on the board was not done, as long as nothing else was.
    #[must_use]
    pub fn refusal(&self) -> Option<&str> {
        let (words, then) = self.refusal.as_ref()?;
        Arc::ptr_eq(then, self.document.present()).then_some(words)
    }

    /// The name of what was to be opened last, where it could not be: what is shown is not it.
    #[must_use]
    pub fn not_opened(&self) -> Option<&str> {
        self.not_opened.as_deref()
    }

    /// The edit that undo would take back, in words.
    #[must_use]
    pub fn undo_words(&self) -> Option<&str> {
        let opened = || self.aside.last().map(|_| "opening this");
        self.document.history().undo_words().or_else(opened)
    }

    /// Whether there are unsaved edits, those of the example aside.
    #[must_use]
    pub fn is_unsaved(&self) -> bool {
        (self.document.is_changed() && !self.is_example) || !self.aside.is_empty()
    }

    /// Default folder of files: beside the plan, the run file, or at home.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        let near = self.document.file.as_deref().or(self.document.run_file.as_deref());
        near.and_then(Path::parent).map_or_else(home, Path::to_owned)
    }

    /// The plan's file, or where it would be.
    #[must_use]
    pub fn plan_file(&self) -> PathBuf {
        self.document.file.clone().unwrap_or_else(|| self.folder().join(PLAN))
    }

    /// Whether devices are all among the document's. Those of the example are so by name too: many
    /// machines have a "cpu".
    #[must_use]
    pub fn has_devices(&self, devices: &[TraceDevice]) -> bool {
        devices.iter().all(|device| {
            let same = |ours: &DeviceProfile| {
                ours.id == device.id && (!self.is_example || ours.name == device.name)
            };
            self.document.profile().devices.iter().any(same)
        })
    }
}
