//! The fine-tuning that is being described, and what the program says of it.

use trainyard_plan::fit::Fit;

use crate::effect::Effect;
use crate::event::{Event, FineTuningEvent};
use crate::fine_tuning::{Form, Preview, Sizes, Wrong};
use crate::message::{FineTuningMessage, PreferencesMessage};

/// The fine-tuning that is being described, and what the program says of it.
#[derive(Default)]
pub struct FineTuning {
    form: Form,
    /// What the program is being asked of.
    asked: Option<Sizes>,
    /// What the board shows, and what the program said of it.
    shown: Option<(Sizes, Box<Fit>)>,
    /// What it could not say anything of, and why.
    not_estimated: Option<(Sizes, Wrong)>,
    /// The run file of the preview that is awaited.
    previewing: Option<String>,
    /// The first samples, with the run file that they are of.
    preview: Option<(String, Preview)>,
    /// What the program refused, until something else is written.
    refused: Vec<Wrong>,
}

impl FineTuning {
    /// One that was begun before.
    #[must_use]
    pub fn new(form: Form) -> Self {
        Self { form, ..Self::default() }
    }

    /// Takes a message.
    pub fn update(&mut self, message: FineTuningMessage) -> Vec<Effect> {
        match message {
            FineTuningMessage::Set(form) => {
                self.form = *form;
                self.refused.clear();
                let mut effects = vec![PreferencesMessage::KeepForm(self.form.clone()).into()];
                effects.extend(self.follow_form());
                return effects;
            }
            FineTuningMessage::Estimating(sizes) => self.asked = Some(sizes),
            FineTuningMessage::Estimated(fit) => {
                let Some(sizes) = self.asked.take() else { return Vec::new() };
                (self.shown, self.not_estimated) = (Some((sizes, fit)), None);
            }
            // What was written meanwhile comes next.
            FineTuningMessage::OnBoard => return self.follow_form(),
            FineTuningMessage::NotEstimated(why) => {
                self.not_estimated = self.asked.take().map(|sizes| (sizes, why));
                return self.follow_form();
            }
            FineTuningMessage::Previewing(run_file) => {
                self.previewing = Some(run_file);
                self.refused.clear();
            }
            FineTuningMessage::Previewed(preview) => {
                self.preview = self.previewing.take().zip(preview);
            }
            FineTuningMessage::Refused(wrong) => {
                self.previewing = None;
                self.refused.push(wrong);
            }
        }
        Vec::new()
    }

    /// Has the board follow the form, where that is of the model on the board. One question is under way at a
    /// time; what is written meanwhile is asked when it is answered.
    fn follow_form(&self) -> Vec<Effect> {
        let Some((shown, _)) = &self.shown else { return Vec::new() };
        let Ok(sizes) = self.form.sizes() else { return Vec::new() };
        let is_new = sizes != *shown && !self.is_not_estimated(&sizes);
        if self.asked.is_some() || !is_new || sizes.model != shown.model {
            return Vec::new();
        }
        vec![Event::FineTuning(FineTuningEvent::Estimate(sizes)).into()]
    }

    fn is_not_estimated(&self, sizes: &Sizes) -> bool {
        self.not_estimated.as_ref().is_some_and(|(failed, _)| failed == sizes)
    }

    /// What a person wrote.
    #[must_use]
    pub fn form(&self) -> &Form {
        &self.form
    }

    /// What the board shows, and what the program said of it.
    #[must_use]
    pub fn shown(&self) -> Option<(&Sizes, &Fit)> {
        self.shown.as_ref().map(|(sizes, fit)| (sizes, fit.as_ref()))
    }

    /// Whether the board does not show yet what the form says.
    #[must_use]
    pub fn is_estimating(&self) -> bool {
        self.asked.is_some()
    }

    /// Whether the first samples are awaited.
    #[must_use]
    pub fn is_previewing(&self) -> bool {
        self.previewing.is_some()
    }

    /// The first samples, with the run file that they are of.
    #[must_use]
    pub fn preview(&self) -> Option<(&str, &Preview)> {
        self.preview.as_ref().map(|(run_file, preview)| (run_file.as_str(), preview))
    }

    /// What the program refuses of the form as it is.
    pub fn refused(&self) -> impl Iterator<Item = &Wrong> {
        let sizes = self.form.sizes().ok();
        let failed = self.not_estimated.as_ref();
        let failed = failed.filter(|(failed, _)| sizes.as_ref() == Some(failed));
        self.refused.iter().chain(failed.map(|(_, wrong)| wrong))
    }
}
