//! Rows of tokens, and of the targets that follow them.

use crate::batch::{Batch, DType, HostTensor};
use crate::error::DataError;
use crate::source::{IGNORED, TensorInfo};

/// Rows of `context` tokens on their way into a batch: `tokens` and `targets`, `[rows, context]` i32.
pub(crate) struct TokenRows {
    context: usize,
    tokens: Vec<i32>,
    targets: Vec<i32>,
    rows: usize,
}

impl TokenRows {
    pub(crate) fn new(context: usize) -> Self {
        Self { context, tokens: Vec::new(), targets: Vec::new(), rows: 0 }
    }

    /// The tensors of such a batch.
    pub(crate) fn tensors(context: usize) -> Vec<TensorInfo> {
        ["tokens", "targets"].map(|name| TensorInfo::new(name, [context], DType::I32)).to_vec()
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

    /// All of them.
    ///
    /// # Errors
    /// As [`Batch::new`].
    pub(crate) fn into_batch(self) -> Result<Batch, DataError> {
        let Self { context, tokens, targets, rows } = self;
        let tensor = |values| HostTensor::I32 { shape: vec![rows, context], values };
        let tensors =
            vec![("tokens".to_owned(), tensor(tokens)), ("targets".to_owned(), tensor(targets))];
        Batch::new(tensors, rows)
    }
}
