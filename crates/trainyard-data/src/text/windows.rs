//! Where the windows of a text begin, in training and in validation.

use std::ops::Range;

use crate::error::DataError;
use crate::order::epoch_order;
use crate::random::{Use, below, stream};
use crate::source::Cursor;

/// A text in two parts, and the windows that these are cut into. Places are those of tokens.
#[derive(Debug)]
pub(super) struct Parts {
    /// To learn from: the first part of the text.
    pub(super) train: Range<u64>,
    /// To validate with: the rest.
    pub(super) validation: Range<u64>,
    pub(super) context: u64,
    /// Windows of each part.
    pub(super) training_windows: u64,
    pub(super) validation_windows: u64,
}

impl Parts {
    /// The last `validation_fraction` of a text of `tokens` is for validation.
    pub(super) fn split(tokens: u64, validation_fraction: f64) -> [Range<u64>; 2] {
        let split = ((tokens as f64 * (1.0 - validation_fraction)) as u64).min(tokens);
        [0..split, split..tokens]
    }

    /// Windows that a training part of `tokens` has from any offset below `context`, or as many as there
    /// can be; at least one if there is room.
    pub(super) fn of_training(tokens: u64, context: u64) -> u64 {
        let fewest = u64::from(tokens > context);
        (tokens / context).saturating_sub(1).max(fewest)
    }

    /// Where the windows of the `rows` training samples from a cursor on begin. `name` is for messages.
    ///
    /// # Errors
    /// As [`epoch_order`].
    pub(super) fn training(
        &self,
        cursor: Cursor,
        rows: usize,
        name: &str,
    ) -> Result<impl Iterator<Item = u64> + '_, DataError> {
        let order = epoch_order(cursor, rows, self.training_windows, name)?;
        let mut last = None;
        Ok(order.map(move |(epoch, window)| {
            let offset = match last {
                Some((known, offset)) if known == epoch => offset,
                _ => last.insert((epoch, self.offset(cursor.seed, epoch))).1,
            };
            self.train.start + offset + window * self.context
        }))
    }

    /// First token of an epoch's first window.
    fn offset(&self, seed: u64, epoch: u64) -> u64 {
        // The last token of the last window needs one more as its target.
        let taken = self.training_windows * self.context;
        let spare = (self.train.end - self.train.start).saturating_sub(taken);
        below(&mut stream(seed, epoch, Use::Offset), spare.clamp(1, self.context))
    }

    /// Where the windows of each validation batch begin: `rows` (at least 1) at a time, one after the other
    /// without overlap; with a `limit` of batches, spread evenly over the part.
    pub(super) fn validation(
        &self,
        rows: usize,
        limit: Option<usize>,
    ) -> impl Iterator<Item = impl Iterator<Item = u64> + '_> + '_ {
        let rows = rows.max(1) as u64;
        let windows = self.validation_windows;
        let wanted =
            limit.map_or(windows, |limit| windows.min((limit as u64).saturating_mul(rows)));
        let start_of = move |row: u64| {
            // Row k of n takes window ⌊k · windows / n⌋: evenly spread, and all of them when n is all.
            let window = (u128::from(row) * u128::from(windows) / u128::from(wanted.max(1))) as u64;
            self.validation.start + window * self.context
        };
        (0..wanted.div_ceil(rows)).map(move |index| {
            let start = index * rows;
            let end = start.saturating_add(rows).min(wanted);
            (start..end).map(start_of)
        })
    }
}
