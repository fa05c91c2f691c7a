//! Checkpoints of a training: when one is written it is the newest, and the journal says so.

use std::path::Path;

use serde::{Deserialize, Serialize};
use trainyard_data::{DataError, DataSource, DataState};
use trainyard_engine::checkpoint::{Manifest, SaveAs};
use trainyard_engine::{CheckpointFault, EngineError, LossScale};
use trainyard_plan::journal::{Header, Record};

use super::settings::write_settings;
use super::training::Training;
use super::{GoingOn, go_on_with};
use crate::cli::say;
use crate::config::RunConfig;
use crate::error::RunError;
use crate::generation::template_of;
use crate::journal::JournalWriter;
use crate::run_dir::{Found, RunDir, run_id};

/// What a checkpoint says beside the weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckpointState {
    /// The text of each token, in the order of their numbers; empty where there are no tokens, or a
    /// tokenizer has their texts.
    pub vocabulary: Vec<String>,
    /// What tells the tokenizer of the data from others, where there is one.
    #[serde(default)]
    pub tokenizer: Option<String>,
    /// The template of chats that the run file named, by its text: the file may be gone later, or another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chat_template: Option<String>,
    /// Names of the classes, in the order of their numbers; empty where there are none.
    #[serde(default)]
    pub classes: Vec<String>,
    /// The data, and how far they have been used.
    pub data: DataState,
    /// The factor of the next step's loss, where a device computes in f16.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss_scale: Option<LossScale>,
}

