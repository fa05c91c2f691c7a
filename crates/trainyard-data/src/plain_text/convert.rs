//! Text in any encoding becomes UTF-8 text in the form that its options name.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::canonical_combining_class;
use unicode_normalization::{IsNormalized, is_nfc_quick};

use crate::error::DataError;
use crate::files::{Opener, PIECE_BYTES, Stored};
use crate::plain_text::encoding::Encoding;
use crate::plain_text::unreadable::not_in;
use crate::plain_text::{BadByte, Newlines, Normalization, TextForm, unreadable};

/// Puts a text file from byte `start` on into the opener's store, as UTF-8 in a form.
///
/// # Errors
/// [`DataError::Io`]; [`DataError::NotUtf8`] and [`DataError::BadFile`] with the first byte that is
/// not in the encoding.
pub(crate) fn convert(
    opener: &mut Opener,
    stored: &Stored,
    start: u64,
    encoding: Encoding,
    form: TextForm,
) -> Result<Stored, DataError> {
    let mut copy = opener.begin_copy(stored.path());
    let (mut decoder, mut former) = (encoding.decoder(), Former::new(form));
    let (mut text, mut formed) = (String::new(), String::new());
    let (mut offset, mut lines) = (0_u64, 0);
    let end = std::iter::once(Ok(Vec::new()));
    for (piece, is_last) in stored
        .pieces(start, PIECE_BYTES)
        .map(|piece| (piece, false))
        .chain(end.map(|none| (none, true)))
    {
        let piece = piece?;
        text.clear();
        let decoded = decoder.decode(&piece, is_last, &mut text);
        lines += text.matches('\n').count() as u64;
        offset += piece.len() as u64;
        if let Err(back) = decoded {
            let bad = BadByte { offset: offset.saturating_sub(back as u64), line: lines + 1 };
            return Err(match encoding {
                Encoding::Utf8 => unreadable::not_utf8(stored, start, bad),
                other => not_in(other, stored, bad),
            });
        }
        formed.clear();
        former.push(&text, &mut formed);
        if is_last {
            former.finish(&mut formed);
        }
        opener.add_to(&mut copy, formed.as_bytes())?;
    }
    Ok(copy)
}

/// A short text in a form, without a byte order mark.
pub(crate) fn in_form(text: &str, form: TextForm) -> String {
    let (mut former, mut formed) = (Former::new(form), String::with_capacity(text.len()));
    former.push(text.strip_prefix('\u{feff}').unwrap_or(text), &mut formed);
    former.finish(&mut formed);
    formed
}

/// Brings a text into a form piece by piece.
pub(super) struct Former {
    form: TextForm,
    /// Whether the last character was a CR, which an LF may follow.
    after_cr: bool,
    /// What the next characters may still be composed with.
    open: String,
}

impl Former {
    pub(super) fn new(form: TextForm) -> Self {
        Self { form, after_cr: false, open: String::new() }
    }

    pub(super) fn push(&mut self, text: &str, formed: &mut String) {
        let unix;
        let text = match self.form.newlines {
            Newlines::Keep => text,
            Newlines::Unix => {
                unix = self.unix(text);
                &unix
            }
        };
        if self.form.normalize == Normalization::None {
            formed.push_str(text);
            return;
        }
        // Before a character that never is composed with one before it, all is decided.
        let stands_alone = |(_, character): &(usize, char)| {
            canonical_combining_class(*character) == 0
                && is_nfc_quick(std::iter::once(*character)) == IsNormalized::Yes
        };
        let decided = text.char_indices().rev().find(stands_alone);
        let Some((end, _)) = decided else {
            self.open.push_str(text);
            return;
        };
        self.open.push_str(&text[..end]);
        compose(&self.open, formed);
        self.open.clear();
        self.open.push_str(&text[end..]);
    }

    pub(super) fn finish(&mut self, formed: &mut String) {
        compose(&std::mem::take(&mut self.open), formed);
    }

    fn unix(&mut self, text: &str) -> String {
        let after_cr = self.after_cr;
        // By the piece as it came: one that is the LF alone ends it, too.
        if !text.is_empty() {
            self.after_cr = text.ends_with('\r');
        }
        let text = if after_cr { text.strip_prefix('\n').unwrap_or(text) } else { text };
        text.replace("\r\n", "\n").replace('\r', "\n")
    }
}

fn compose(text: &str, formed: &mut String) {
    if is_nfc_quick(text.chars()) == IsNormalized::Yes {
        formed.push_str(text);
    } else {
        formed.extend(text.nfc());
    }
}
