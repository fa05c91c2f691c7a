//! Options of the source `text`.

use serde::Deserialize;

use crate::error::DataError;
use crate::registry::one_or_many;
use crate::text::builtin_names;

/// Options of the source `text`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TextOptions {
    /// UTF-8 text files, folders (all files in them and below) and patterns such as
    /// `books/**/*.txt`, in this order one text; `.gz` is unpacked. Default: none, for `builtin`.
    #[serde(deserialize_with = "one_or_many")]
    pub text: Vec<String>,
    /// Name of a text that the program makes itself, instead of files. Default: none.
    pub builtin: Option<String>,
    /// Tokens of a row, from 1. Default: 64.
    pub context: usize,
    /// Share of the text, at its end, kept for validation, from 0 to 1. Default: 0.1.
    pub validation_fraction: f64,
    /// Characters that are tokens, such as those of a trained model. Default: those of the text.
    pub vocabulary: Option<String>,
}

impl Default for TextOptions {
    fn default() -> Self {
        Self {
            text: Vec::new(),
            builtin: None,
            context: 64,
            validation_fraction: 0.1,
            vocabulary: None,
        }
    }
}

impl TextOptions {
    /// Refuses options that contradict each other.
    ///
    /// # Errors
    /// [`DataError::BadValue`].
    pub fn check(&self) -> Result<(), DataError> {
        match (&self.builtin, self.text.is_empty()) {
            (Some(name), false) => {
                let must = "left out where data.text names files";
                Err(DataError::bad_value("data.builtin", name, must))
            }
            (None, true) => {
                let known = builtin_names();
                let must = format!("the path of a text file, or data.builtin one of: {known}");
                Err(DataError::bad_value("data.text", "missing", must))
            }
            _ => Ok(()),
        }
    }
}
