//! One text or two as an encoder reads them: with what its tokenizer puts around and between them, cut to a length.

use tokenizers::utils::truncation::{TruncationParams, truncate_encodings};
use tokenizers::{Encoding, PostProcessor};

use super::Tokenizer;
use crate::error::PretrainedError;

/// Tokens of one text or two.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EncodedTexts {
    /// The tokens.
    pub tokens: Vec<u32>,
    /// The type of each token: 0, or 1 for the second text where the tokenizer tells them apart.
    pub types: Vec<u32>,
    /// Whether something was cut.
    pub is_cut: bool,
}

impl Tokenizer {
    /// The tokens of one text, or of two side by side, with the special tokens that the model expects around and
    /// between them: at most `most`, for which the longer text loses its end.
    ///
    /// # Errors
    /// [`PretrainedError::BadFile`] where not even the special tokens have room.
    pub fn encode_texts(
        &self,
        first: &str,
        second: Option<&str>,
        most: usize,
    ) -> Result<EncodedTexts, PretrainedError> {
        let failed = |error: tokenizers::Error| {
            PretrainedError::bad_file(&self.path, format!("a text cannot be cut: {error}"))
        };
        let encode = |text: &str| self.inner.encode_fast(text, false).map_err(failed);
        let (first, mut second) = (encode(first)?, second.map(encode).transpose()?);
        if let Some(second) = &mut second {
            second.set_type_ids(vec![1; second.len()]);
        }
        let is_pair = second.is_some();
        let around = self.inner.get_post_processor().map_or(0, |it| it.added_tokens(is_pair));
        let length = |second: &Option<Encoding>| second.as_ref().map_or(0, Encoding::len);
        let whole = first.len() + length(&second);
        let room = most.checked_sub(around).ok_or_else(|| {
            let reason = format!(
                "it puts {around} tokens around a text, more than {most} positions have room for"
            );
            PretrainedError::bad_file(&self.path, reason)
        })?;
        let params = TruncationParams { max_length: room, ..TruncationParams::default() };
        let (first, second) = truncate_encodings(first, second, &params).map_err(failed)?;
        let is_cut = first.len() + length(&second) < whole;
        let encoded = self.inner.post_process(first, second, true).map_err(failed)?;
        let (tokens, types) = (encoded.get_ids().to_vec(), encoded.get_type_ids().to_vec());
        Ok(EncodedTexts { tokens, types, is_cut })
    }

    /// The token that stands for one that is to be found.
    pub fn mask(&self) -> Option<u32> {
        let named = self.special.names.get("mask_token").map(String::as_str);
        named.into_iter().chain(["[MASK]", "<mask>"]).find_map(|name| self.token(name))
    }

    /// Whether a token is no part of a text, such as one that begins it.
    pub fn is_special(&self, token: u32) -> bool {
        let added = self.inner.get_added_vocabulary();
        self.inner.id_to_token(token).is_none_or(|text| added.is_special_token(&text))
    }
}
