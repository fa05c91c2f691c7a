//! The document: what a person works on. No window in here: data, edits, and what they would cost.
//!
//! An [`Arrangement`] says which layers lie where. An [`Edit`] makes another of it, or a
//! [`Refusal`] in words. An [`Assessment`] is what the simulator says of one. A [`Document`] holds the
//! profile, the arrangements there were ([`History`]) and the assessment of the present one.

mod arrangement;
mod assess;
mod edit;
mod history;
pub mod labels;
mod moving;
mod refusal;
mod replan;

use std::path::PathBuf;
use std::sync::Arc;

use trainyard_plan::planner::{self, PlanRequest};
use trainyard_plan::{Plan, PlanError, Profile};

pub use arrangement::{Arrangement, Placed, ScheduleChoice};
pub use assess::{Assessment, Delta, DeviceDelta, assess};
pub use edit::Edit;
pub use history::History;
pub use moving::How;
pub use refusal::Refusal;

/// The profile the studio starts with: three unlike devices and a GPT.
const EXAMPLE: &str = include_str!("../../../../assets/example-profile.json");

/// What a person works on.
#[derive(Clone, Debug)]
pub struct Document {
    profile: Arc<Profile>,
    history: History,
    present: Arc<Assessment>,
    /// What the present arrangement is compared with.
    pub reference: Option<Reference>,
    /// Its file.
    pub file: Option<PathBuf>,
    /// The run file it belongs to, which training needs.
    pub run_file: Option<PathBuf>,
    /// The pretrained model whose training was estimated, where that is what was opened.
    pub model: Option<PathBuf>,
    /// The arrangement that is in the file.
    saved: Arrangement,
}

/// An arrangement to compare with.
#[derive(Clone, Debug)]
pub struct Reference {
    /// What it is, such as "the file" or "the planner's best".
    pub name: String,
    /// Its assessment.
    pub assessment: Arc<Assessment>,
}

impl Document {
    /// Opens a profile, with a plan or, without one, with its layers spread in
    /// proportion to memory.
    ///
    /// # Errors
    /// As [`Arrangement::of_plan`] and [`assess`].
    pub fn new(profile: Profile, plan: Option<&Plan>) -> Result<Self, PlanError> {
        let arrangement = match plan {
            Some(plan) => Arrangement::of_plan(&profile, plan)?,
            None => Arrangement::by_memory(&profile),
        };
        Self::with_arrangement(Arc::new(profile), arrangement)
    }

    fn with_arrangement(profile: Arc<Profile>, start: Arrangement) -> Result<Self, PlanError> {
        let present = Arc::new(assess(&profile, &start)?);
        let history = History::new(start.clone());
        let (reference, file, run_file, model) = (None, None, None, None);
        Ok(Self { profile, history, present, reference, file, run_file, model, saved: start })
    }

    /// The example, planned.
    ///
    /// # Errors
    /// None that a test would not find: it is part of the program.
    pub fn example() -> Result<Self, PlanError> {
        Self::planned(&Profile::from_json(EXAMPLE)?)
    }

    /// Opens a profile with the planner's best plan; where nothing fits, with its layers
    /// spread in proportion to memory, so that one sees what it would take.
    ///
    /// # Errors
    /// As [`Document::new`].
    pub fn planned(profile: &Profile) -> Result<Self, PlanError> {
        let planned = match planner::plan(&PlanRequest::new(profile)) {
            Ok(planned) => Some(planned),
            Err(PlanError::DoesNotFit { .. } | PlanError::TensorTooLarge { .. }) => None,
            Err(error) => return Err(error),
        };
        let best = planned.as_ref().and_then(|planned| planned.candidates.first());
        Self::new(profile.clone(), best.map(|candidate| &candidate.plan))
    }

    /// The profile as it was opened, without edits of budgets and micro-batches.
    #[must_use]
    pub fn profile(&self) -> &Arc<Profile> {
        &self.profile
    }

    /// The present arrangement.
    #[must_use]
    pub fn arrangement(&self) -> &Arrangement {
        self.history.present()
    }

    /// What the present arrangement costs.
    #[must_use]
    pub fn present(&self) -> &Arc<Assessment> {
        &self.present
    }

    /// What was done and undone.
    #[must_use]
    pub fn history(&self) -> &History {
        &self.history
    }

