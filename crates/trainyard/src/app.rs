//! The recipes that a program has, and what commands do with them.

use std::path::Path;
use std::sync::Arc;

use indicatif::{ProgressBar, ProgressStyle};
use trainyard_config::Document;
use trainyard_engine::optimizer::OPTIMIZERS;
use trainyard_models::Recipe;
use trainyard_plan::ModelProfile;

use crate::cli::{Output, RunFile, Sets, say};
use crate::config::{KeyGroup, RunConfig};
use crate::error::RunError;
use crate::files::read_profile;
use crate::generation::PRETRAINED;
use crate::run_dir::RunDir;
use crate::setup::{TrainingSetup, default_devices};
use crate::train::CheckpointState;

/// What a program can train.
pub struct App {
    recipes: Vec<Arc<dyn Recipe>>,
}

impl App {
    pub(crate) fn new(recipes: Vec<Arc<dyn Recipe>>) -> Self {
        Self { recipes }
    }

    /// The recipes.
    pub fn recipes(&self) -> &[Arc<dyn Recipe>] {
        &self.recipes
    }

    /// The keys that depend on a kind: of models, data sources and optimizers.
    pub fn key_groups(&self) -> Vec<KeyGroup> {
        let recipes = self.recipes.iter().map(|recipe| recipe.group());
        let optimizers = OPTIMIZERS.iter().map(|optimizer| optimizer.group);
        recipes.chain(trainyard_data::key_groups()).chain(optimizers).collect()
    }

    /// Reads a run file: what it says, and the document, which knows where it says so.
    ///
    /// # Errors
    /// As [`RunConfig::load`].
    pub fn config(&self, file: &Path, sets: &Sets) -> Result<(RunConfig, Document), RunError> {
        Ok(RunConfig::load(file, &sets.all(), &self.key_groups())?)
    }

    /// The same for a text of the program's own.
    ///
    /// # Errors
    /// As [`RunConfig::from_text`].
    pub fn config_text(&self, text: &str, name: &str) -> Result<(RunConfig, Document), RunError> {
        Ok(RunConfig::from_text(text, name.as_ref(), &[], &self.key_groups())?)
    }

    /// A run file with everything it names.
    ///
    /// # Errors
    /// As [`Self::config`] and [`Self::setup`].
    pub fn load(&self, run: &RunFile) -> Result<TrainingSetup, RunError> {
        self.load_file(&run.file, &run.sets)
    }

