//! What is text and what tokens: characters of a list, or the tokens of a pretrained model.

use std::path::Path;

use trainyard_data::{DataError, first_token};
use trainyard_pretrained::{Message, TextStream, Tokenizer, find};

use crate::config::RunConfig;
use crate::error::RunError;

/// How a language model's tokens are text.
pub(crate) enum TextForm {
    /// Each is a text of its own, by its number.
    Vocabulary(Vec<String>),
    /// Those of a pretrained model.
    Tokenizer(Box<Tokenizer>),
}

/// The recipe of pretrained models, and its key for where their files are.
pub(crate) const PRETRAINED: &str = "hf";
const PATH: &str = "path";
/// The key of texts and chats for the tokenizer of their tokens.
const TOKENIZER: &str = "tokenizer";

impl TextForm {
    /// That of a run's model: of the tokenizer in its files or of its data, or of the vocabulary that it was trained with; None for
    /// one that is no language model, or has no tokenizer.
    ///
    /// # Errors
    /// [`RunError::Pretrained`] for a model that is not there, or a tokenizer that cannot be used.
    pub(crate) fn of_run(
        config: &RunConfig,
        vocabulary: Vec<String>,
    ) -> Result<Option<Self>, RunError> {
        let model = &config.model;
        if model.kind == PRETRAINED {
            let path = model.options.get(PATH).and_then(toml::Value::as_str).unwrap_or_default();
            let own = Self::of_model(&find(Path::new(path))?)?;
            if own.is_some() {
                return Ok(own);
            }
        }
        if let Some(path) = config.data.options.get(TOKENIZER).and_then(toml::Value::as_str) {
            return Self::of_model(Path::new(path));
        }
        Ok((!vocabulary.is_empty()).then_some(Self::Vocabulary(vocabulary)))
    }

    /// That of a pretrained model's files; None where they have no tokenizer.
    ///
    /// # Errors
    /// [`RunError::Pretrained`] for a tokenizer that cannot be used.
    pub(crate) fn of_model(path: &Path) -> Result<Option<Self>, RunError> {
        Ok(Tokenizer::open(path)?.map(Box::new).map(Self::Tokenizer))
    }

    /// How many tokens there are.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Vocabulary(texts) => texts.len(),
            Self::Tokenizer(tokenizer) => tokenizer.size(),
        }
    }

    /// What the model begins with of itself: a line end, or what else it knows; nothing that can be seen, where it
    /// has a token for that.
    pub(crate) fn beginning(&self) -> String {
        match self {
            Self::Vocabulary(texts) => texts.get(first_token(texts)).cloned().unwrap_or_default(),
            Self::Tokenizer(_) => String::new(),
        }
    }

    /// The tokens of a text, with those that the model expects before it; those of the model's own beginning for
    /// an empty one.
    ///
    /// # Errors
    /// [`DataError::UnknownCharacters`] with the characters that have no token, and what may be meant.
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
            Self::Tokenizer(tokenizer) => {
                // Texts of GPT-2's kind begin where another ends.
                let first = tokenizer.bos().or(tokenizer.eos().first().copied());
                (tokenizer.encode(text, true), first)
            }
        };
        Ok(if tokens.is_empty() { vec![first.unwrap_or(0)] } else { tokens })
    }

    /// Whether the model has a template of chats.
    pub(crate) fn has_chat_template(&self) -> bool {
        match self {
            Self::Vocabulary(_) => false,
            Self::Tokenizer(tokenizer) => tokenizer.chat_template().is_some(),
        }
    }

    /// The tokens of a conversation, up to where the model's next answer begins.
    ///
    /// # Errors
    /// [`RunError::Mismatch`] for a model of characters; [`RunError::Pretrained`] for one without a template
    /// of chats, or what the template refuses.
    pub(crate) fn chat(&self, messages: &[Message]) -> Result<Vec<u32>, RunError> {
        match self {
            Self::Vocabulary(_) => Err(RunError::Mismatch {
                what: "a model of characters knows no conversations".to_owned(),
                remedy: "leave --chat out",
            }),
            Self::Tokenizer(tokenizer) => {
                Ok(tokenizer.encode(&tokenizer.chat(messages, true)?, false))
            }
        }
    }

    /// Whether there is a template of chats.
    pub(crate) fn can_chat(&self) -> bool {
        matches!(self, Self::Tokenizer(tokenizer) if tokenizer.chat_template().is_some())
    }

    /// The tokens after which a text is over.
    pub(crate) fn ends(&self) -> &[u32] {
        match self {
            Self::Vocabulary(_) => &[],
            Self::Tokenizer(tokenizer) => tokenizer.eos(),
        }
    }

    /// Turns the tokens after others into text.
    pub(crate) fn decoder(&self, before: &[u32]) -> Decoder<'_> {
        match self {
            Self::Vocabulary(texts) => Decoder::Vocabulary(texts),
            Self::Tokenizer(tokenizer) => {
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
