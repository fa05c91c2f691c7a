//! From the bytes of a file to UTF-8 text: the one way of texts, tables and prompts.
//!
//! A file is looked at ([`recognize`]), put into UTF-8 and the form that its options name where it is
//! not so already ([`convert`]), and read once from end to end, whereby what is worth knowing of it is
//! noted ([`remarks`]). What cannot be read is refused with what it is and the command that helps
//! ([`unreadable`]).

mod convert;
mod encoding;
mod recognize;
mod remarks;
#[cfg(test)]
mod tests;
mod unreadable;

use std::path::{Path, PathBuf};

use trainyard_config::choices;

use crate::error::DataError;
use crate::files::{Opener, PIECE_BYTES, Stored, is_gzip, line_ends};

pub(crate) use convert::in_form;
pub(crate) use encoding::{Encoding, is_encoding};
pub(crate) use remarks::Remarks;

choices! {
    /// What becomes of line ends.
    pub enum Newlines {
        /// They stay as they are.
        Keep = "keep",
        /// CRLF and CR become LF.
        Unix = "unix",
    }
}

choices! {
    /// What becomes of letters that Unicode can write in several ways, such as é.
    pub enum Normalization {
        /// They stay as they are.
        None = "none",
        /// They are composed as far as they can be (Unicode's form NFC).
        Nfc = "nfc",
    }
}

/// The form that a text is brought into.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TextForm {
    /// The encoding of its files, where they have no mark that says it; found out where not given.
    pub(crate) encoding: Option<Encoding>,
    pub(crate) newlines: Newlines,
    pub(crate) normalize: Normalization,
}

impl TextForm {
    /// The form of a text that is not changed, out of the encoding that the options name.
    pub(crate) fn unchanged(encoding: Option<&str>) -> Self {
        Self {
            encoding: encoding.and_then(Encoding::named),
            newlines: Newlines::Keep,
            normalize: Normalization::None,
        }
    }

    fn changes_nothing(self) -> bool {
        self.newlines == Newlines::Keep && self.normalize == Normalization::None
    }
}

/// A text file as UTF-8 text in a form.
#[derive(Debug)]
pub(crate) struct PlainText {
    pub(crate) stored: Stored,
    /// Where the text begins in what is stored: after a byte order mark.
    pub(crate) start: u64,
}

impl PlainText {
    /// Opens a file and reads it once; `each` is handed all of its text in order.
    ///
    /// # Errors
    /// [`DataError::Io`], [`DataError::NotUtf8`], and [`DataError::BadFile`] for what is no text.
    pub(crate) fn open(
        opener: &mut Opener,
        path: &Path,
        form: TextForm,
        remarks: &mut Remarks,
        each: impl FnMut(&str),
    ) -> Result<Self, DataError> {
        let stored = opener.open(path)?;
        let mut first = vec![0; stored.bytes().min(recognize::LOOKED_AT as u64) as usize];
        stored.read_at(0, &mut first)?;
        let found = recognize::recognize(&first, stored.bytes(), form.encoding, path)?;
        let start = found.mark_bytes;
        remarks.of_encoding(path, &found);
        let text = if found.encoding == Encoding::Utf8 && form.changes_nothing() {
            Self { stored, start }
        } else {
            let converted = convert::convert(opener, &stored, start, found.encoding, form)?;
            Self { stored: converted, start: 0 }
        };
        text.read(remarks, each)?;
        Ok(text)
    }

    fn read(&self, remarks: &mut Remarks, mut each: impl FnMut(&str)) -> Result<(), DataError> {
        let mut seen = remarks.of_text(self.stored.path());
        let bad = each_text(self.stored.pieces(self.start, PIECE_BYTES), |text| {
            seen.look_at(text);
            each(text);
        })?;
        match bad {
            None => Ok(()),
            Some(bad) => Err(unreadable::not_utf8(&self.stored, self.start, bad)),
        }
    }
}

/// Where some bytes cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadByte {
    /// Offset of the byte, from 0, a byte order mark not counted.
    pub(crate) offset: u64,
    /// Its line, from 1.
    pub(crate) line: u64,
}

/// Hands out the text of some pieces of bytes, until a byte that is not UTF-8.
///
/// # Errors
/// The error of a piece that cannot be read.
pub(crate) fn each_text(
    pieces: impl Iterator<Item = Result<Vec<u8>, DataError>>,
    mut each: impl FnMut(&str),
) -> Result<Option<BadByte>, DataError> {
    let (mut offset, mut lines) = (0, 0);
    // The first part of a character that a piece cut off.
    let mut cut = Vec::new();
    for piece in pieces {
        let mut piece = piece?;
        if !cut.is_empty() {
            cut.append(&mut piece);
            piece = std::mem::take(&mut cut);
        }
        let (valid, is_bad) = match std::str::from_utf8(&piece) {
            Ok(text) => (text.len(), false),
            Err(error) => (error.valid_up_to(), error.error_len().is_some()),
        };
        lines += line_ends(&piece[..valid]);
        offset += valid as u64;
        if is_bad {
            return Ok(Some(BadByte { offset, line: lines + 1 }));
        }
        cut.extend_from_slice(&piece[valid..]);
        // Checked above, so this is the whole of it.
        each(std::str::from_utf8(&piece[..valid]).unwrap_or_default());
    }
    Ok((!cut.is_empty()).then_some(BadByte { offset, line: lines + 1 }))
}

/// The longest prompt that is read, bytes.
pub(crate) const LARGEST_PROMPT: u64 = 16 << 20;
/// What is said of a longer one.
pub(crate) const TOO_LONG: &str =
    "it is larger than 16 MiB, too much for a prompt; give the end of it";

/// The whole text of a small file, such as a prompt, in a form.
///
/// # Errors
/// As [`PlainText::open`]; [`DataError::BadFile`] for a file of more than 16 MiB.
pub(crate) fn read_small(path: &Path, form: TextForm) -> Result<String, DataError> {
    let about = std::fs::metadata(path).map_err(DataError::io("read", path))?;
    if about.is_file() && about.len() > LARGEST_PROMPT {
        return Err(DataError::bad_file(path, TOO_LONG));
    }
    let mut text = String::new();
    let add = |piece: &str| text.push_str(piece);
    PlainText::open(&mut Opener::new(), path, form, &mut Remarks::default(), add)?;
    Ok(text)
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

/// The name for what a file becomes: `input.utf8.txt` for `input.txt` and `input.txt.gz`.
fn utf8_name(path: &Path) -> PathBuf {
    let plain = if is_gzip(path) { path.with_extension("") } else { path.to_owned() };
    match plain.extension() {
        Some(extension) => plain.with_extension(format!("utf8.{}", extension.display())),
        None => plain.with_extension("utf8"),
    }
}
