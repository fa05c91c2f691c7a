//! All that can go wrong with data. Each message names the thing, the place and the remedy.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;
use trainyard_config::ConfigError;
use trainyard_pretrained::PretrainedError;

use crate::text::UnknownCharacter;

/// A problem with data or with the options of a source.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DataError {
    /// An option whose value makes no sense.
    #[error("{key} is {value}, but must be {must}")]
    BadValue {
        /// Name of the option, such as `data.context`.
        key: String,
        /// Its value, as text.
        value: String,
        /// Values that are allowed.
        must: String,
    },
    /// Options of another type than their keys have.
    #[error("the options of the data cannot be read: {reason}")]
    BadOptions {
        /// The key, and what is wrong with it.
        reason: String,
    },
    /// A kind of source that does not exist.
    #[error("{asked}; the data sources are: {known}")]
    UnknownSource {
        /// Description of what was asked for.
        asked: String,
        /// Names of the registry.
        known: String,
    },
    /// A built-in that does not exist.
    #[error("there is no built-in text '{name}'; there are: {known}")]
    UnknownBuiltin {
        /// Name asked for.
        name: String,
        /// Names that exist.
        known: String,
    },
    /// A path or pattern that leads to no file.
    #[error("{pattern} matches no {wanted}; {remedy}")]
    NoFiles {
        /// The path or pattern.
        pattern: String,
        /// Kind of file looked for.
        wanted: String,
        /// The way out.
        remedy: String,
    },
    /// A text that holds nothing.
    #[error("{name} is empty; give a text with at least a few thousand characters")]
    EmptyText {
        /// The file, or the name of the built-in text.
        name: String,
    },
    /// A text that is not UTF-8.
    #[error(
        "{name} is not UTF-8 text: the byte at offset {offset} (line {line}) cannot be read; {remedy}"
    )]
    NotUtf8 {
        /// The file.
        name: String,
        /// Offset of the first bad byte, from 0, a byte order mark not counted.
        offset: u64,
        /// Its line, from 1.
        line: u64,
        /// What it seems to be, and the way out.
        remedy: String,
    },
    /// A text with more distinct characters than a vocabulary may have.
    #[error(
        "{name} has more than {limit} distinct characters, too many for a character-level model; \
         is it really a text?"
    )]
    TooManyCharacters {
        /// The file.
        name: String,
        /// The most there may be.
        limit: usize,
    },
    /// Characters outside the vocabulary.
    #[error("{name} has no {unknown}, so the model has no token for it; leave it out")]
    UnknownCharacters {
        /// The text or key that the vocabulary comes from.
        name: String,
        /// The characters, each with its place in what was given and what may be meant.
        unknown: String,
    },
    /// A text with characters outside the vocabulary that was given for it.
    #[error(
        "{name} has characters that the model has no token for: {}; take them out of the text, or add \
         them at the end of the vocabulary: in data.vocabulary, or with --grow-vocabulary where a \
         training goes on",
        first_of(.unknown)
    )]
    OutsideVocabulary {
        /// The files.
        name: String,
        /// The characters, the most frequent first.
        unknown: Vec<UnknownCharacter>,
    },
    /// A text too short for the context length.
    #[error(
        "{name} has {characters} characters, {part_characters} of them for {part}, but a context \
         of {context} needs at least {needed}: use a longer text{}",
        other_ways(*.fraction)
    )]
    TextTooShort {
        /// The file, or the name of the built-in text.
        name: String,
        /// Length of the whole text.
        characters: u64,
        /// `training` or `validation`.
        part: &'static str,
        /// Length of that part.
        part_characters: u64,
        /// Length of a window.
        context: usize,
        /// The fewest characters that part may have.
        needed: u64,
        /// Share of the validation part.
        fraction: f64,
    },
    /// A text of too few tokens for the context length.
    #[error(
        "{name} has {tokens} tokens, {part_tokens} of them for {part}, but a context of {context} needs at \
         least {needed}: use a longer text{}",
        other_ways(*.fraction)
    )]
    TooFewTokens {
        /// The file, or the name of the built-in text.
        name: String,
        /// Tokens of the whole text.
        tokens: u64,
        /// `training` or `validation`.
        part: &'static str,
        /// Tokens of that part.
        part_tokens: u64,
        /// Length of a window.
        context: usize,
        /// The fewest tokens that part may have.
        needed: u64,
        /// Share of the validation part.
        fraction: f64,
    },
    /// A tokenizer that cannot be used.
    #[error(transparent)]
    Tokenizer(#[from] PretrainedError),
    /// A path that leads to no tokenizer.
    #[error(
        "{path} has no tokenizer; name with data.tokenizer a model's folder that has one (tokenizer.json), or a .gguf \
         file",
        path = .path.display()
    )]
    NoTokenizer {
        /// The path.
        path: PathBuf,
    },
    /// A token beyond those that a model has vectors for.
    #[error(
        "{name} has the token '{token}', number {number}, and the model knows {known} tokens, counted from 0: give it \
         vectors for more (in transformers: model.resize_token_embeddings(len(tokenizer))), or leave the token out of \
         texts and chat template"
    )]
    UnknownToken {
        /// The text.
        name: String,
        /// The token by its name in the tokenizer.
        token: String,
        /// Its number.
        number: u32,
        /// How many the model knows.
        known: u64,
    },
    /// Data of which no tokens can be masked.
    #[error("tokens of {name} cannot be masked: {reason}")]
    NoMask {
        /// The data.
        name: String,
        /// What is missing, and the way out.
        reason: &'static str,
    },
    /// A window that reaches past the end of the text.
    #[error("{name} has {characters} characters; there are none at {start}..{end}")]
    OutsideText {
        /// The file, or the name of the built-in text.
        name: String,
        /// Length of the text.
        characters: u64,
        /// First character asked for.
        start: u64,
        /// One past the last character asked for.
        end: u64,
    },
    /// Data that are no longer what they were when they were opened.
    #[error("{name} changed while it was in use; restore it, or start the training anew")]
    Changed {
        /// The file.
        name: String,
    },
    /// A cell of a table that cannot be used.
    #[error("{file}, line {line}, column '{column}': {reason}", file = .file.display())]
    Cell {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: u64,
        /// Name of the column.
        column: String,
        /// What is wrong, and the way out.
        reason: String,
    },
    /// A column that a table does not have.
    #[error("{file} has no column '{column}'; it has: {known}", file = .file.display())]
    NoColumn {
        /// The file.
        file: PathBuf,
        /// Name asked for.
        column: String,
        /// Names that exist.
        known: String,
    },
    /// A file that is not what it should be, or damaged.
    #[error("{file}: {reason}", file = .file.display())]
    BadFile {
        /// The file.
        file: PathBuf,
        /// What is wrong, and the way out.
        reason: String,
    },
    /// Too few samples for a training and a validation part.
    #[error(
        "{name} has {samples} {}, too few for a validation_fraction of {fraction}: both parts need at least one; use \
         more data, or another fraction",
        if *.samples == 1 { "sample" } else { "samples" }
    )]
    TooFew {
        /// The data.
        name: String,
        /// Samples in all.
        samples: u64,
        /// Share of the validation part.
        fraction: f64,
    },
    /// A batch asked of a source without training samples.
    #[error("{name} has no training samples; use a validation_fraction below 1")]
    NoTrainingSamples {
        /// The data.
        name: String,
    },
    /// A cursor past the last position that can be counted.
    #[error("the position {position} in the data is out of range; start the training anew")]
    BadPosition {
        /// Position of the cursor.
        position: u64,
    },
    /// A checkpoint made with other data.
    #[error(
        "{name} is not the data this training started with, or its options differ (fingerprint \
         {found}, expected {expected}); restore them, or go on with them as they are by --other-data"
    )]
    OtherData {
        /// The data.
        name: String,
        /// Fingerprint in the checkpoint.
        expected: String,
        /// Fingerprint of the data that are there.
        found: String,
    },
    /// Tensors that do not make a batch: a fault of the source.
    #[error("the tensor '{tensor}' does not fit its batch: {reason}; mend the data source")]
    BadBatch {
        /// Name of the tensor.
        tensor: String,
        /// What does not fit.
        reason: String,
    },
    /// A panic inside a source.
    #[error("the data source {name} stopped unexpectedly: {message}; mend the data source")]
    Panicked {
        /// The data.
        name: String,
        /// Message of the panic.
        message: String,
    },
    /// A thread that cannot be started or has ended.
    #[error("the thread that prepares batches of {name} {reason}; start the training again")]
    NoThread {
        /// The data.
        name: String,
        /// What happened to it.
        reason: String,
    },
    /// Reading or writing failed.
    #[error("cannot {doing} {path}: {source}{}", remedy(.source), path = .path.display())]
    Io {
        /// What was tried: `read`, `list`, ….
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Message of the system.
        source: io::Error,
    },
}

