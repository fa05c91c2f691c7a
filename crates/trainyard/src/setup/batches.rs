//! The data of a run as micro-batches.

use std::sync::Arc;

use trainyard_data::{Batch, Cursor, DataSource};
use trainyard_engine::MicroBatch;
use trainyard_models::micro_batch;

use super::training_setup::TrainingSetup;
use crate::error::RunError;

impl TrainingSetup {
    /// The data.
    ///
    /// # Errors
    /// [`RunError::Mismatch`] for a setup that was made to write with a trained model.
    pub fn data(&self) -> Result<&Arc<dyn DataSource>, RunError> {
        self.job.data.as_ref().ok_or_else(|| RunError::Mismatch {
            what: "the data were not opened".to_owned(),
            remedy: "train or evaluate with the run file",
        })
    }

    /// Where the data of a training begin.
    pub fn first_cursor(&self) -> Cursor {
        Cursor::new(self.config.train.seed)
    }

    /// The micro-batches of a batch, their rows in so many slices.
    ///
    /// # Errors
    /// [`RunError::Engine`] for data that cannot be cut into slices.
    pub fn cut(&self, batch: &Batch, slices: usize) -> Result<Vec<MicroBatch>, RunError> {
        let mut micro_batches = Vec::new();
        for rows in batch.split(self.config.rows_of_micro_batch()) {
            micro_batches.extend(micro_batch(rows).cut(slices)?);
        }
        Ok(micro_batches)
    }

    /// The micro-batches of the step that begins at a cursor, their rows in so many slices.
    ///
    /// # Errors
    /// [`RunError::Data`] when the data cannot be read any more; as [`Self::cut`].
    pub fn micro_batches(
        &self,
        cursor: Cursor,
        slices: usize,
    ) -> Result<Vec<MicroBatch>, RunError> {
        self.cut(&self.data()?.batch(cursor, self.config.train.batch)?, slices)
    }

    /// One micro-batch of `rows` rows, to measure with. Of data that are all for evaluation it has
    /// the first of those, and no more rows than there are.
    ///
    /// # Errors
    /// As [`Self::micro_batches`].
    pub fn sample(&self, rows: usize) -> Result<MicroBatch, RunError> {
        let data = self.data()?;
        let only_validation = data.info().samples == Some(0);
        let first = only_validation.then(|| data.validation(rows, Some(1)).next()).flatten();
        let batch = first.unwrap_or_else(|| data.batch(self.first_cursor(), rows))?;
        Ok(micro_batch(batch))
    }

    /// Validation data, the micro-batches of a batch at a time, their rows in so many slices; at most
    /// `limit` batches.
    ///
    /// # Errors
    /// As [`Self::data`]; each item as [`Self::micro_batches`].
    pub fn validation(
        &self,
        limit: Option<usize>,
        slices: usize,
    ) -> Result<impl Iterator<Item = Result<Vec<MicroBatch>, RunError>> + '_, RunError> {
        let batches = self.data()?.validation(self.config.train.batch, limit);
        Ok(batches.map(move |batch| self.cut(&batch?, slices)))
    }

    /// Number of batches that the validation data make.
    ///
    /// # Errors
    /// As [`Self::data`].
    pub fn validation_batches(&self) -> Result<u64, RunError> {
        let samples = self.data()?.info().validation_samples.unwrap_or(u64::MAX);
        Ok(samples.div_ceil(self.config.train.batch.max(1) as u64))
    }
}
