//! Checkpoints of a training: when one is written it is the newest, and the journal says so.

use std::path::Path;

use serde::{Deserialize, Serialize};
use trainyard_data::DataState;
use trainyard_engine::{EngineError, checkpoint};
use trainyard_plan::journal::Record;

use super::training::Training;
use crate::error::RunError;
use crate::run_dir::RunDir;

/// What a checkpoint says beside the weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckpointState {
    /// The text of each token, in the order of their numbers; empty where there are no tokens.
    pub vocabulary: Vec<String>,
    /// Names of the classes, in the order of their numbers; empty where there are none.
    #[serde(default)]
    pub classes: Vec<String>,
    /// The data, and how far they have been used.
    pub data: DataState,
}

impl Training<'_> {
    pub(super) fn save(&mut self) -> Result<(), RunError> {
        let info = self.setup.data()?.info();
        let data = DataState::new(info, self.cursor);
        let (vocabulary, classes) = (info.vocabulary.clone(), info.classes.clone());
        let state = CheckpointState { vocabulary, classes, data };
        let state = serde_json::to_value(state).map_err(|e| RunError::config(e.to_string()))?;
        self.pipeline.save(&self.directory.checkpoint(self.step), self.step, state)?;
        self.directory.set_latest(self.step)?;
        self.directory.prune_checkpoints(self.setup.config.train.keep_checkpoints)?;
        self.saved_step = Some(self.step);
        let path = RunDir::checkpoint_name(self.step);
        self.tell(&Record::Checkpoint { at_ns: self.now(), step: self.step, path })?;
        self.journal.sync()
    }

    pub(super) fn load(&mut self, step: u64, path: &Path) -> Result<(), RunError> {
        let state = self.directory.explain(step, read_state(path))?;
        self.cursor = state.data.resume(self.setup.data()?.info())?;
        self.directory.explain(step, self.pipeline.load(path)).map(|_manifest| ())
    }
}

/// What a checkpoint says beside the weights.
///
/// # Errors
/// [`EngineError::Checkpoint`] when it is not whole or not one of this program.
pub fn read_state(path: &Path) -> Result<CheckpointState, EngineError> {
    let manifest = checkpoint::read_manifest(path)?;
    serde_json::from_value(manifest.state).map_err(|error| EngineError::Checkpoint {
        path: path.to_owned(),
        reason: format!("its manifest does not say what it was trained on: {error}"),
    })
}
