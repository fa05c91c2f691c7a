//! Rows of tokens, and of the targets that follow them.

use crate::batch::{Batch, DType, HostTensor};
use crate::error::DataError;
use crate::source::{IGNORED, SEGMENTS, TensorInfo};

/// A token, and whether it is to be learned.
pub(crate) type Counted = (u32, bool);

/// Rows of `context` tokens on their way into a batch: `tokens` and `targets`, `[rows, context]` i32, and
/// [`SEGMENTS`] of the same shape where rows hold several samples.
pub(crate) struct TokenRows {
    context: usize,
    tokens: Vec<i32>,
    targets: Vec<i32>,
    segments: Option<Vec<i32>>,
    rows: usize,
}

impl TokenRows {
    /// For rows of one sample each.
    pub(crate) fn new(context: usize) -> Self {
        Self { context, tokens: Vec::new(), targets: Vec::new(), segments: None, rows: 0 }
    }

    /// For rows of several.
    pub(crate) fn packed(context: usize) -> Self {
        Self { segments: Some(Vec::new()), ..Self::new(context) }
    }

    /// The tensors of such a batch.
    pub(crate) fn tensors(context: usize, is_packed: bool) -> Vec<TensorInfo> {
        let names = ["tokens", "targets"].into_iter().chain(is_packed.then_some(SEGMENTS));
        names.map(|name| TensorInfo::new(name, [context], DType::I32)).collect()
    }

    /// Adds a row, and the targets that follow its tokens: of those that are not there, and those that do
    /// not count, nothing is to be learned. `counts` is asked for places among the tokens.
    pub(crate) fn push(&mut self, window: &[u32], counts: impl Fn(usize) -> bool) {
        for at in 0..self.context {
            // What stands behind a text is seen by nothing before it. Every number of a token fits.
            self.tokens.push(window.get(at).map_or(0, |token| token.cast_signed()));
            let target = window.get(at + 1).filter(|_| counts(at + 1));
            self.targets.push(target.map_or(IGNORED, |token| token.cast_signed()));
        }
        self.rows += 1;
    }

    /// Adds a row of samples that together have room in it, and fills it up. The last token of each is a target
    /// alone, so that it takes a place less than it has tokens.
    pub(crate) fn push_samples(&mut self, samples: &[Vec<Counted>]) {
        let segments = self.segments.get_or_insert_default();
        for (sample, number) in samples.iter().zip(1..) {
            for [(token, _), (next, counts)] in sample.array_windows() {
                self.tokens.push(token.cast_signed());
                self.targets.push(if *counts { next.cast_signed() } else { IGNORED });
                segments.push(number);
            }
        }
        self.rows += 1;
        let end = self.rows * self.context;
        self.tokens.resize(end, 0);
        self.targets.resize(end, IGNORED);
        segments.resize(end, 0);
    }

    /// All of them.
    ///
    /// # Errors
    /// As [`Batch::new`].
    pub(crate) fn into_batch(self) -> Result<Batch, DataError> {
        let Self { context, tokens, targets, segments, rows } = self;
        let tensor = |values| HostTensor::I32 { shape: vec![rows, context], values };
        let tensors = [("tokens", Some(tokens)), ("targets", Some(targets)), (SEGMENTS, segments)];
        let named = |(name, values): (&str, Option<_>)| Some((name.to_owned(), tensor(values?)));
        Batch::new(tensors.into_iter().filter_map(named).collect(), rows)
    }
}
