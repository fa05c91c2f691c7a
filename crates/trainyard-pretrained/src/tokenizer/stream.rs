//! Text out of tokens that come one by one: a character may be spread over several of them.

use super::Tokenizer;

/// A character has at most four bytes: what is no text after so many tokens will not become one.
const LONGEST_WAIT: usize = 8;

/// Turns tokens into text as they come. What it gives, put together, is the text of all tokens, but that next to
/// several U+FFFD in the text itself there may be another.
#[derive(Debug)]
pub struct TextStream<'a> {
    tokenizer: &'a Tokenizer,
    skip_special: bool,
    /// The tokens whose text was given last, which tell how the next begin, and those after them.
    tokens: Vec<u32>,
    /// How many of them have been given.
    given: usize,
    /// For how many tokens a character has not been whole.
    waited: usize,
}

impl<'a> TextStream<'a> {
    pub(super) fn new(tokenizer: &'a Tokenizer, skip_special: bool) -> Self {
        Self { tokenizer, skip_special, tokens: Vec::new(), given: 0, waited: 0 }
    }

    /// Takes the next token and gives the text that is certain by now; empty inside a character.
    pub fn push(&mut self, token: u32) -> String {
        self.tokens.push(token);
        self.text(self.waited < LONGEST_WAIT)
    }

    /// What is left at the end: U+FFFD for a character that is not whole.
    pub fn rest(&mut self) -> String {
        self.text(false)
    }

    fn text(&mut self, may_wait: bool) -> String {
        let decode = |tokens: &[u32]| self.tokenizer.decode(tokens, self.skip_special);
        let before = decode(self.tokens.get(..self.given).unwrap_or_default());
        let now = decode(&self.tokens);
        if may_wait && now.ends_with('\u{fffd}') {
            self.waited += 1;
            return String::new();
        }
        self.waited = 0;
        // Some decoders change the end of what came before: it was given already.
        let same = before.bytes().zip(now.bytes()).take_while(|(one, other)| one == other).count();
        let same = (0..=same).rev().find(|&at| now.is_char_boundary(at)).unwrap_or(0);
        let text = now.get(same..).unwrap_or_default().to_owned();
        if !text.is_empty() {
            self.tokens.drain(..self.given);
            self.given = self.tokens.len();
        }
        text
    }
}
