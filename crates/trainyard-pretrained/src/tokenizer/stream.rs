//! Text out of tokens that come one by one: a character may be spread over several of them.

use super::Tokenizer;
use super::spelling::ends_inside;

/// Turns tokens into text as they come. What it gives, put together, is the text of all tokens.
#[derive(Debug)]
pub struct TextStream<'a> {
    tokenizer: &'a Tokenizer,
    skip_special: bool,
    /// The tokens whose text was given last, which tell how the next begin, and those after them.
    tokens: Vec<u32>,
    /// How many of them have been given.
    given: usize,
}

impl<'a> TextStream<'a> {
    pub(super) fn new(tokenizer: &'a Tokenizer, skip_special: bool) -> Self {
        Self { tokenizer, skip_special, tokens: Vec::new(), given: 0 }
    }

    /// Takes the next token and gives the text that is certain by now; empty inside a character.
    pub fn push(&mut self, token: u32) -> String {
        self.tokens.push(token);
        let new = self.tokens.get(self.given..).unwrap_or_default();
        let bytes = new.iter().flat_map(|token| self.tokenizer.bytes(*token, self.skip_special));
        if ends_inside(&bytes.collect::<Vec<_>>()) { String::new() } else { self.rest() }
    }

    /// What is left at the end: U+FFFD for a character that is not whole.
    pub fn rest(&mut self) -> String {
        let decode = |tokens: &[u32]| self.tokenizer.decode(tokens, self.skip_special);
        let before = decode(self.tokens.get(..self.given).unwrap_or_default());
        let now = decode(&self.tokens);
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