    /// The same by path.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn load_file(&self, file: &Path, sets: &Sets) -> Result<TrainingSetup, RunError> {
        self.setup(self.config(file, sets)?)
    }

    /// Everything that a run file names; shows how far finding out the layers' costs has come, and says
    /// what is worth knowing of the data.
    ///
    /// # Errors
    /// As [`TrainingSetup::load`].
    pub fn setup(&self, run_file: (RunConfig, Document)) -> Result<TrainingSetup, RunError> {
        let setup =
            with_progress(|progress| TrainingSetup::load(run_file, &self.recipes, progress))?;
        setup.note_idle_sections();
        for remark in setup.job.data.iter().flat_map(|data| &data.info().remarks) {
            say(format_args!("note: {remark}"));
        }
        Ok(setup)
    }

    /// Puts other data in place of a run's: all of a file or folder, for evaluation. Tokens and class
    /// numbers mean what they mean to the model: what they were when `trained` was saved, or else in
    /// the run's own data.
    ///
    /// # Errors
    /// [`RunError`] where the run file names no data, or none of a kind that is read from files, or
    /// its own data are needed and cannot be read.
    pub fn replace_data(
        &self,
        run_file: &mut (RunConfig, Document),
        path: &Path,
        trained: Option<CheckpointState>,
    ) -> Result<(), RunError> {
        let Some(kind) = &run_file.0.data.kind else {
            return Err(RunError::Mismatch {
                what: "this run file names no data that --data could replace".to_owned(),
                remedy: "leave --data out, or name a kind of data in [data]",
            });
        };
        let group = trainyard_data::source_for(kind)?.group;
        let Some(key) = group.named_by else {
            return Err(RunError::Mismatch {
                what: "this run's data are made by the program itself".to_owned(),
                remedy: "leave --data out",
            });
        };
        let (vocabulary, classes) = match trained {
            Some(state) => (state.vocabulary, state.classes),
            // Nothing of its own data is needed where its tokens are those of a tokenizer, and it has no classes.
            None if !needs_meanings(&run_file.0, group) => Default::default(),
            None => TrainingSetup::meanings(run_file.clone(), &self.recipes)?,
        };
        let (config, document) = &mut *run_file;
        // A built-in text is replaced by a text file.
        config.data.options.remove("builtin");
        config.data.options.insert(key.to_owned(), path.display().to_string().into());
        config.data.validation_fraction = 1.0;
        // What is wrong with them does not stand in the run file.
        document.forget_places("data");
        self.keep_meanings(run_file, &vocabulary, &classes)
    }

    /// Lets tokens and class numbers mean what they mean to a model, whatever the data have.
    ///
    /// # Errors
    /// [`RunError`] for data of a kind that there is not.
    pub fn keep_meanings(
        &self,
        (config, _): &mut (RunConfig, Document),
        vocabulary: &[String],
        classes: &[String],
    ) -> Result<(), RunError> {
        let Some(kind) = &config.data.kind else { return Ok(()) };
        let group = trainyard_data::source_for(kind)?.group;
        let keys: Vec<&str> = (group.keys)().iter().map(|key| key.name).collect();
        let mut fix = |key: &str, is_empty: bool, value: toml::Value| {
            if !is_empty && keys.contains(&key) {
                config.data.options.insert(key.to_owned(), value);
            }
        };
        fix("vocabulary", vocabulary.is_empty(), vocabulary.concat().into());
        fix("classes", classes.is_empty(), classes.to_vec().into());
        Ok(())
    }

    /// Adds what the run's data have beyond a vocabulary to its end, for a model that is to learn it;
    /// whether there is anything.
    ///
    /// # Errors
    /// Whatever is wrong with the data.
    pub fn grow_vocabulary(
        &self,
        run_file: &mut (RunConfig, Document),
        known: &[String],
    ) -> Result<bool, RunError> {
        let grown = trainyard_data::grown_vocabulary(&run_file.0.data, known)?;
        let new = grown.get(known.len()..).unwrap_or_default();
        if !new.is_empty() {
            let tokens = if new.len() == 1 { "token" } else { "tokens" };
            say(format_args!("note: {} new {tokens}: {}", new.len(), new.join(" ")));
        }
        self.keep_meanings(run_file, &grown, &[])?;
        Ok(!new.is_empty())
    }

    /// A trained model without its data.
    ///
    /// # Errors
    /// As [`TrainingSetup::for_inference`]; when the run directory has no profile.
    pub fn setup_for_inference(
        &self,
        run_file: (RunConfig, Document),
        directory: &RunDir,
        vocabulary: usize,
    ) -> Result<TrainingSetup, RunError> {
        let profile: ModelProfile = read_profile(&directory.profile())?.model;
        TrainingSetup::for_inference(run_file, &self.recipes, vocabulary, profile)
    }

    /// What a run file of a pretrained model would say that writes on all devices of this machine, one row at a
    /// time.
    ///
    /// # Errors
    /// As [`RunConfig::from_text`].
    pub fn config_of_model(
        &self,
        model: &Path,
        sets: &Sets,
    ) -> Result<(RunConfig, Document), RunError> {
        let model = std::path::absolute(model).map_err(RunError::io("find", model))?;
        let text = |text: &str| toml::Value::from(text).to_string();
        let mut file = format!(
            "[model]\nkind = \"hf\"\npath = {}\n[train]\nbatch = 1\nmicro_batches = 1\n",
            text(&model.display().to_string())
        );
        let mut devices = default_devices();
        // One text is on one device at a time: of the CPU both halves are one.
        if devices.iter().all(|device| device.adapter == "cpu") {
            devices.truncate(1);
        }
        let sections = devices.iter().map(|device| {
            let (id, adapter) = (text(&device.id), text(&device.adapter));
            format!("[[device]]\nid = {id}\nadapter = {adapter}\n")
        });
        file.extend(sections);
        Ok(RunConfig::from_text(&file, "generate.toml".as_ref(), &sets.all(), &self.key_groups())?)
    }

    /// A model without data, as its files have it, with what its layers cost; shows how far finding that out has
    /// come.
    ///
    /// # Errors
    /// As [`TrainingSetup::load`].
    pub fn setup_without_data(
        &self,
        run_file: (RunConfig, Document),
        vocabulary: usize,
    ) -> Result<TrainingSetup, RunError> {
        with_progress(|progress| {
            TrainingSetup::without_data(run_file, &self.recipes, vocabulary, progress)
        })
    }
}

/// Whether what tokens and class numbers mean follows from a run's own data.
fn needs_meanings(config: &RunConfig, source: KeyGroup) -> bool {
    let has_tokenizer =
        config.model.kind == PRETRAINED || config.data.options.contains_key("tokenizer");
    let keys = (source.keys)();
    keys.iter().any(|key| key.name == "classes" || (key.name == "vocabulary" && !has_tokenizer))
}

/// Shows how many layers have been run to find out what they cost.
fn with_progress<T>(find: impl FnOnce(&(dyn Fn(usize, usize) + Sync)) -> T) -> T {
    let bar = match Output::detect(false) {
        Output::Terminal => ProgressBar::new(0),
        _ => ProgressBar::hidden(),
    };
    let style = ProgressStyle::with_template("running each layer once {bar:24} {pos}/{len}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let found = find(&|done: usize, of: usize| {
        bar.set_length(of as u64);
        bar.set_position(done as u64);
    });
    bar.finish_and_clear();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_files_are_sound() {
        let app = App { recipes: trainyard_models::recipes() };
        // Tests run in the folder of their package, wherever that is.
        let mut found = 0;
        for entry in std::fs::read_dir("../../assets").unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|end| end == "toml") {
                let (config, _) = app.config(&path, &Sets::default()).unwrap();
                let resolved = config.to_toml().unwrap();
                let (again, _) = app.config_text(&resolved, "run.toml").unwrap();
                assert_eq!(again, config, "{}", path.display());
                found += 1;
            }
        }
        assert!(found >= 4, "{found} files");
    }
}
