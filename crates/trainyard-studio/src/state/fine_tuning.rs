//! The fine-tuning that is being described, and what the program says of it.

use trainyard_plan::TableColumn;
use trainyard_plan::fit::Fit;

use crate::effect::Effect;
use crate::event::{Event, FineTuningEvent};
use crate::fine_tuning::{DataKind, Field, Form, Preview, Sizes, Wrong};
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
    /// The table of which the columns are awaited.
    looking: Option<String>,
    /// The table that was looked at last, and its columns, or why there are none.
    table: Option<(String, Result<Vec<TableColumn>, Wrong>)>,
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
                return self.form_changed();
            }
            FineTuningMessage::Estimating(sizes) => self.asked = Some(sizes),
            FineTuningMessage::Estimated(fit) => {
                let Some(sizes) = self.asked.take() else { return Vec::new() };
                let kinds = DataKind::of_model(fit.encoder);
                (self.shown, self.not_estimated) = (Some((sizes, fit)), None);
                if !kinds.contains(&self.form.kind) {
                    self.form.kind = kinds[0];
                    let mut effects = vec![self.keep()];
                    effects.extend(self.look_at_table());
                    return effects;
                }
            }
            // What was written meanwhile comes next.
            FineTuningMessage::OnBoard => return self.follow_form(),
            FineTuningMessage::NotEstimated(why) => {
                self.not_estimated = self.asked.take().map(|sizes| (sizes, why));
                return self.follow_form();
            }
            FineTuningMessage::Looking(table) => self.looking = Some(table),
            FineTuningMessage::Columns(columns) => return self.take_columns(columns),
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

    fn form_changed(&self) -> Vec<Effect> {
        let mut effects = vec![self.keep()];
        effects.extend(self.follow_form());
        effects.extend(self.look_at_table());
        effects
    }

    fn keep(&self) -> Effect {
        PreferencesMessage::KeepForm(Box::new(self.form.clone())).into()
    }

    /// Has the columns of the table listed that the form names, unless they are known.
    fn look_at_table(&self) -> Option<Effect> {
        let table = self.form.data.trim();
        let is_known = self.table.as_ref().is_some_and(|(known, _)| known == table);
        let is_new = self.form.kind == DataKind::Sentences && !table.is_empty() && !is_known;
        let event = || Event::FineTuning(FineTuningEvent::Columns(table.to_owned())).into();
        (is_new && self.looking.is_none()).then(event)
    }

    fn take_columns(&mut self, columns: Result<Vec<TableColumn>, String>) -> Vec<Effect> {
        let Some(table) = self.looking.take() else { return Vec::new() };
        if let Ok(columns) = &columns
            && table == self.form.data.trim()
        {
            self.form.texts.suit(columns);
        }
        let columns = columns.map_err(|words| Wrong { field: Some(Field::Data), words });
        self.table = Some((table, columns));
        // What was written meanwhile comes next.
        let mut effects = vec![self.keep()];
        effects.extend(self.look_at_table());
        effects
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

    /// What the program said of the form as it is.
    #[must_use]
    pub fn fit_of_form(&self) -> Option<&Fit> {
        let sizes = self.form.sizes().ok()?;
        self.shown().filter(|(shown, _)| **shown == sizes).map(|(_, fit)| fit)
    }

    /// Whether the board does not show yet what the form says.
    #[must_use]
    pub fn is_estimating(&self) -> bool {
        self.asked.is_some()
    }

    /// The columns of the table that the form names, where they are known.
    #[must_use]
    pub fn columns(&self) -> Option<&[TableColumn]> {
        self.table().and_then(|table| table.as_deref().ok())
    }

    fn table(&self) -> Option<&Result<Vec<TableColumn>, Wrong>> {
        let is_it = |(table, _): &&(String, _)| {
            self.form.kind == DataKind::Sentences && table == self.form.data.trim()
        };
        self.table.as_ref().filter(is_it).map(|(_, columns)| columns)
    }

    /// Whether the model of the form is an encoder, where that is known.
    #[must_use]
    pub fn is_encoder(&self) -> Option<bool> {
        let model = self.form.model.trim();
        let shown = self.shown().filter(|(sizes, _)| sizes.model.as_os_str() == model);
        shown.map(|(_, fit)| fit.encoder)
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
        let no_table = self.table().and_then(|table| table.as_ref().err());
        self.refused.iter().chain(failed.map(|(_, wrong)| wrong)).chain(no_table)
    }
}
