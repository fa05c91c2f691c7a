//! The template of chats of a tokenizer: its own or another, and what it ends an answer with.

use std::path::Path;

use super::Tokenizer;
use super::chat::{ChatTemplate, Message};
use crate::error::PretrainedError;

/// An answer by which it is found out what a template writes behind one: text that no template has of itself.
const ANSWER: &str = "4711";

impl Tokenizer {
    /// The text of its template of chats.
    pub fn chat_template(&self) -> Option<&str> {
        self.template.as_ref().map(ChatTemplate::source)
    }

    /// The same tokenizer with the template of chats in a file.
    ///
    /// # Errors
    /// [`PretrainedError::BadFile`] for a file that cannot be read, or is no template.
    pub fn with_chat_template(self, path: &Path) -> Result<Self, PretrainedError> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            let reason = format!(
                "the chat template cannot be read ({error}); put the file back, or name another with data.template"
            );
            PretrainedError::bad_file(path, reason)
        })?;
        Ok(Self { template: Some(ChatTemplate::new(&text, path)?), ..self })
    }

    /// The same with a template by its text.
    ///
    /// # Errors
    /// [`PretrainedError::BadFile`] for what is no template.
    pub fn with_chat_template_text(self, text: &str) -> Result<Self, PretrainedError> {
        let template = ChatTemplate::new(text, &self.path)?;
        Ok(Self { template: Some(template), ..self })
    }

    /// The same with other tokens that end a text, the usual one first.
    #[must_use]
    pub fn with_eos(mut self, eos: Vec<u32>) -> Self {
        self.special.eos = eos;
        self
    }

    /// The tokens that end an answer of a chat: [`Self::eos`], and, behind the first of these, the special token that the
    /// template writes behind what is answered. Models that were not made for chats know that one as any other.
    pub fn ends_of_answers(&self) -> Vec<u32> {
        let mut ends = self.eos().to_vec();
        if let Some(end) = self.end_of_answer().filter(|end| !ends.contains(end)) {
            ends.insert(ends.len().min(1), end);
        }
        ends
    }

    /// The special token that the template writes behind an answer; None where there is no template, or it ends
    /// answers otherwise.
    fn end_of_answer(&self) -> Option<u32> {
        let chat = [Message::new("user", "?"), Message::new("assistant", ANSWER)];
        let written = self.chat(&chat, false).ok()?;
        let (_, behind) = written.rsplit_once(ANSWER)?;
        let mut tokens = self.encode(behind, false).into_iter();
        tokens.find(|token| self.is_special_in(*token, behind))
    }

    /// Whether a token is a special one that stands in a text, and not one for what is not known.
    pub fn is_special_in(&self, token: u32, text: &str) -> bool {
        self.is_special(token) && self.name(token).is_some_and(|name| text.contains(&name))
    }
}
