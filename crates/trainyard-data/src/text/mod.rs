//! `text`: windows of a text, whose tokens are characters, or those of a model's tokenizer
//! ([`token_source`]).
//!
//! An epoch is the training part, cut into windows of `context` tokens that follow each other without
//! overlap, from an offset that is another one in each epoch; the windows come in an order of their
//! own in each epoch. Validation is the last part of the text, cut into windows from its beginning.

mod builtin;
mod char_text;
mod options;
mod prompt;
mod scan;
#[cfg(test)]
pub(crate) mod tests;
mod token_source;
mod vocabulary;
mod windows;

use std::ops::Range;
use std::sync::Arc;

use trainyard_config::{DataSection, KeyGroup};

use crate::batch::Batch;
use crate::error::DataError;
use crate::files;
use crate::kind::{self, Source};
use crate::order::check_fraction;
use crate::source::{Cursor, DataInfo, DataSource, Unit};
use crate::tokens::{TokenRows, tokenizer_at};

pub use builtin::{BUILTIN_TEXTS, builtin_names, builtin_text, yard_text};
pub use char_text::CharText;
pub use options::TextOptions;
pub use prompt::{
    encode, first_token, in_known_letters, prompt_from, prompt_from_file, prompt_in_form,
};
pub use token_source::TokenSource;
pub use vocabulary::UnknownCharacter;
use windows::Parts;

/// The line of the registry.
pub(crate) const SOURCE: Source = Source {
    group: KeyGroup::of::<TextOptions>("text").named_by("text").builtins(BUILTIN_TEXTS),
    open: |section| {
        let options: TextOptions = kind::options(section)?;
        let fraction = section.validation_fraction;
        Ok(match &options.tokenizer {
            Some(path) => Box::new(TokenSource::open(&options, tokenizer_at(path)?, fraction)?),
            None => Box::new(TextSource::open(&options, fraction)?),
        })
    },
    #[cfg(test)]
    sample: tests::sample,
};

/// Windows of a text: `tokens` `[rows, context]` i32, and `targets` `[rows, context]` i32, the token
/// that follows each.
#[derive(Debug)]
pub struct TextSource {
    text: Arc<CharText>,
    windows: Parts,
    info: DataInfo,
}

impl TextSource {
    /// Opens the text that the options name.
    ///
    /// # Errors
    /// [`DataError::BadValue`] for options that make no sense; as [`CharText::open`],
    /// [`CharText::with_vocabulary`] and [`TextSource::new`]; [`DataError::NoFiles`] for a path or
    /// pattern without files.
    pub fn open(options: &TextOptions, validation_fraction: f64) -> Result<Self, DataError> {
        let text = text_of(options)?;
        let text = match &options.vocabulary {
            Some(vocabulary) => text.with_vocabulary(vocabulary)?,
            None => text,
        };
        Self::new(text, options.context, validation_fraction)
    }

    /// Splits a text: the last `validation_fraction` (0 to 1) of its characters are for validation,
    /// the others for training, in windows of `context` (at least 1) tokens.
    ///
    /// # Errors
    /// [`DataError::TextTooShort`] unless both parts have at least `context + 1` characters (a part
    /// that the fraction leaves empty may be), [`DataError::BadValue`] for a context or fraction that
    /// is out of range.
    pub fn new(
        text: impl Into<Arc<CharText>>,
        context: usize,
        validation_fraction: f64,
    ) -> Result<Self, DataError> {
        let positions = check_context(context)?;
        check_fraction(validation_fraction)?;
        let text = text.into();
        let characters = text.len_chars();
        let [train, validation] = Parts::split(characters, validation_fraction);
        let needed = positions + 1;
        for (part, range, wanted) in [
            ("training", &train, validation_fraction < 1.0),
            ("validation", &validation, validation_fraction > 0.0),
        ] {
            let part_characters = range.end - range.start;
            if wanted && part_characters < needed {
                let name = text.name().to_owned();
                return Err(DataError::TextTooShort {
                    name,
                    characters,
                    part,
                    part_characters,
                    context,
                    needed,
                    fraction: validation_fraction,
                });
            }
        }
        let windows = Parts {
            training_windows: Parts::of_training(train.end, positions),
            validation_windows: (validation.end - validation.start).saturating_sub(1) / positions,
            train,
            validation,
            context: positions,
        };
        let training = windows.train.end.to_string();
        let info = DataInfo {
            name: text.name().to_owned(),
            fingerprint: files::fingerprint(
                text.fingerprint(),
                &[("context", context.to_string()), ("training", training)],
            ),
            tensors: TokenRows::tensors(context, false),
            classes: Vec::new(),
            vocabulary: text.vocabulary().iter().map(char::to_string).collect(),
            token_count: text.vocabulary().len(),
            samples: Some(windows.training_windows),
            validation_samples: Some(windows.validation_windows),
            items_per_row: positions,
            unit: Unit::Tokens,
            remarks: text.remarks().to_vec(),
        };
        Ok(Self { text, windows, info })
    }

