//! One pass over a text of any size: its length, its characters, where in the files they stand, and
//! whether it is UTF-8.

use crate::error::DataError;

/// The scan notes the byte where a character starts, once for this number of characters.
pub(super) const CHARS_A_MARK: u64 = 4096;

/// The most distinct characters a vocabulary may have.
pub(super) const LARGEST_VOCABULARY: usize = 65_536;

const ALL_CHARS: usize = char::MAX as usize + 1;

/// Result of a pass over a text.
#[derive(Debug)]
pub(super) struct Scan {
    pub(super) bytes: u64,
    pub(super) chars: u64,
    /// Byte offset of characters 0, 4096, 8192, …; empty for ASCII, where both counts are one.
    pub(super) marks: Vec<u64>,
    /// The distinct characters in order.
    pub(super) vocabulary: Vec<char>,
    /// BLAKE3 of the bytes, in hex.
    pub(super) fingerprint: String,
}

/// State of a pass over files that follow each other.
pub(super) struct Scanner {
    bytes: u64,
    chars: u64,
    ascii: bool,
    marks: Vec<u64>,
    /// A bit for every character there is.
    seen: Vec<u64>,
    hash: blake3::Hasher,
}

impl Scanner {
    pub(super) fn new() -> Self {
        Self {
            bytes: 0,
            chars: 0,
            ascii: true,
            marks: Vec::new(),
            seen: vec![0; ALL_CHARS.div_ceil(64)],
            hash: blake3::Hasher::new(),
        }
    }

    /// Reads one file, given in pieces. `name` is for messages.
    ///
    /// # Errors
    /// [`DataError::NotUtf8`], and the error of a piece that cannot be read.
    pub(super) fn read(
        &mut self,
        pieces: impl Iterator<Item = Result<Vec<u8>, DataError>>,
        name: &str,
    ) -> Result<(), DataError> {
        let (start, mut lines) = (self.bytes, 0);
        // The first part of a character that a piece cut off.
        let mut cut = Vec::new();
        for piece in pieces {
            let mut piece = piece?;
            if !cut.is_empty() {
                cut.append(&mut piece);
                piece = std::mem::take(&mut cut);
            }
            let valid = match std::str::from_utf8(&piece) {
                Ok(text) => text.len(),
                Err(error) if error.error_len().is_none() => error.valid_up_to(),
                Err(error) => {
                    let before = error.valid_up_to();
                    let line = lines + 1 + line_ends(&piece[..before]);
                    let offset = self.bytes - start + before as u64;
                    return Err(DataError::NotUtf8 { name: name.to_owned(), offset, line });
                }
            };
            cut.extend_from_slice(&piece[valid..]);
            lines += line_ends(&piece[..valid]);
            // Checked above, so this is the whole of it.
            self.accept(std::str::from_utf8(&piece[..valid]).unwrap_or_default());
        }
        if cut.is_empty() {
            return Ok(());
        }
        let offset = self.bytes - start;
        Err(DataError::NotUtf8 { name: name.to_owned(), offset, line: lines + 1 })
    }

    fn accept(&mut self, text: &str) {
        self.hash.update(text.as_bytes());
        self.ascii &= text.is_ascii();
        for (offset, character) in text.char_indices() {
            if self.chars.is_multiple_of(CHARS_A_MARK) {
                self.marks.push(self.bytes + offset as u64);
            }
            self.chars += 1;
            let bit = character as usize;
            self.seen[bit / 64] |= 1 << (bit % 64);
        }
        self.bytes += text.len() as u64;
    }

    /// Ends the pass. `name` is that of the whole text.
    ///
    /// # Errors
    /// [`DataError::EmptyText`], [`DataError::TooManyCharacters`].
    pub(super) fn finish(self, name: &str) -> Result<Scan, DataError> {
        if self.chars == 0 {
            return Err(DataError::EmptyText { name: name.to_owned() });
        }
        let used = |code: &u32| self.seen[*code as usize / 64] >> (*code % 64) & 1 == 1;
        let vocabulary: Vec<char> =
            (0..ALL_CHARS as u32).filter(used).filter_map(char::from_u32).collect();
        if vocabulary.len() > LARGEST_VOCABULARY {
            let limit = LARGEST_VOCABULARY;
            return Err(DataError::TooManyCharacters { name: name.to_owned(), limit });
        }
        Ok(Scan {
            bytes: self.bytes,
            chars: self.chars,
            marks: if self.ascii { Vec::new() } else { self.marks },
            vocabulary,
            fingerprint: self.hash.finalize().to_hex().to_string(),
        })
    }
}

/// Number of line ends in some bytes.
#[must_use]
pub fn line_ends(bytes: &[u8]) -> u64 {
    bytes.split(|&byte| byte == b'\n').count() as u64 - 1
}
