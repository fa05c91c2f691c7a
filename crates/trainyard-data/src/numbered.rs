//! Sources whose samples have numbers: order, epochs and validation are the same for all of them.

use std::sync::Arc;

use trainyard_pretrained::Tokenizer;

use crate::batch::Batch;
use crate::error::DataError;
use crate::order::Split;
use crate::source::{Cursor, DataInfo, DataSource, items_of};

/// A source that makes a batch of any samples by their numbers. It is a [`DataSource`] by that.
pub trait NumberedSource: Send + Sync {
    /// What the source has, and which of its samples are for training and for validation.
    fn parts(&self) -> (&DataInfo, &Split);

    /// The batch of some samples, in their order.
    ///
    /// # Errors
    /// [`DataError`] where data cannot be read any more or is damaged.
    fn gather(&self, samples: impl Iterator<Item = u64>) -> Result<Batch, DataError>;

    /// As [`DataSource::items`], where rows are filled up without [segments](crate::SEGMENTS) that say so.
    fn items(&self, _batch: &Batch) -> Option<u64> {
        None
    }

    /// As [`DataSource::check_known`].
    ///
    /// # Errors
    /// As [`DataSource::check_known`].
    fn check_known(&self, _known: u64) -> Result<(), DataError> {
        Ok(())
    }

    /// As [`DataSource::tokenizer`].
    fn tokenizer(&self) -> Option<Arc<Tokenizer>> {
        None
    }
}

impl<S: NumberedSource> DataSource for S {
    fn info(&self) -> &DataInfo {
        self.parts().0
    }

    fn batch(&self, cursor: Cursor, rows: usize) -> Result<Batch, DataError> {
        self.gather(self.parts().1.training(cursor, rows)?)
    }

    fn validation(
        &self,
        rows: usize,
        limit: Option<usize>,
    ) -> Box<dyn Iterator<Item = Result<Batch, DataError>> + Send + '_> {
        let (_, split) = self.parts();
        Box::new(split.validation(rows, limit).map(move |samples| self.gather(samples)))
    }

    fn items(&self, batch: &Batch) -> u64 {
        NumberedSource::items(self, batch).unwrap_or_else(|| items_of(self.parts().0, batch))
    }

    fn check_known(&self, known: u64) -> Result<(), DataError> {
        NumberedSource::check_known(self, known)
    }

    fn tokenizer(&self) -> Option<Arc<Tokenizer>> {
        NumberedSource::tokenizer(self)
    }
}