impl DataError {
    /// An input or output error, ready for `map_err`.
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { doing, path: path.to_owned(), source }
    }

    pub(crate) fn bad_file(file: &Path, reason: impl Into<String>) -> Self {
        Self::BadFile { file: file.to_owned(), reason: reason.into() }
    }

    pub(crate) fn bad_value(
        key: &str,
        value: &(impl ToString + ?Sized),
        must: impl Into<String>,
    ) -> Self {
        Self::BadValue { key: key.to_owned(), value: value.to_string(), must: must.into() }
    }

    /// Whether the input of the user is at fault, rather than the machine or what happened to the
    /// files since they were opened.
    #[must_use]
    pub fn is_wrong_input(&self) -> bool {
        match self {
            Self::Io { source, .. } => matches!(
                source.kind(),
                io::ErrorKind::NotFound
                    | io::ErrorKind::InvalidInput
                    | io::ErrorKind::IsADirectory
                    | io::ErrorKind::NotADirectory
            ),
            Self::Changed { .. }
            | Self::OutsideText { .. }
            | Self::BadBatch { .. }
            | Self::Panicked { .. }
            | Self::NoThread { .. } => false,
            _ => true,
        }
    }
}

impl From<ConfigError> for DataError {
    fn from(error: ConfigError) -> Self {
        match error {
            ConfigError::BadValue { key, value, must } => Self::BadValue { key, value, must },
            other => Self::BadOptions { reason: other.to_string() },
        }
    }
}

/// The first of some characters in words, and how many others there are.
fn first_of(unknown: &[UnknownCharacter]) -> String {
    const NAMED: usize = 5;
    let named: Vec<String> = unknown.iter().take(NAMED).map(ToString::to_string).collect();
    let others = unknown.len().saturating_sub(NAMED);
    let others = if others > 0 { format!(" and {others} others") } else { String::new() };
    named.join(", ") + &others
}

/// What may be changed instead of a text that is too short. One that a model is evaluated with is all
/// validation, and the context is then the model's.
fn other_ways(fraction: f64) -> &'static str {
    if fraction < 1.0 { ", a smaller context, or another validation_fraction" } else { "" }
}

/// The remedy for the input and output errors that have one.
fn remedy(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::NotFound => "; check the name",
        io::ErrorKind::IsADirectory => "; name a file",
        io::ErrorKind::PermissionDenied => "; check who may read it",
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "; free some space: large files that are unpacked or converted lie in a temporary file"
        }
        _ => "",
    }
}
