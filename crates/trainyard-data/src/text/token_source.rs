//! Windows of a text whose tokens are those of a model's tokenizer.
//!
//! The whole text becomes tokens, behind the one that begins a text where the tokenizer adds it. Training
//! is as with characters. Validation is cut into windows of `context` tokens that do not overlap; each
//! predicts its own tokens from the second on, and a shorter last one counts.

use std::sync::Arc;

use trainyard_pretrained::Tokenizer;

use super::char_text::CharText;
use super::windows::Parts;
use super::{check_context, text_of};
use crate::batch::Batch;
use crate::error::DataError;
use crate::files;
use crate::order::check_fraction;
use crate::source::{Cursor, DataInfo, DataSource, Unit};
use crate::text::TextOptions;
use crate::tokens::{self, TokenRows, TokenStore, TokenWriter, tokenize};

/// Windows of a text: `tokens` `[rows, context]` i32, and `targets` `[rows, context]` i32, the token
/// that follows each, or [`IGNORED`](crate::IGNORED) where a window ends.
#[derive(Debug)]
pub struct TokenSource {
    tokenizer: Arc<Tokenizer>,
    store: TokenStore,
    windows: Parts,
    info: DataInfo,
}

impl TokenSource {
    /// Opens the text that the options name, and makes tokens of it where they were not kept.
    ///
    /// # Errors
    /// As [`TextSource::open`](super::TextSource::open); [`DataError::TooFewTokens`].
    pub fn open(
        options: &TextOptions,
        tokenizer: Tokenizer,
        validation_fraction: f64,
    ) -> Result<Self, DataError> {
        check_fraction(validation_fraction)?;
        let context = check_context(options.context)?;
        let text = text_of(options)?;
        let key = tokens::key(text.fingerprint(), &tokenizer, &[])?;
        let store = match TokenStore::kept(&key) {
            Some(store) => store,
            None => tokens_of(&text, &tokenizer, &key)?,
        };
        let [train, validation] = Parts::split(store.len(), validation_fraction);
        for (part, range, wanted, needed) in [
            ("training", &train, validation_fraction < 1.0, context + 1),
            ("validation", &validation, validation_fraction > 0.0, 2),
        ] {
            let part_tokens = range.end - range.start;
            if wanted && part_tokens < needed {
                return Err(DataError::TooFewTokens {
                    name: text.name().to_owned(),
                    tokens: store.len(),
                    part,
                    part_tokens,
                    context: options.context,
                    needed,
                    fraction: validation_fraction,
                });
            }
        }
        let of_validation = validation.end - validation.start;
        let windows = Parts {
            training_windows: Parts::of_training(train.end, context),
            // One token alone predicts nothing.
            validation_windows: of_validation / context + u64::from(of_validation % context > 1),
            train,
            validation,
            context,
        };
        let info = DataInfo {
            name: text.name().to_owned(),
            fingerprint: files::fingerprint(
                &key,
                &[("context", context.to_string()), ("training", windows.train.end.to_string())],
            ),
            tensors: TokenRows::tensors(options.context, false),
            classes: Vec::new(),
            vocabulary: Vec::new(),
            token_count: tokenizer.size(),
            samples: Some(windows.training_windows),
            validation_samples: Some(windows.validation_windows),
            items_per_row: context,
            unit: Unit::Tokens,
            remarks: text.remarks().to_vec(),
        };
        Ok(Self { tokenizer: Arc::new(tokenizer), store, windows, info })
    }

    /// The batch of windows that begin at some places, each with as many tokens as `tokens_from` says:
    /// those after its first are its targets.
    fn batch_of(
        &self,
        starts: impl Iterator<Item = u64>,
        tokens_from: impl Fn(u64) -> u64,
    ) -> Result<Batch, DataError> {
        let mut rows = TokenRows::new(self.windows.context as usize);
        for start in starts {
            rows.push(&self.store.read(start, tokens_from(start))?, |_| true);
        }
        rows.into_batch()
    }
}

/// Makes tokens of a text, and keeps them.
fn tokens_of(text: &CharText, tokenizer: &Tokenizer, key: &str) -> Result<TokenStore, DataError> {
    let mut writer = TokenWriter::new()?;
    let bos = tokenizer.bos().filter(|_| tokenizer.adds_bos());
    writer.push(bos.as_slice())?;
    tokenize(text, tokenizer, &mut writer)?;
    writer.finish(key)
}

impl DataSource for TokenSource {
    fn info(&self) -> &DataInfo {
        &self.info
    }

    fn batch(&self, cursor: Cursor, rows: usize) -> Result<Batch, DataError> {
        let starts = self.windows.training(cursor, rows, &self.info.name)?;
        self.batch_of(starts, |_| self.windows.context + 1)
    }

    fn validation(
        &self,
        rows: usize,
        limit: Option<usize>,
    ) -> Box<dyn Iterator<Item = Result<Batch, DataError>> + Send + '_> {
        let left = |start| self.windows.context.min(self.windows.validation.end - start);
        Box::new(self.windows.validation(rows, limit).map(move |it| self.batch_of(it, left)))
    }

    fn check_known(&self, known: u64) -> Result<(), DataError> {
        self.store.check_known(&self.info.name, &self.tokenizer, known)
    }

    fn tokenizer(&self) -> Option<Arc<Tokenizer>> {
        Some(Arc::clone(&self.tokenizer))
    }
}
