//! A model that can write: of a run directory, with the weights of one of its checkpoints, or a pretrained one.

use std::path::{Path, PathBuf};

use toml::Value;
use trainyard_config::Document;
use trainyard_engine::Pipeline;
use trainyard_plan::memory::human_bytes;
use trainyard_plan::{PlanError, Profile, SequencesKept};
use trainyard_pretrained::{Pretrained, find};

use crate::app::App;
use crate::cli::{Sets, say};
use crate::config::{DataSection, RunConfig};
use crate::error::RunError;
use crate::generation::{PRETRAINED, TextForm, template_of};
use crate::run_dir::{CheckpointChoice, Found, RunDir};
use crate::setup::TrainingSetup;
use crate::train::read_state;

/// Costs are kept by context: one of a few sizes finds them again.
const STEP: usize = 256;

/// What is to write, before it is settled how many tokens it sees at once.
pub(super) struct Source {
    pub(super) form: TextForm,
    run_file: (RunConfig, Document),
    /// Those of a run, held as long as they are not on the devices: a training beside may remove them afterwards.
    weights: Option<(RunDir, Found)>,
    /// The positions that a pretrained model was made for.
    most: Option<usize>,
}

impl Source {
    /// Opens a run directory or a pretrained model.
    ///
    /// # Errors
    /// When it holds no run, checkpoint or language model.
    pub(super) fn open(
        app: &App,
        path: &Path,
        checkpoint: CheckpointChoice,
        sets: &Sets,
    ) -> Result<Self, RunError> {
        match pretrained_at(path) {
            Some(_) if checkpoint != CheckpointChoice::Latest => Err(RunError::Mismatch {
                what: format!("{} is a pretrained model, which has no checkpoints", path.display()),
                remedy: "leave --checkpoint out",
            }),
            Some(model) => Self::of_model(app, &model, sets),
            None => Self::of_run(app, path, checkpoint, sets),
        }
    }

    fn of_run(
        app: &App,
        path: &Path,
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
        let run_file = app.config(&directory.run_file(), sets)?;
        // Another template that is asked for takes the place of the one that was trained with.
        let (own, _) = app.config(&directory.run_file(), &Sets::default())?;
        let is_own = template_of(&own) == template_of(&run_file.0);
        let template = state.chat_template.filter(|_| is_own);
        let form = TextForm::of_run(&run_file.0, state.vocabulary, template.as_deref())?;
        let form = form.ok_or_else(|| RunError::Mismatch {
            what: format!("{} was not trained on text", path.display()),
            remedy: "generate needs a run of a language model",
        })?;
        let model = &run_file.0.model;
        let files = model.options.get("path").and_then(Value::as_str);
        let files = files.filter(|_| model.kind == PRETRAINED);
        let most = files.map(|files| positions(Path::new(files))).transpose()?;
        Ok(Self { form, run_file, weights: Some((directory, found)), most })
    }

    fn of_model(app: &App, path: &Path, sets: &Sets) -> Result<Self, RunError> {
        let most = Some(positions(path)?);
        let form = TextForm::of_model(path)?.ok_or_else(|| RunError::Mismatch {
            what: format!("{} has no tokenizer", path.display()),
            remedy: "put its tokenizer.json beside its config.json",
        })?;
        let run_file = app.config_of_model(path, sets)?;
        Ok(Self { form, run_file, weights: None, most })
    }

    /// `[data]` of the run file.
    pub(super) fn data(&self) -> &DataSection {
        &self.run_file.0.data
    }

    /// Finds devices and costs for a model that sees so many tokens at once: those that are asked for, or else as
    /// many as a pretrained model `needs`, if it was made for so many. (Another one sees what it was trained with.)
    ///
    /// # Errors
    /// [`RunError::BadValue`] for more than it can see, or none; when its devices are not there.
    pub(super) fn set_up(
        self,
        app: &App,
        wanted: Option<usize>,
        needs: usize,
    ) -> Result<Trained, RunError> {
        let Self { form, mut run_file, weights, most } = self;
        let data = run_file.0.data.clone();
        if let Some(most) = most {
            let usual = needs.checked_next_multiple_of(STEP).unwrap_or(needs).min(most);
            let context = within(wanted.unwrap_or(usual), most)?;
            let context = i64::try_from(context).unwrap_or(i64::MAX);
            run_file.0.model.options.insert("context".to_owned(), context.into());
        }
        let setup = match &weights {
            Some((directory, _)) => app.setup_for_inference(run_file, directory, form.size())?,
            None => app.setup_without_data(run_file, form.size())?,
        };
        let costs = setup.costs()?.for_inference();
        let most = setup.job.context.unwrap_or(1);
        let context = within(wanted.unwrap_or(most), most)?;
        Ok(Trained { form, data, context, setup, costs, weights })
    }
}

/// The positions that a pretrained decoder was made for.
fn positions(model: &Path) -> Result<usize, RunError> {
    let config = Pretrained::open(model)?.config;
    if config.architecture.is_encoder() {
        return Err(RunError::Mismatch {
            what: format!(
                "{} is {}, an encoder, which writes no text",
                model.display(),
                config.architecture.name()
            ),
            remedy: "`evaluate` says how good it is, and `export` writes it for other programs",
        });
    }
    Ok(config.context as usize)
}

/// A context of at most so many positions.
fn within(context: usize, most: usize) -> Result<usize, RunError> {
    if (1..=most).contains(&context) {
        return Ok(context);
    }
    Err(RunError::BadValue {
        key: "--context".to_owned(),
        value: context.to_string(),
        must: format!("from 1 to {most}, the positions that the model can see at once"),
    })
}

/// A model with its devices, and nothing on any of them yet.
pub(super) struct Trained {
    pub(super) form: TextForm,
    pub(super) data: DataSection,
    /// Tokens that it sees at once.
    pub(super) context: usize,
    setup: TrainingSetup,
    costs: Profile,
    /// As [`Source`] has them.
    weights: Option<(RunDir, Found)>,
}

impl Trained {
    /// How many of some texts are written at once: as many as keep all devices busy.
    pub(super) fn at_once(&self, texts: usize) -> usize {
        texts.min(self.setup.devices.len()).max(1)
    }

    /// Puts the weights on the devices, with room for what they keep of so many texts.
    ///
    /// # Errors
    /// [`PlanError::DoesNotFit`], before anything is opened; whatever is wrong with the checkpoint; when a device
    /// fails.
    pub(super) fn start(&mut self, texts: usize) -> Result<Pipeline, RunError> {
        let rows = self.setup.config.rows_of_micro_batch();
        let kept = SequencesKept { count: texts, positions: self.context, rows };
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
        // Of its other files the folder is the model.
        let is_of_folder = ["json", "safetensors"].into_iter().any(ends_with);
        let folder = path.parent().filter(|_| is_of_folder).map(|it| Path::new(".").join(it));
        let folder = folder.filter(|folder| folder.join("config.json").is_file());
        return folder.or_else(|| ends_with("gguf").then(|| path.to_owned()));
    }
    // A name; what is there is no model.
    if path.exists() { None } else { find(path).ok() }
}
