//! From a text of any size to its tokens: a piece at a time, with the tokens that the whole text has.
//!
//! A text is cut behind a line end, where the tokens before it and after it do not depend on each other.
//! Whether they do is found out at each cut: what stands around it must have the same tokens whole and in
//! two parts. Texts that are shorter than a piece are not cut.

use trainyard_pretrained::Tokenizer;

use super::progress::progress;
use super::store::TokenWriter;
use crate::error::DataError;
use crate::text::CharText;

/// Least length of a piece, bytes.
const PIECE: usize = 1 << 19;
/// A text without a place to cut it is cut anywhere after so many of these.
const LONGEST: usize = 16;
/// So much on both sides of a cut is looked at, bytes.
const AROUND: usize = 256;
/// So many places for a cut are looked at.
const TRIES: usize = 64;

/// Adds the tokens of a text, without special ones around it.
///
/// # Errors
/// [`DataError::Io`], [`DataError::Changed`].
pub(crate) fn tokenize(
    text: &CharText,
    tokenizer: &Tokenizer,
    writer: &mut TokenWriter,
) -> Result<(), DataError> {
    tokenize_by(text, tokenizer, PIECE, writer)
}

/// The same by pieces of another length.
pub(super) fn tokenize_by(
    text: &CharText,
    tokenizer: &Tokenizer,
    piece: usize,
    writer: &mut TokenWriter,
) -> Result<(), DataError> {
    let mut pieces = Pieces::new(tokenizer, piece);
    let (mut done, of) = (0, text.len_bytes());
    text.each_part(|part| {
        pieces.text.push_str(part);
        while pieces.text.len() >= piece {
            let Some(cut) = pieces.cut() else { break };
            writer.push(&pieces.take(cut))?;
        }
        done += part.len() as u64;
        progress(done, of);
        Ok(())
    })?;
    writer.push(&pieces.take(pieces.text.len()))
}

/// What of a text is not tokens yet.
struct Pieces<'a> {
    tokenizer: &'a Tokenizer,
    text: String,
    /// Least length of a piece, bytes.
    piece: usize,
    /// The tokens of a line end by itself, which stands before every piece but the first: what a tokenizer
    /// does at the beginning of a text it does there.
    line_end: Vec<u32>,
    is_first: bool,
}

impl<'a> Pieces<'a> {
    fn new(tokenizer: &'a Tokenizer, piece: usize) -> Self {
        let line_end = tokenizer.encode("\n", false);
        Self { tokenizer, text: String::new(), piece, line_end, is_first: true }
    }

    /// The tokens of a text behind a line end.
    fn after_line_end(&self, text: &str) -> Option<Vec<u32>> {
        let tokens = self.tokenizer.encode(&format!("\n{text}"), false);
        tokens.strip_prefix(&*self.line_end).map(<[u32]>::to_vec)
    }

    /// Where to cut: the last good place of a piece that is not too long, or any one where the text has
    /// become so.
    fn cut(&self) -> Option<usize> {
        let text = &self.text;
        let end = text.floor_char_boundary(2 * self.piece);
        let lines = text.get(..end).unwrap_or_default().rmatch_indices('\n').map(|(at, _)| at + 1);
        let good = lines.take_while(|&at| at > self.piece / 2).filter(|&at| stands_alone(text, at));
        let good = good.take(TRIES).find(|&at| self.is_sound(at));
        let anywhere = || {
            let end = text.floor_char_boundary(text.len() - 1);
            (text.len() >= LONGEST * self.piece)
                .then(|| text.rfind(' ').filter(|at| *at > 0).unwrap_or(end))
        };
        good.or_else(anywhere)
    }

    /// Whether what stands around a place has the same tokens in two parts as it has whole.
    fn is_sound(&self, at: usize) -> bool {
        let (before, after) = self.text.split_at(at);
        let start = before.ceil_char_boundary(before.len().saturating_sub(AROUND));
        let before = before.get(start..).unwrap_or_default();
        let after = after.get(..after.floor_char_boundary(AROUND)).unwrap_or_default();
        let whole = self.tokenizer.encode(&format!("{before}{after}"), false);
        let first = self.tokenizer.encode(before, false);
        let rest = whole.strip_prefix(&*first);
        rest.is_some() && rest == self.after_line_end(after).as_deref()
    }

    /// The tokens of the text up to a place, which is then no more.
    fn take(&mut self, cut: usize) -> Vec<u32> {
        let rest = self.text.split_off(cut);
        let piece = std::mem::replace(&mut self.text, rest);
        if std::mem::take(&mut self.is_first) {
            return self.tokenizer.encode(&piece, false);
        }
        self.after_line_end(&piece).unwrap_or_else(|| self.tokenizer.encode(&piece, false))
    }
}

/// Whether the line end before a place has no other space beside it.
fn stands_alone(text: &str, at: usize) -> bool {
    let (before, after) = text.split_at(at);
    let is_letter = |letter: Option<char>| letter.is_some_and(|letter| !letter.is_whitespace());
    let line = before.strip_suffix('\n').unwrap_or(before);
    is_letter(line.chars().next_back()) && is_letter(after.chars().next())
}
