//! What can be wrong with a run file. Every message names the thing, the place and the way out.

use std::io;
use std::path::PathBuf;

use miette::{Diagnostic, NamedSource, SourceSpan};
use thiserror::Error;

/// A run file, or a `--set` over it, that cannot be used.
#[derive(Debug, Error, Diagnostic)]
#[non_exhaustive]
pub enum ConfigError {
    /// Something with the place where it stands.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Problem(#[from] Box<ConfigProblem>),
    /// A key whose value makes no sense, without a place.
    #[error("{key} is {value}, but must be {must}")]
    BadValue {
        /// Dotted name of the key, such as `train.batch`.
        key: String,
        /// Its value, as text.
        value: String,
        /// What it must be.
        must: String,
    },
    /// A run file that cannot be read.
    #[error("cannot read the run file {path}: {source}", path = .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file of another kind than a run file.
    #[error("{path} cannot be read as a run file: {reason}", path = .path.display())]
    OtherFile {
        /// The file.
        path: PathBuf,
        /// What it is, and the way out.
        reason: String,
    },
    /// A run file that is not text.
    #[error(
        "{name} is not UTF-8 text: the byte at offset {offset} (line {line}) cannot be read; save it \
         as UTF-8"
    )]
    NotUtf8 {
        /// The file.
        name: String,
        /// Offset of the first bad byte, from 0.
        offset: u64,
        /// Its line, from 1.
        line: u64,
    },
}

/// A problem in a run file, for [`miette`] to show with the lines around it.
#[derive(Debug, Error, Diagnostic)]
#[error("{message}")]
pub struct ConfigProblem {
    /// The whole message, place included.
    pub message: String,
    /// The run file, or the `--set` argument, as text.
    #[source_code]
    pub source_code: Option<NamedSource<String>>,
    /// The characters it is about.
    #[label("{label}")]
    pub span: Option<SourceSpan>,
    /// A word or two to stand beside them.
    pub label: String,
}

impl ConfigError {
    /// A problem that has no place in a file, such as a key that is missing.
    pub fn unplaced(message: impl Into<String>) -> Self {
        let (message, label) = (message.into(), String::new());
        Self::from(Box::new(ConfigProblem { message, source_code: None, span: None, label }))
    }
}

/// A key of one section whose value makes no sense beside the others: what a section's `check`
/// refuses. Whoever has the file adds the place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadKey {
    /// Name of the key in its section.
    pub key: String,
    /// Its value, as text.
    pub value: String,
    /// What it must be.
    pub must: String,
}

/// Refuses a value unless `holds`.
///
/// # Errors
/// [`BadKey`] with the key's name, its value and what it must be.
pub fn must(
    holds: bool,
    key: &str,
    value: &dyn std::fmt::Display,
    must: impl Into<String>,
) -> Result<(), BadKey> {
    if holds {
        return Ok(());
    }
    Err(BadKey { key: key.to_owned(), value: value.to_string(), must: must.into() })
}
