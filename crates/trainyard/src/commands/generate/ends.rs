//! Where texts end.

use trainyard_data::prompt_in_form;

use super::prompts::known;
use crate::config::DataSection;
use crate::error::RunError;
use crate::generation::TextForm;

/// Where texts end.
#[derive(Debug, Default)]
pub(super) struct Ends {
    /// Tokens by which the model ends a text.
    pub(super) tokens: Vec<u32>,
    /// Tokens to stop at.
    pub(super) stop_tokens: Vec<u32>,
    /// Texts to stop before.
    pub(super) stop_texts: Vec<String>,
}

impl Ends {
    /// Those of some tokens, and of texts from the command line in the form of the text that was trained on. One that is
    /// a special token is no text that is seen, and stops as that token.
    ///
    /// # Errors
    /// [`RunError::BadValue`] for a stop that is empty, or has a special token inside; whatever keeps the model from
    /// writing it.
    pub(super) fn new(
        tokens: Vec<u32>,
        stops: &[String],
        form: &TextForm,
        data: &DataSection,
    ) -> Result<Self, RunError> {
        let mut ends = Self { tokens, ..Self::default() };
        for given in stops {
            let refused = |value: String, must: String| {
                Err(RunError::BadValue { key: "--stop".to_owned(), value, must })
            };
            if given.is_empty() {
                return refused("empty".to_owned(), "a text".to_owned());
            }
            let stop = known(form, &prompt_in_form(given, data)?);
            form.encode(&stop)?;
            match form.special_in(&stop).first() {
                None => ends.stop_texts.push(stop),
                Some((token, name)) if *name == stop => ends.stop_tokens.push(*token),
                Some((_, name)) => {
                    let words = format!(
                        "a text without {name}, which is a special token and not shown, or {name} alone"
                    );
                    return refused(format!("'{given}'"), words);
                }
            }
        }
        Ok(ends)
    }
}
