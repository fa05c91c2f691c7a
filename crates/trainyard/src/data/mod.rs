//! What a language model learns from: a text, cut into windows.
//!
//! [`CharText`] is a text of any size with its vocabulary, [`TextDataset`] splits it into a training
//! and a validation part and hands out batches. Which windows a step gets depends on the seed and
//! the number of the step alone, so a resumed run goes on with the very same batches.

pub mod builtin;
pub mod rows;
mod scan;
pub mod text;

#[cfg(test)]
mod tests;

use std::ops::Range;
use std::sync::Arc;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

pub use builtin::{builtin_names, builtin_text};
pub(crate) use scan::line_ends;
pub use text::CharText;

use crate::error::RunError;

/// A text in two parts, and the length of the windows a model sees.
#[derive(Debug)]
pub struct TextDataset {
    /// The whole text.
    pub text: Arc<CharText>,
    /// Characters a window.
    pub context: usize,
    /// The characters to learn from: the first part of the text.
    pub train: Range<u64>,
    /// The characters to validate with: the rest.
    pub validation: Range<u64>,
}

/// Rows of tokens, and for each token the one that follows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenBatch {
    /// `rows × context` tokens, row after row.
    pub inputs: Vec<i32>,
    /// The token that follows each of `inputs` in the text.
    pub targets: Vec<i32>,
    /// Number of windows.
    pub rows: usize,
    /// Tokens a window.
    pub context: usize,
}

impl TokenBatch {
    /// Inputs and targets of some rows, for a micro-batch; empty where there are no such rows.
    #[must_use]
    pub fn rows(&self, rows: Range<usize>) -> (&[i32], &[i32]) {
        let tokens = rows.start.saturating_mul(self.context)..rows.end.saturating_mul(self.context);
        (
            self.inputs.get(tokens.clone()).unwrap_or_default(),
            self.targets.get(tokens).unwrap_or_default(),
        )
    }

    /// Adds the window whose tokens, and the one after them, are given.
    fn push(&mut self, tokens: &[u32]) {
        // The vocabulary has at most 65,536 entries, so every token fits.
        let signed = tokens.iter().map(|&token| token.cast_signed());
        self.inputs.extend(signed.clone().take(self.context));
        self.targets.extend(signed.skip(1));
        self.rows += 1;
    }

    fn with_room_for(rows: usize, context: usize) -> Self {
        // A sensible batch fits at once; an absurd one grows until the memory says no.
        let tokens = rows.saturating_mul(context).min(1 << 20);
        Self {
            inputs: Vec::with_capacity(tokens),
            targets: Vec::with_capacity(tokens),
            rows: 0,
            context,
        }
    }
}

impl TextDataset {
    /// Splits a text: the first characters for training, the last `validation_fraction` of them for
    /// validation.
    ///
    /// # Errors
    /// [`RunError::TextTooShort`] unless both parts have at least `context + 1` characters,
    /// [`RunError::BadValue`] for a context of 0 or a fraction outside 0 to 1.
    pub fn new(
        text: impl Into<Arc<CharText>>,
        context: usize,
        validation_fraction: f64,
    ) -> Result<Self, RunError> {
        let bad = |key: &str, value: String, must: &str| {
            Err(RunError::BadValue { key: key.to_owned(), value, must: must.to_owned() })
        };
        if context == 0 || u32::try_from(context).is_err() {
            return bad("model.context", context.to_string(), "1 to 4294967295");
        }
        if !(validation_fraction > 0.0 && validation_fraction < 1.0) {
            let value = validation_fraction.to_string();
            return bad("data.validation_fraction", value, "above 0 and below 1");
        }
        let text = text.into();
        let characters = text.len_chars();
        let split = ((characters as f64 * (1.0 - validation_fraction)) as u64).min(characters);
        let (train, validation) = (0..split, split..characters);
        let needed = context as u64 + 1;
        for (part, range) in [("training", &train), ("validation", &validation)] {
            let part_characters = range.end - range.start;
            if part_characters < needed {
                let name = text.name().to_owned();
                return Err(RunError::TextTooShort {
                    name,
                    characters,
                    part,
                    part_characters,
                    context,
                    needed,
                });
            }
        }
        Ok(Self { text, context, train, validation })
    }

    /// The batch of a training step: `batch` windows from random places of the training part. The
    /// same seed, step and batch always give the same windows.
    ///
    /// # Errors
    /// [`RunError::Io`] or [`RunError::TextChanged`] if the text cannot be read any more.
    pub fn train_batch(&self, seed: u64, step: u64, batch: usize) -> Result<TokenBatch, RunError> {
        let mut random = random_for(seed, step);
        let places = self.train.end - self.train.start - self.context as u64;
        let starts = (0..batch).map(|_| self.train.start + below(&mut random, places));
        self.batch_of(starts, batch)
    }

    /// The validation part in windows that follow each other without overlap, `batch` rows at a
    /// time; the last batch may have fewer. What is left at the end and is shorter than a window is
    /// not looked at. With a `limit`, at most that many full batches, whose windows are spread
    /// evenly over the validation part; always the same ones.
    pub fn validation_batches(
        &self,
        batch: usize,
        limit: Option<usize>,
    ) -> impl Iterator<Item = Result<TokenBatch, RunError>> + '_ {
        let batch = batch.max(1) as u64;
        let windows = self.validation_windows();
        let wanted =
            limit.map_or(windows, |limit| windows.min((limit as u64).saturating_mul(batch)));
        let start_of = move |row: u64| {
            // Row k of n takes window ⌊k · windows / n⌋: evenly spread, and all of them when n is all.
            let window = (u128::from(row) * u128::from(windows) / u128::from(wanted.max(1))) as u64;
            self.validation.start + window * self.context as u64
        };
        (0..wanted.div_ceil(batch)).map(move |index| {
            let rows = index * batch..(index * batch + batch).min(wanted);
            let count = rows.end - rows.start;
            self.batch_of(rows.map(start_of), count as usize)
        })
    }

    /// Windows the validation part can be cut into without overlap.
    #[must_use]
    pub fn validation_windows(&self) -> u64 {
        // The last token of a window needs one more character as its target.
        (self.validation.end - self.validation.start - 1) / self.context as u64
    }

    fn batch_of(
        &self,
        starts: impl Iterator<Item = u64>,
        rows: usize,
    ) -> Result<TokenBatch, RunError> {
        let mut batch = TokenBatch::with_room_for(rows, self.context);
        let mut tokens = Vec::with_capacity(self.context + 1);
        for start in starts {
            self.text.window(start, self.context + 1, &mut tokens)?;
            batch.push(&tokens);
        }
        Ok(batch)
    }
}

/// Random numbers for one step, and for nothing else.
fn random_for(seed: u64, step: u64) -> ChaCha8Rng {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(&step.to_le_bytes());
    // Keeps these numbers apart from others that are made of the same seed.
    key[16..].copy_from_slice(b"trainyard batch ");
    ChaCha8Rng::from_seed(key)
}

/// A random number below `end`, the same on every machine and with every version of `rand`. Its
/// bias is below `end` ÷ 2⁶⁴.
pub(crate) fn below(random: &mut ChaCha8Rng, end: u64) -> u64 {
    ((u128::from(random.next_u64()) * u128::from(end)) >> 64) as u64
}
