//! `text`: windows of a text, whose tokens are characters.
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
mod vocabulary;

use std::ops::Range;
use std::sync::Arc;

use trainyard_config::{DataSection, KeyGroup};

use crate::batch::{Batch, DType, HostTensor};
use crate::error::DataError;
use crate::files;
use crate::kind::{self, Source};
use crate::order::{check_fraction, epoch_order};
use crate::random::{Use, below, stream};
use crate::source::{Cursor, DataInfo, DataSource, TensorInfo, Unit};

pub use builtin::{BUILTIN_TEXTS, builtin_names, builtin_text, yard_text};
pub use char_text::CharText;
pub use options::TextOptions;
pub use prompt::{
    encode, first_token, in_known_letters, prompt_from, prompt_from_file, prompt_in_form,
};
pub use vocabulary::UnknownCharacter;

/// The line of the registry.
pub(crate) const SOURCE: Source = Source {
    group: KeyGroup::of::<TextOptions>("text").named_by("text").builtins(BUILTIN_TEXTS),
    open: |section| {
        let options = kind::options(section)?;
        Ok(Box::new(TextSource::open(&options, section.validation_fraction)?))
    },
    #[cfg(test)]
    sample: tests::sample,
};

/// Windows of a text: `tokens` `[rows, context]` i32, and `targets` `[rows, context]` i32, the token
/// that follows each.
#[derive(Debug)]
pub struct TextSource {
    text: Arc<CharText>,
    context: usize,
    /// Characters to learn from: the first part of the text.
    train: Range<u64>,
    /// Characters to validate with: the rest.
    validation: Range<u64>,
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
        if context == 0 || u32::try_from(context).is_err() {
            return Err(DataError::bad_value("data.context", &context, "1 to 4294967295"));
        }
        check_fraction(validation_fraction)?;
        let text = text.into();
        let characters = text.len_chars();
        let split = ((characters as f64 * (1.0 - validation_fraction)) as u64).min(characters);
        let (train, validation) = (0..split, split..characters);
        let needed = context as u64 + 1;
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
        let info = DataInfo {
            name: text.name().to_owned(),
            fingerprint: files::fingerprint(
                text.fingerprint(),
                &[("context", context.to_string()), ("training", split.to_string())],
            ),
            tensors: ["tokens", "targets"]
                .map(|name| TensorInfo::new(name, [context], DType::I32))
                .to_vec(),
            classes: Vec::new(),
            vocabulary: text.vocabulary().iter().map(char::to_string).collect(),
            samples: Some(training_windows(split, context as u64)),
            validation_samples: Some((characters - split).saturating_sub(1) / context as u64),
            items_per_row: context as u64,
            unit: Unit::Tokens,
            remarks: text.remarks().to_vec(),
        };
        Ok(Self { text, context, train, validation, info })
    }

    /// The text, for encoding and decoding.
    #[must_use]
    pub fn text(&self) -> &Arc<CharText> {
        &self.text
    }

    /// Characters of the training part and of the validation part.
    #[must_use]
    pub fn parts(&self) -> [Range<u64>; 2] {
        [self.train.clone(), self.validation.clone()]
    }

    /// First character of an epoch's first window.
    fn offset(&self, seed: u64, epoch: u64) -> u64 {
        let context = self.context as u64;
        let windows = self.info.samples.unwrap_or(0);
        // The last token of the last window needs one more character as its target.
        let spare = (self.train.end - self.train.start).saturating_sub(windows * context);
        below(&mut stream(seed, epoch, Use::Offset), spare.clamp(1, context))
    }

    fn batch_of(&self, starts: impl Iterator<Item = u64>) -> Result<Batch, DataError> {
        let (mut inputs, mut targets, mut rows) = (Vec::new(), Vec::new(), 0);
        let mut window = Vec::with_capacity(self.context.min(1 << 20) + 1);
        for start in starts {
            self.text.window(start, self.context + 1, &mut window)?;
            // The vocabulary has at most 65,536 entries, so every token fits.
            let tokens = window.iter().map(|&token| token.cast_signed());
            inputs.extend(tokens.clone().take(self.context));
            targets.extend(tokens.skip(1));
            rows += 1;
        }
        let tensor = |values| HostTensor::I32 { shape: vec![rows, self.context], values };
        let tensors =
            vec![("tokens".to_owned(), tensor(inputs)), ("targets".to_owned(), tensor(targets))];
        Batch::new(tensors, rows)
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

/// Windows that a training part of `characters` has from any offset below `context`, or as many as
/// there can be; at least one if there is room.
fn training_windows(characters: u64, context: u64) -> u64 {
    let fewest = u64::from(characters > context);
    (characters / context).saturating_sub(1).max(fewest)
}

impl DataSource for TextSource {
    fn info(&self) -> &DataInfo {
        &self.info
    }

    fn batch(&self, cursor: Cursor, rows: usize) -> Result<Batch, DataError> {
        let windows = self.info.samples.unwrap_or(0);
        let order = epoch_order(cursor, rows, windows, &self.info.name)?;
        let mut last = None;
        self.batch_of(order.map(|(epoch, window)| {
            let offset = match last {
                Some((known, offset)) if known == epoch => offset,
                _ => last.insert((epoch, self.offset(cursor.seed, epoch))).1,
            };
            self.train.start + offset + window * self.context as u64
        }))
    }

    /// The validation part in windows that follow each other without overlap; characters left over
    /// at the end are not looked at. With a `limit`, the windows are spread evenly over the part.
    fn validation(
        &self,
        rows: usize,
        limit: Option<usize>,
    ) -> Box<dyn Iterator<Item = Result<Batch, DataError>> + Send + '_> {
        let rows = rows.max(1) as u64;
        let windows = self.info.validation_samples.unwrap_or(0);
        let wanted =
            limit.map_or(windows, |limit| windows.min((limit as u64).saturating_mul(rows)));
        let start_of = move |row: u64| {
            // Row k of n takes window ⌊k · windows / n⌋: evenly spread, and all of them when n is all.
            let window = (u128::from(row) * u128::from(windows) / u128::from(wanted.max(1))) as u64;
            self.validation.start + window * self.context as u64
        };
        Box::new((0..wanted.div_ceil(rows)).map(move |index| {
            let start = index * rows;
            let end = start.saturating_add(rows).min(wanted);
            self.batch_of((start..end).map(start_of))
        }))
    }
}
