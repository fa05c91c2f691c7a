//! Saving and loading under any partition.

use std::path::Path;
use std::sync::Arc;

use super::Pipeline;
use super::worker_pool::Health;
use crate::EngineError;
use crate::checkpoint::{self, LayerRecord, Loading, Manifest, SaveAs};
use crate::worker::{Command, Files, Reply};

impl Pipeline {
    /// Writes a checkpoint: a folder that holds every layer in a file of its own, so that it can
    /// be loaded under any partition. `folder` appears whole or not at all.
    ///
    /// A pipeline that failed in the middle of a step can still be saved, as it was before the step,
    /// where all its devices can say what they hold.
    ///
    /// # Errors
    /// [`EngineError::Io`] when the disk does not take it, [`EngineError::NotFiniteWeights`] when there
    /// is nothing sound to save; training may go on.
    pub fn save(&mut self, folder: &Path, about: SaveAs) -> Result<(), EngineError> {
        if self.workers.health == Health::FailedWithWeights {
            // Of those that finished their part of the step, too: buffers are of the step before.
            self.workers.ask_all(|| Command::Discard)?;
            self.workers.collect()?;
        }
        // Before anything is written.
        self.check_weights()?;
        let unfinished = checkpoint::begin(folder)?;
        let saved = self.save_into(&unfinished).and_then(|layers| {
            let names = (self.plan.model.as_str(), self.options.optimizer.optimizer.name());
            let manifest = Manifest::new(names, about, self.frozen_from.clone(), layers);
            checkpoint::finish(&unfinished, folder, &manifest)
        });
        if saved.is_err() {
            checkpoint::give_up(&unfinished);
        }
        saved
    }

    fn save_into(&mut self, unfinished: &Path) -> Result<Vec<LayerRecord>, EngineError> {
        self.workers.ask_all(|| Command::Save { folder: unfinished.to_owned() })?;
        let mut layers = Vec::new();
        for reply in self.workers.collect_unless_refused()? {
            if let Reply::Saved(records) = reply {
                layers.extend(records);
            }
        }
        layers.sort_by_key(|record| record.index);
        Ok(layers)
    }

    /// Reads weights and optimizer state from a checkpoint, whatever partition wrote it.
    ///
    /// Everything is checked before anything is changed.
    ///
    /// # Errors
    /// [`EngineError::Checkpoint`] when it is not whole or belongs to another model or optimizer; the
    /// pipeline is as it was.
    pub fn load(&mut self, folder: &Path) -> Result<Manifest, EngineError> {
        self.load_files(folder, Loading::Whole)
    }

    /// Reads weights and buffers alone, to use the model and not to train it: no memory is taken for
    /// optimizer state, and it does not matter which optimizer it is of.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn load_weights(&mut self, folder: &Path) -> Result<Manifest, EngineError> {
        self.load_files(folder, Loading::Weights)
    }

    /// The same for a model that has grown since: one with more tokens, say. A tensor that is larger than
    /// in the checkpoint gets the checkpoint's values at its beginning in each dimension, and keeps the
    /// rest as the model began.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn load_into_larger(&mut self, folder: &Path) -> Result<Manifest, EngineError> {
        self.load_files(folder, Loading::IntoLarger)
    }

    fn load_files(&mut self, folder: &Path, loading: Loading) -> Result<Manifest, EngineError> {
        let manifest = checkpoint::read_manifest(folder)?;
        manifest.check_layers(folder, &self.layer_names)?;
        manifest.check_frozen(folder, self.frozen_from.as_deref())?;
        if loading != Loading::Weights {
            manifest.check_optimizer(folder, self.options.optimizer.optimizer.name())?;
        }
        let records = Arc::new(manifest.layers.clone());
        let files = Files { folder: folder.into(), records, loading };
        self.workers.ask_all(|| Command::CheckFiles(files.clone()))?;
        self.workers.collect_unless_refused()?;
        self.workers.ask_all(|| Command::Load(files.clone()))?;
        self.workers.collect()?;
        Ok(manifest)
    }
}
