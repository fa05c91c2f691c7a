//! What is text and what tokens: characters of a list, or the tokens of a pretrained model.

use std::path::Path;

use trainyard_data::{DataError, check_known, first_token};
use trainyard_pretrained::{Message, TextStream, Tokenizer};

use super::run_tokenizer::RunTokenizer;
use crate::config::RunConfig;
use crate::error::RunError;

/// How a language model's tokens are text.
pub(crate) enum TextForm {
    /// Each is a text of its own, by its number.
    Vocabulary(Vec<String>),
    /// Those of a pretrained model, or of data.
    Tokenizer {
        tokenizer: Box<Tokenizer>,
        /// The model has vectors for the first so many tokens.
        known: u64,
    },
}

/// The recipe of pretrained models.
pub(crate) const PRETRAINED: &str = "hf";
/// What prompts are called in messages.
const PROMPT: &str = "what the model is told";

impl TextForm {
    /// That of a run's model: of the tokenizer in its files or of its data, with the template that its chats were written
    /// by, which is `kept` where they had one of their own; or else of the vocabulary that it was trained with. None for
    /// one that is no language model, or has no tokenizer.
    ///
    /// # Errors
    /// [`RunError::Pretrained`] for a model that is not there, or a tokenizer or template that cannot be used.
    pub(crate) fn of_run(
        config: &RunConfig,
        vocabulary: Vec<String>,
        kept: Option<&str>,
    ) -> Result<Option<Self>, RunError> {
        if let Some(of_tokenizer) = RunTokenizer::of_run(config, kept)? {
            return Ok(Some(of_tokenizer.into()));
        }
        Ok((!vocabulary.is_empty()).then_some(Self::Vocabulary(vocabulary)))
    }

    /// That of a pretrained model's files; None where they have no tokenizer.
    ///
    /// # Errors
    /// [`RunError::Pretrained`] for a tokenizer that cannot be used.
    pub(crate) fn of_model(path: &Path) -> Result<Option<Self>, RunError> {
        Ok(RunTokenizer::of_model(path)?.map(Self::from))
    }

    /// How many tokens there are.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Vocabulary(texts) => texts.len(),
            Self::Tokenizer { tokenizer, .. } => tokenizer.size(),
        }
    }

    /// What the model begins with of itself: a line end, or what else it knows; nothing that can be seen, where it
    /// has a token for that.
    pub(crate) fn beginning(&self) -> String {
        match self {
            Self::Vocabulary(texts) => texts.get(first_token(texts)).cloned().unwrap_or_default(),
            Self::Tokenizer { .. } => String::new(),
        }
    }

    /// The tokens of a text, with those that the model expects before it; those of the model's own beginning for
    /// an empty one.
    ///
    /// # Errors
    /// [`DataError::UnknownCharacters`] with the characters that have no token, and what may be meant;
    /// [`DataError::UnknownToken`] for a token that the model does not know.
    pub(crate) fn encode(&self, text: &str) -> Result<Vec<u32>, DataError> {
        let (tokens, first) = match self {
            Self::Vocabulary(texts) => {
                let token = |character: char| {
                    let is_it = |known: &String| known.chars().eq([character]);
                    let found = texts.iter().position(is_it);
                    found.and_then(|token| u32::try_from(token).ok())
                };
                let tokens = trainyard_data::encode(text, "the text it was trained on", token)?;
                (tokens, u32::try_from(first_token(texts)).ok())
            }
            Self::Tokenizer { tokenizer, .. } => {
                // Texts of GPT-2's kind begin where another ends.
                let first = tokenizer.bos().or(tokenizer.eos().first().copied());
                (tokenizer.encode(text, true), first)
            }
        };
        self.known(if tokens.is_empty() { vec![first.unwrap_or(0)] } else { tokens })
    }

    /// Tokens that the model knows.
    fn known(&self, tokens: Vec<u32>) -> Result<Vec<u32>, DataError> {
        if let Self::Tokenizer { tokenizer, known } = self {
            check_known(PROMPT, &tokens, tokenizer, *known)?;
        }
        Ok(tokens)
    }

    /// Whether the model has a template of chats.
    pub(crate) fn has_chat_template(&self) -> bool {
        match self {
            Self::Vocabulary(_) => false,
            Self::Tokenizer { tokenizer, .. } => tokenizer.chat_template().is_some(),
        }
    }

    /// The tokens of a conversation, up to where the model's next answer begins.
    ///
    /// # Errors
    /// [`RunError::Mismatch`] for a model of characters; [`RunError::Pretrained`] for one without a template
    /// of chats, or what the template refuses; as [`Self::encode`].
    pub(crate) fn chat(&self, messages: &[Message]) -> Result<Vec<u32>, RunError> {
        match self {
            Self::Vocabulary(_) => Err(RunError::Mismatch {
                what: "a model of characters knows no conversations".to_owned(),
                remedy: "leave --chat out",
            }),
            Self::Tokenizer { tokenizer, .. } => {
                Ok(self.known(tokenizer.encode(&tokenizer.chat(messages, true)?, false))?)
            }
        }
    }

    /// The tokens after which a text is over.
    pub(crate) fn ends(&self) -> &[u32] {
        match self {
            Self::Vocabulary(_) => &[],
            Self::Tokenizer { tokenizer, .. } => tokenizer.eos(),
        }
    }

    /// The tokens after which an answer of a conversation is over.
    pub(crate) fn ends_of_answers(&self) -> Vec<u32> {
        match self {
            Self::Vocabulary(_) => Vec::new(),
            Self::Tokenizer { tokenizer, .. } => tokenizer.ends_of_answers(),
        }
    }

    /// The special tokens that stand in a text, with their names; none where a text has no others than it shows.
    pub(crate) fn special_in(&self, text: &str) -> Vec<(u32, String)> {
        let Self::Tokenizer { tokenizer, .. } = self else { return Vec::new() };
        let tokens = tokenizer.encode(text, false).into_iter();
        let special = tokens.filter(|token| tokenizer.is_special_in(*token, text));
        special.filter_map(|token| Some((token, tokenizer.name(token)?))).collect()
    }

    /// Turns the tokens after others into text.
    pub(crate) fn decoder(&self, before: &[u32]) -> Decoder<'_> {
        match self {
            Self::Vocabulary(texts) => Decoder::Vocabulary(texts),
            Self::Tokenizer { tokenizer, .. } => {
                // Whether a token begins with a space follows from what stands before it.
                let mut stream = tokenizer.stream(true);
                for token in before {
                    stream.push(*token);
                }
                Decoder::Tokenizer(stream)
            }
        }
    }
}

impl From<RunTokenizer> for TextForm {
    fn from(RunTokenizer { tokenizer, known, .. }: RunTokenizer) -> Self {
        Self::Tokenizer { tokenizer: Box::new(tokenizer), known }
    }
}

/// Turns tokens into text as they come.
pub(crate) enum Decoder<'a> {
    Vocabulary(&'a [String]),
    Tokenizer(TextStream<'a>),
}

impl Decoder<'_> {
    /// The text that is whole with one token more.
    pub(crate) fn push(&mut self, token: u32) -> String {
        match self {
            Self::Vocabulary(texts) => {
                texts.get(token as usize).map_or("\u{fffd}", String::as_str).to_owned()
            }
            Self::Tokenizer(stream) => stream.push(token),
        }
    }

    /// What is not whole, when no more tokens come.
    pub(crate) fn rest(&mut self) -> String {
        match self {
            Self::Vocabulary(_) => String::new(),
            Self::Tokenizer(stream) => stream.rest(),
        }
    }
}
