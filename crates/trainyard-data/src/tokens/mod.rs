//! Tokens of a model's tokenizer: made once from a text, and kept in a file.

mod known;
mod pieces;
mod progress;
mod rows;
mod store;
#[cfg(test)]
pub(crate) mod tests;

use std::path::{Path, PathBuf};

use trainyard_pretrained::Tokenizer;

use crate::error::DataError;
use crate::files;

pub use known::check_known;
pub(crate) use pieces::tokenize;
pub(crate) use progress::progress;
pub use progress::show_progress;
pub(crate) use rows::{Counted, TokenRows};
pub use store::cache_folder;
pub(crate) use store::{TokenStore, TokenWriter};

/// The tokenizer of a model's folder, of one of its own files, or of a GGUF file.
///
/// # Errors
/// [`DataError::Tokenizer`], [`DataError::NoTokenizer`].
pub fn tokenizer_at(path: &Path) -> Result<Tokenizer, DataError> {
    Tokenizer::open(path)?.ok_or_else(|| DataError::NoTokenizer { path: path.to_owned() })
}

/// The tokenizer that `data.tokenizer` names.
///
/// # Errors
/// As [`tokenizer_at`]; [`DataError::BadValue`] where it names none.
pub(crate) fn tokenizer_named(path: Option<&PathBuf>) -> Result<Tokenizer, DataError> {
    let words = "the path of a model's folder or .gguf file";
    let path = path.ok_or_else(|| DataError::bad_value("data.tokenizer", "missing", words))?;
    tokenizer_at(path)
}

/// What tells one tokenizer from another: BLAKE3 in hex of all that makes tokens of a text.
///
/// # Errors
/// [`DataError::Tokenizer`] for one that cannot be written down.
pub fn tokenizer_mark(tokenizer: &Tokenizer) -> Result<String, DataError> {
    Ok(files::fingerprint("", &[("tokenizer", tokenizer.to_json()?)]))
}

/// The key under which tokens are kept: all that they follow from.
pub(crate) fn key(
    data: &str,
    tokenizer: &Tokenizer,
    options: &[(&str, String)],
) -> Result<String, DataError> {
    let all = [
        ("tokenizer", tokenizer.to_json()?),
        ("bos", format!("{:?}", tokenizer.bos().filter(|_| tokenizer.adds_bos()))),
    ];
    let all: Vec<_> = all.into_iter().chain(options.iter().cloned()).collect();
    Ok(files::fingerprint(data, &all))
}
