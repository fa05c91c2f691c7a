//! One pass over a text of any size: its length, its characters, and where in it they stand.

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
    pub(super) characters: Vec<char>,
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

    /// Reads on.
    pub(super) fn accept(&mut self, text: &str) {
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
        let characters: Vec<char> =
            (0..ALL_CHARS as u32).filter(used).filter_map(char::from_u32).collect();
        if characters.len() > LARGEST_VOCABULARY {
            let limit = LARGEST_VOCABULARY;
            return Err(DataError::TooManyCharacters { name: name.to_owned(), limit });
        }
        Ok(Scan {
            bytes: self.bytes,
            chars: self.chars,
            marks: if self.ascii { Vec::new() } else { self.marks },
            characters,
            fingerprint: self.hash.finalize().to_hex().to_string(),
        })
    }
}
