//! A model that can write: of a run directory, with the weights of one of its checkpoints, or a pretrained one.

use std::path::{Path, PathBuf};

use trainyard_engine::Pipeline;
use trainyard_plan::memory::human_bytes;
use trainyard_plan::{PlanError, Profile, SequencesKept};
use trainyard_pretrained::find;

use crate::app::App;
use crate::cli::{Sets, say};
use crate::config::DataSection;
use crate::error::RunError;
use crate::generation::{PRETRAINED, TextForm, template_of};
use crate::run_dir::{CheckpointChoice, Found, RunDir};
use crate::setup::TrainingSetup;
use crate::train::read_state;

/// A model with its devices, and nothing on any of them yet.
pub(super) struct Trained {
    pub(super) form: TextForm,
    pub(super) data: DataSection,
    setup: TrainingSetup,
    costs: Profile,
    /// Those of a run, held as long as they are not on the devices: a training beside may remove them afterwards.
    weights: Option<(RunDir, Found)>,
}

impl Trained {
    /// Opens a run directory or a pretrained model, for so many positions at once if that is said.
    ///
    /// # Errors
    /// When it holds no run, checkpoint or language model, or its devices are not there.
    pub(super) fn open(
        app: &App,
        path: &Path,
        context: Option<usize>,
        checkpoint: CheckpointChoice,
        sets: &Sets,
    ) -> Result<Self, RunError> {
        match pretrained_at(path) {
            Some(_) if checkpoint != CheckpointChoice::Latest => Err(RunError::Mismatch {
                what: format!("{} is a pretrained model, which has no checkpoints", path.display()),
                remedy: "leave --checkpoint out",
            }),
            Some(model) => Self::of_model(app, &model, context, sets),
            None => Self::of_run(app, path, context, checkpoint, sets),
        }
    }

    fn of_run(
        app: &App,
        path: &Path,
        context: Option<usize>,
        checkpoint: CheckpointChoice,
        sets: &Sets,
    ) -> Result<Self, RunError> {
        if path.join("adapter_config.json").is_file() {
            return Err(RunError::Mismatch {
                what: format!("{} is an adapter, for PEFT, and no whole model", path.display()),
                remedy: "name the run that it is of, or the model that `export` writes without --adapter",
            });
        }
        let directory = RunDir::open(path)?;
        let found = directory.find(checkpoint)?;
        found.note.iter().for_each(say);
        let state = read_state(&directory, &found)?;
        let mut run_file = app.config(&directory.run_file(), sets)?;
        let model = &mut run_file.0.model;
        // Positions of these are computed, or there are weights for more: there may be more than in the training.
        if let Some(context) = context.filter(|_| model.kind == PRETRAINED) {
            let context = i64::try_from(context).unwrap_or(i64::MAX);
            model.options.insert("context".to_owned(), context.into());
        }
        // Another template that is asked for takes the place of the one that was trained with.
        let (own, _) = app.config(&directory.run_file(), &Sets::default())?;
        let is_own = template_of(&own) == template_of(&run_file.0);
        let template = state.chat_template.filter(|_| is_own);
        let form = TextForm::of_run(&run_file.0, state.vocabulary, template.as_deref())?;
        let form = form.ok_or_else(|| RunError::Mismatch {
            what: format!("{} was not trained on text", path.display()),
            remedy: "generate needs a run of a language model",
        })?;
        let data = run_file.0.data.clone();
        let setup = app.setup_for_inference(run_file, &directory, form.size())?;
        let costs = setup.costs()?.for_inference();
        Ok(Self { form, data, setup, costs, weights: Some((directory, found)) })
    }

    fn of_model(
        app: &App,
        path: &Path,
        context: Option<usize>,
        sets: &Sets,
    ) -> Result<Self, RunError> {
        let form = TextForm::of_model(path)?.ok_or_else(|| RunError::Mismatch {
            what: format!("{} has no tokenizer", path.display()),
            remedy: "put its tokenizer.json beside its config.json",
        })?;
        let run_file = app.config_of_model(path, context, sets)?;
        let data = run_file.0.data.clone();
        let setup = app.setup_without_data(run_file, form.size())?;
        let costs = setup.costs()?.for_inference();
        Ok(Self { form, data, setup, costs, weights: None })
    }

    /// How many of some texts are written at once: as many as keep all devices busy.
    pub(super) fn at_once(&self, texts: usize) -> usize {
        texts.min(self.setup.devices.len()).max(1)
    }

    /// Tokens that the model is to see at once.
    ///
    /// # Errors
    /// [`RunError::BadValue`] for more than it can, or none.
    pub(super) fn context(&self, wanted: Option<usize>) -> Result<usize, RunError> {
        let most = self.setup.job.context.unwrap_or(1);
        match wanted {
            None => Ok(most),
            Some(wanted) if (1..=most).contains(&wanted) => Ok(wanted),
            Some(wanted) => Err(RunError::BadValue {
                key: "--context".to_owned(),
                value: wanted.to_string(),
                must: format!("from 1 to {most}, the positions that the model can see at once"),
            }),
        }
    }

    /// Puts the weights on the devices, with room for what they keep of so many texts of so many tokens.
    ///
    /// # Errors
    /// [`PlanError::DoesNotFit`], before anything is opened; whatever is wrong with the checkpoint; when a device
    /// fails.
    pub(super) fn start(&mut self, texts: usize, tokens: usize) -> Result<Pipeline, RunError> {
        let rows = self.setup.config.rows_of_micro_batch();
        let kept = SequencesKept { count: texts, positions: tokens, rows };
        let costs = self.costs.with_sequences(kept);
        let started = || {
            let plan = self.setup.plan_to_write(&costs)?;
            self.setup.start(&plan, &costs)
        };
        let mut pipeline = started().map_err(|error| self.explained(error, kept))?;
        if let Some((directory, found)) = self.weights.take() {
            directory.explain(found.step, pipeline.load_weights(&found.path))?;
        }
        Ok(pipeline)
    }

    /// Says what would lower the need, where what is kept of texts is what does not fit.
    fn explained(&self, error: RunError, kept: SequencesKept) -> RunError {
        let RunError::Plan(PlanError::DoesNotFit { devices, hint }) = error else { return error };
        let fits_without = self.setup.plan_to_write(&self.costs).is_ok();
        let hint = if fits_without {
            let bytes = human_bytes(kept.bytes(&self.costs));
            let SequencesKept { count, positions, .. } = kept;
            let texts = if count == 1 { "one text".to_owned() } else { format!("{count} texts") };
            let fewer = if count == 1 { "" } else { " or fewer prompts at once" };
            format!(
                "{bytes} are for what is kept of {texts} of {positions} tokens: a smaller --context{fewer} \
                 would lower that"
            )
        } else {
            hint
        };
        PlanError::DoesNotFit { devices, hint }.into()
    }
}

/// The pretrained model that is meant, if it is none of a run: a folder with a config, a file, or a downloaded one.
fn pretrained_at(path: &Path) -> Option<PathBuf> {
    let has = |name: &str| path.join(name).is_file();
    let ends_with = |end: &str| path.extension().is_some_and(|it| it.eq_ignore_ascii_case(end));
    if path.is_dir() {
        return (has("config.json") && !has("run.toml")).then(|| path.to_owned());
    }
    if path.is_file() {
        return ends_with("gguf").then(|| path.to_owned());
    }
    // A name; what is there is no model.
    if path.exists() { None } else { find(path).ok() }
}
