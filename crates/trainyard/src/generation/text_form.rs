//! What is text and what tokens: characters of a list, or the tokens of a pretrained model.

use trainyard_data::{DataError, first_token};

/// How a language model's tokens are text.
pub(crate) enum TextForm {
    /// Each is a text of its own, by its number.
    Vocabulary(Vec<String>),
}

impl TextForm {
    /// How many tokens there are.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Vocabulary(texts) => texts.len(),
        }
    }

    /// What the model begins with of itself: a line end, or what else it knows.
    pub(crate) fn beginning(&self) -> String {
        match self {
            Self::Vocabulary(texts) => texts.get(first_token(texts)).cloned().unwrap_or_default(),
        }
    }

    /// The tokens of a text; those of the model's own beginning for an empty one.
    ///
    /// # Errors
    /// [`DataError::UnknownCharacters`] with the characters that have no token, and what may be meant.
    pub(crate) fn encode(&self, text: &str) -> Result<Vec<u32>, DataError> {
        match self {
            Self::Vocabulary(texts) => {
                let token = |character: char| {
                    let is_it = |known: &String| known.chars().eq([character]);
                    let found = texts.iter().position(is_it);
                    found.and_then(|token| u32::try_from(token).ok())
                };
                let tokens = trainyard_data::encode(text, "the text it was trained on", token)?;
                let first = || u32::try_from(first_token(texts)).unwrap_or(0);
                Ok(if tokens.is_empty() { vec![first()] } else { tokens })
            }
        }
    }

    /// The tokens after which a text is over.
    pub(crate) fn ends(&self) -> &[u32] {
        match self {
            Self::Vocabulary(_) => &[],
        }
    }

    /// Turns tokens into text one after the other.
    pub(crate) fn decoder(&self) -> Decoder<'_> {
        match self {
            Self::Vocabulary(texts) => Decoder::Vocabulary(texts),
        }
    }
}

/// Turns tokens into text as they come.
pub(crate) enum Decoder<'a> {
    Vocabulary(&'a [String]),
}

impl Decoder<'_> {
    /// The text that is whole with one token more.
    pub(crate) fn push(&mut self, token: u32) -> String {
        match self {
            Self::Vocabulary(texts) => {
                texts.get(token as usize).map_or("\u{fffd}", String::as_str).to_owned()
            }
        }
    }

    /// What is not whole, when no more tokens come.
    pub(crate) fn rest(&mut self) -> String {
        match self {
            Self::Vocabulary(_) => String::new(),
        }
    }
}
