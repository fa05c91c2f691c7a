//! Texts the program makes itself, so that a first training needs no download.
//!
//! To add one: a function from a seed and a length to a text, its name in [`BUILTIN_TEXTS`] and a line in [`builtin_text`].

mod phrases;
mod yard;

use crate::error::DataError;
pub use yard::yard_text;

/// Seed and length of [`builtin_text`]`("yard")`.
const YARD: (u64, usize) = (1, 300_000);

/// Names of the built-in texts.
pub const BUILTIN_TEXTS: &[&str] = &["yard"];

/// The built-in text of a name. It is the same text on every machine.
///
/// # Errors
/// [`DataError::UnknownBuiltin`] with the names there are.
pub fn builtin_text(name: &str) -> Result<String, DataError> {
    match name {
        "yard" => Ok(yard_text(YARD.0, YARD.1)),
        _ => Err(DataError::UnknownBuiltin { name: name.to_owned(), known: builtin_names() }),
    }
}

/// The names of the built-in texts, with commas between.
#[must_use]
pub fn builtin_names() -> String {
    BUILTIN_TEXTS.join(", ")
}
