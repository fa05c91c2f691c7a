//! Tokens that a model knows: it has a vector for each of the first so many.

use trainyard_pretrained::Tokenizer;

use super::store::TokenStore;
use crate::error::DataError;

/// So many tokens of a file are looked at at once.
const PART: u64 = 1 << 18;
/// Sources mark tokens by their highest bit.
const MARK: u32 = 1 << 31;

/// Refuses tokens of a text that a model does not know, which knows the first `known`.
///
/// # Errors
/// [`DataError::UnknownToken`] with the name of the text.
pub fn check_known(
    name: &str,
    tokens: &[u32],
    tokenizer: &Tokenizer,
    known: u64,
) -> Result<(), DataError> {
    let Some(&number) = tokens.iter().find(|token| u64::from(**token) >= known) else {
        return Ok(());
    };
    let token = tokenizer.name(number).unwrap_or_default();
    Err(DataError::UnknownToken { name: name.to_owned(), token, number, known })
}

impl TokenStore {
    /// The same of all its tokens.
    ///
    /// # Errors
    /// As [`check_known`]; [`DataError::Changed`], [`DataError::Io`].
    pub(crate) fn check_known(
        &self,
        name: &str,
        tokenizer: &Tokenizer,
        known: u64,
    ) -> Result<(), DataError> {
        // A tokenizer that has none beyond makes none.
        if tokenizer.size() as u64 <= known {
            return Ok(());
        }
        let mut start = 0;
        while start < self.len() {
            let length = PART.min(self.len() - start);
            let mut tokens = self.read(start, length)?;
            for token in &mut tokens {
                *token &= !MARK;
            }
            check_known(name, &tokens, tokenizer, known)?;
            start += length;
        }
        Ok(())
    }
}