impl Training<'_> {
    /// Saves the present weights as the newest checkpoint, if they are not saved yet. What the disk does
    /// not take is a trouble, and the training goes on.
    ///
    /// # Errors
    /// When there is nothing sound to save, a device fails, or the run directory is gone.
    pub(super) fn save(&mut self) -> Result<(), RunError> {
        if self.saved_step == Some(self.step) {
            return Ok(());
        }
        self.directory.check_still_there()?;
        let began_s = self.seconds();
        let saved = self.save_into(self.directory, &self.run_id.clone());
        if !matches!(saved, Ok(()) | Err(RunError::Io { .. })) {
            return saved;
        }
        if !self.troubles.note("a checkpoint", saved) {
            self.pace.failed(self.seconds());
            return Ok(());
        }
        self.pace.saved(self.step, began_s, self.seconds());
        self.saved_step = Some(self.step);
        self.interrupt.set_at_stake(false);
        let path = RunDir::checkpoint_name(self.step);
        self.tell(&Record::Checkpoint { at_ns: self.now(), step: self.step, path });
        self.sync();
        self.prune();
        Ok(())
    }

    fn save_into(&mut self, directory: &RunDir, run_id: &str) -> Result<(), RunError> {
        let source = self.setup.data()?;
        let info = source.info();
        let chat_template = own_template(&self.setup.config, &**source);
        let data = DataState::new(info, self.cursor);
        let (vocabulary, classes) = (info.vocabulary.clone(), info.classes.clone());
        let tokenizer = self.tokenizer.clone();
        let loss_scale = self.pipeline.loss_scale();
        let state =
            CheckpointState { vocabulary, tokenizer, chat_template, classes, data, loss_scale };
        let state = serde_json::to_value(state).map_err(|e| RunError::config(e.to_string()))?;
        let about = SaveAs { step: self.step, run: Some(run_id.to_owned()), state };
        self.pipeline.save(&directory.checkpoint(self.step), about)?;
        directory.set_latest(self.step)
    }

    /// Removes old checkpoints, but for the best.
    pub(super) fn prune(&mut self) {
        let keep = self.setup.config.train.keep_checkpoints;
        let pruned = self.directory.prune_checkpoints(keep, &self.best_steps());
        self.troubles.note("removing old checkpoints", pruned);
    }

    /// Takes weights, optimizer state and place in the data from a checkpoint.
    pub(super) fn load(&mut self, from: &GoingOn) -> Result<(), RunError> {
        let GoingOn { checkpoint: found, other_data, grown } = from;
        let state = read_state(self.directory, found)?;
        if state.tokenizer.is_some() && state.tokenizer != self.tokenizer {
            return Err(RunError::Mismatch {
                what: format!(
                    "the tokenizer of {} is not the one that this run was trained with, so that its tokens \
                     would mean something else",
                    self.setup.data()?.info().name
                ),
                remedy: "name the one of before, or begin a new run in another directory",
            });
        }
        if let (Some(_), Some(scale)) = (self.pipeline.loss_scale(), state.loss_scale) {
            self.pipeline.scale_loss(scale);
        }
        match state.data.resume(self.setup.data()?.info()) {
            Ok(cursor) => self.cursor = cursor,
            Err(DataError::OtherData { name, .. }) if *other_data => {
                say(format_args!("{name}: other data than before, from their beginning"));
            }
            Err(error) => return Err(error.into()),
        }
        let loaded = if *grown {
            self.pipeline.load_into_larger(&found.path)
        } else {
            self.pipeline.load(&found.path)
        };
        self.directory.explain(found.step, loaded).map(|_manifest| ())
    }

    /// Saves what is sound when an error ends the training, and says what was kept.
    pub(super) fn rescue(&mut self, error: RunError, header: &Header) -> RunError {
        if self.step == 0 || matches!(error, RunError::Engine(EngineError::NotFiniteWeights { .. }))
        {
            return error;
        }
        let step = self.step;
        if self.directory.check_still_there().is_err() {
            let kept = match self.rescue_elsewhere(header) {
                Ok(directory) => format!(
                    "the weights after step {step} are saved in {}; {}",
                    directory.path().display(),
                    go_on_with(directory.path(), Some(step))
                ),
                Err(other) => format!("the weights could not be saved elsewhere either: {other}"),
            };
            return error.with_what_was_kept(kept);
        }
        let saved = self.save().and_then(|()| match self.troubles.at_end() {
            Some(trouble) if self.saved_step != Some(step) => Err(RunError::config(trouble)),
            _ => Ok(()),
        });
        let is_past_numbers = matches!(error, RunError::Engine(EngineError::NotFinite { .. }));
        let kept = match saved {
            Ok(()) => {
                let name = RunDir::checkpoint_name(step);
                let go_on = go_on_with(self.directory.path(), Some(step));
                let (way_back, slower) = if is_past_numbers {
                    (self.way_back(), self.slower())
                } else {
                    (String::new(), String::new())
                };
                format!(
                    "the weights after step {step} are saved in {name}{way_back}; {go_on}{slower}"
                )
            }
            Err(other) => {
                let newest = self.newest();
                format!("the weights after step {step} could not be saved ({other}); {newest}")
            }
        };
        error.with_what_was_kept(kept)
    }

    /// The newest checkpoint, in words.
    pub(super) fn newest(&self) -> String {
        self.saved_step.map_or_else(
            || "there is no checkpoint".to_owned(),
            |step| format!("the newest checkpoint is that after step {step}"),
        )
    }

    /// The setting that learns more slowly, as a person would type it.
    fn slower(&self) -> String {
        format!(" --set train.learning_rate={:.1e}", self.setup.config.train.learning_rate / 10.0)
    }

    /// What to do where the newest weights are past use, though all their numbers are finite.
    fn way_back(&self) -> String {
        let older = self.directory.checkpoints().unwrap_or_default();
        let older = older.iter().rev().map(|(step, _)| *step).find(|step| *step < self.step);
        match older {
            Some(older) => format!(
                " (if they fail again at once they are past use: --checkpoint {older} goes back)"
            ),
            None => {
                " (if they fail again at once they are past use: begin another run with a smaller \
                 learning rate)"
                    .to_owned()
            }
        }
    }

    /// Makes a run of its own of what there is, beside a run directory that is gone.
    fn rescue_elsewhere(&mut self, header: &Header) -> Result<RunDir, RunError> {
        let name = self.directory.path().file_name().unwrap_or_default().to_string_lossy();
        let beside =
            |number: u32| self.directory.path().with_file_name(format!("{name}-rescued-{number}"));
        let mut number = 1;
        while beside(number).exists() {
            number += 1;
        }
        let path = beside(number);
        let directory = RunDir::create(&path, true)?;
        directory.begin()?;
        write_settings(self.setup, self.plan, self.costs, &directory)?;
        let mut journal = JournalWriter::open(directory.path())?;
        journal.write(&Record::Header(header.clone()))?;
        journal.sync()?;
        self.save_into(&directory, &run_id(header))?;
        say(format_args!("saved into {}", directory.path().display()));
        Ok(directory)
    }
}

/// The template of chats that a run file names, by its text, as the data were opened with it.
pub(super) fn own_template(config: &RunConfig, data: &dyn DataSource) -> Option<String> {
    template_of(config)?;
    data.tokenizer()?.chat_template().map(str::to_owned)
}

/// What a checkpoint of a run says beside the weights.
///
/// # Errors
/// [`RunError::BadCheckpoint`] when it is not whole, not one of this program, or not of this run.
pub fn read_state(directory: &RunDir, found: &Found) -> Result<CheckpointState, RunError> {
    let manifest = directory.manifest(found)?;
    directory.explain(found.step, state_of(manifest, &found.path))
}

/// What the checkpoint in a folder says beside the weights.
fn state_of(manifest: Manifest, path: &Path) -> Result<CheckpointState, EngineError> {
    serde_json::from_value(manifest.state).map_err(|error| EngineError::Checkpoint {
        path: path.to_owned(),
        fault: CheckpointFault::OtherVersion,
        reason: format!("its manifest does not say what it was trained on: {error}"),
    })
}
