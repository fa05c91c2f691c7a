//! Texts the program makes itself, so that a first training needs no download.
//!
//! To add one: a function from a seed and a length to a text, and a line in `BUILTINS`.

mod phrases;
mod yard;

use crate::error::RunError;
pub use yard::yard_text;

/// Seed and length of [`builtin_text`]`("yard")`.
const YARD: (u64, usize) = (1, 300_000);

/// A name, and what makes its text.
type Builtin = (&'static str, fn() -> String);

/// The built-in texts.
const BUILTINS: &[Builtin] = &[("yard", || yard_text(YARD.0, YARD.1))];

/// The built-in text of a name. It is the same text on every machine.
///
/// # Errors
/// [`RunError::UnknownBuiltin`] with the names there are.
pub fn builtin_text(name: &str) -> Result<String, RunError> {
    match BUILTINS.iter().find(|(known, _)| *known == name) {
        Some((_, make)) => Ok(make()),
        None => Err(RunError::UnknownBuiltin { name: name.to_owned(), known: builtin_names() }),
    }
}

/// The names of the built-in texts, with commas between.
#[must_use]
pub fn builtin_names() -> String {
    BUILTINS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}