    /// The text, for encoding and decoding.
    #[must_use]
    pub fn text(&self) -> &Arc<CharText> {
        &self.text
    }

    /// Characters of the training part and of the validation part.
    #[must_use]
    pub fn parts(&self) -> [Range<u64>; 2] {
        [self.windows.train.clone(), self.windows.validation.clone()]
    }

    fn batch_of(&self, starts: impl Iterator<Item = u64>) -> Result<Batch, DataError> {
        let context = self.windows.context as usize;
        let mut rows = TokenRows::new(context);
        let mut window = Vec::with_capacity(context.min(1 << 20) + 1);
        for start in starts {
            self.text.window(start, context + 1, &mut window)?;
            rows.push(&window, |_| true);
        }
        rows.into_batch()
    }
}

/// The text that the options name, with a vocabulary of its own.
fn text_of(options: &TextOptions) -> Result<CharText, DataError> {
    kind::check(options)?;
    if let Some(name) = &options.builtin {
        return CharText::from_string(name, builtin_text(name)?);
    }
    CharText::open_in_form(&files::expand(&options.text, &[], "text file")?, options.form())
}

/// A vocabulary for going on with the text that `[data]` names: the `known` one of a trained model, and
/// after it the characters of the text that are new. Known ones keep their tokens.
///
/// # Errors
/// As [`TextSource::open`]; [`DataError::BadOptions`] for data that have no vocabulary.
pub fn grown_vocabulary(data: &DataSection, known: &[String]) -> Result<Vec<String>, DataError> {
    if data.kind.as_deref() != Some(SOURCE.group.kind) || known.is_empty() {
        let reason = "only a text has a vocabulary that can grow; leave --grow-vocabulary out";
        return Err(DataError::BadOptions { reason: reason.to_owned() });
    }
    let text = text_of(&kind::options(data)?)?.with_grown_vocabulary(&known.concat())?;
    Ok(text.vocabulary().iter().map(char::to_string).collect())
}

/// A length of windows that there can be, as positions in a text.
fn check_context(context: usize) -> Result<u64, DataError> {
    match u32::try_from(context) {
        Ok(positions) if positions > 0 => Ok(positions.into()),
        _ => Err(DataError::bad_value("data.context", &context, "1 to 4294967295")),
    }
}

impl DataSource for TextSource {
    fn info(&self) -> &DataInfo {
        &self.info
    }

    fn batch(&self, cursor: Cursor, rows: usize) -> Result<Batch, DataError> {
        self.batch_of(self.windows.training(cursor, rows, &self.info.name)?)
    }

    /// The validation part in windows that follow each other without overlap; characters left over
    /// at the end are not looked at. With a `limit`, the windows are spread evenly over the part.
    fn validation(
        &self,
        rows: usize,
        limit: Option<usize>,
    ) -> Box<dyn Iterator<Item = Result<Batch, DataError>> + Send + '_> {
        Box::new(self.windows.validation(rows, limit).map(|starts| self.batch_of(starts)))
    }
}