    /// What an edit would lead to, without doing it.
    ///
    /// # Errors
    /// [`Refusal`] in words.
    pub fn preview(&self, edit: &Edit) -> Result<(Arrangement, Assessment), Refusal> {
        let next = edit.apply(self.arrangement(), &self.profile);
        let plain = next.and_then(|next| self.assessed(edit, next));
        match (plain, edit) {
            (Err(refusal), Edit::Exclude { device, excluded: true }) => {
                self.planned_without(*device, edit, refusal)
            }
            (plain, _) => plain,
        }
    }

    /// An edit's arrangement with what it costs, where that may be.
    fn assessed(
        &self,
        edit: &Edit,
        next: Arrangement,
    ) -> Result<(Arrangement, Assessment), Refusal> {
        let assessment = assess(&self.profile, &next).map_err(|error| Refusal::new(&error))?;
        if edit.moves_layers() {
            assessment.refuse_if_fuller(&self.present)?;
        }
        Ok((next, assessment))
    }

    /// What the planner makes of the document without a device: the neighbours may be too small for
    /// what lies on it while others have room. `refusal` is why they cannot take it.
    fn planned_without(
        &self,
        device: usize,
        edit: &Edit,
        refusal: Refusal,
    ) -> Result<(Arrangement, Assessment), Refusal> {
        let mut terms = self.arrangement().clone();
        terms.excluded.insert(device);
        match terms.replanned(&self.profile) {
            Ok(found) => self.assessed(edit, found),
            Err(PlanError::DoesNotFit { devices, .. }) => {
                let id = self.profile.devices.get(device).map_or("it", |device| device.id.as_str());
                let short = assess::shortage(
                    devices.iter().map(|need| (need.device.as_str(), need.deficit_bytes())),
                );
                let short = short.unwrap_or(refusal.0);
                Err(Refusal(format!("nothing fits without {id}: {short}")))
            }
            Err(_) => Err(refusal),
        }
    }

    /// Does an edit. One that changes nothing leaves no trace in the history.
    ///
    /// # Errors
    /// [`Refusal`] in words; nothing is changed then.
    pub fn edit(&mut self, edit: &Edit) -> Result<(), Refusal> {
        let (next, assessment) = self.preview(edit)?;
        if next != *self.arrangement() {
            self.history.push(edit.words(&self.profile), edit.coalesces(), next);
            self.present = Arc::new(assessment);
        }
        Ok(())
    }

    /// Takes back the last edit; its words, if there was one.
    pub fn undo(&mut self) -> Option<String> {
        let words = self.history.undo()?;
        self.reassess();
        Some(words)
    }

    /// Does again what was undone; its words, if there was something.
    pub fn redo(&mut self) -> Option<String> {
        let words = self.history.redo()?;
        self.reassess();
        Some(words)
    }

    /// An arrangement that was assessed once can be assessed again.
    fn reassess(&mut self) {
        if let Ok(assessment) = assess(&self.profile, self.history.present()) {
            self.present = Arc::new(assessment);
        }
    }

    /// Whether there are edits that the file does not have.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        self.saved != *self.arrangement()
    }

    /// The file has the present arrangement.
    pub fn mark_saved(&mut self, file: PathBuf) {
        self.saved = self.arrangement().clone();
        self.file = Some(file);
    }

    /// What is in the file, to compare with; `None` where that cannot be worked out any more.
    #[must_use]
    pub fn saved_reference(&self) -> Option<Reference> {
        let name = if self.file.is_some() { "the file" } else { "the start" };
        let assessment = Arc::new(assess(&self.profile, &self.saved).ok()?);
        Some(Reference { name: name.to_owned(), assessment })
    }

    /// Takes another profile of the same model and devices, such as a measured one, and keeps the
    /// arrangement.
    ///
    /// # Errors
    /// [`PlanError::BadPlan`] where the arrangement does not go with it.
    pub fn set_profile(&mut self, profile: Profile) -> Result<(), PlanError> {
        let same_layers = profile.model.layers.len() == self.profile.model.layers.len();
        let ids = |profile: &Profile| -> Vec<String> {
            profile.devices.iter().map(|device| device.id.clone()).collect()
        };
        if !same_layers || ids(&profile) != ids(&self.profile) {
            let reason = "the new profile is of another model or of other devices".to_owned();
            return Err(PlanError::BadPlan { reason });
        }
        let present = assess(&profile, self.arrangement())?;
        (self.profile, self.present) = (Arc::new(profile), Arc::new(present));
        Ok(())
    }
}
