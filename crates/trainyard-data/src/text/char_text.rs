//! A text of any size as a sequence of characters, with random access and a vocabulary.
//!
//! Files stay on disk: opening reads each once from end to end, and every window reads just the bytes
//! around it. Beside the vocabulary there are 8 bytes in memory for every 4096 characters.

use std::ops::Range;
use std::path::PathBuf;

use crate::error::DataError;
use crate::files::{self, LOOKED_AT, Opener, PIECE_BYTES, Stored, text_start};
use crate::text::scan::{CHARS_A_MARK, Scan, Scanner};

/// Marks a character that is not in the vocabulary.
const NO_TOKEN: u32 = u32::MAX;

/// A UTF-8 text whose tokens are its characters.
#[derive(Debug)]
pub struct CharText {
    name: String,
    parts: Vec<Part>,
    scan: Scan,
    /// Tokens of the ASCII characters: nearly all that are looked up.
    ascii_tokens: [u32; 128],
}

/// A file, or a string, and where it lies in the text.
#[derive(Debug)]
struct Part {
    /// Byte of the text that the part starts with.
    start: u64,
    bytes: u64,
    store: Store,
}

#[derive(Debug)]
enum Store {
    Memory(String),
    /// A file, from this byte on.
    File(Stored, u64),
}

impl CharText {
    /// Opens text files and reads each once; together they are one text, in this order and with
    /// nothing between them. Byte order marks are left out, line ends kept as they are; a file
    /// whose name ends in `.gz` is unpacked.
    ///
    /// # Errors
    /// [`DataError::Io`] for what is no file that can be read, [`DataError::BadFile`] for a damaged
    /// archive, [`DataError::EmptyText`], [`DataError::Utf16`], [`DataError::NotUtf8`] with the file,
    /// byte and line, [`DataError::TooManyCharacters`].
    pub fn open(files: &[PathBuf]) -> Result<Self, DataError> {
        let name = files::name_of(files);
        let (mut opener, mut scanner) = (Opener::new(), Scanner::new());
        let (mut parts, mut start) = (Vec::new(), 0);
        for path in files {
            let stored = opener.open(path)?;
            let path = path.display().to_string();
            let mut first = vec![0; stored.bytes().min(LOOKED_AT as u64) as usize];
            stored.read_at(0, &mut first)?;
            let skipped = text_start(&first, &path)? as u64;
            scanner.read(stored.pieces(skipped, PIECE_BYTES), &path)?;
            let bytes = stored.bytes() - skipped;
            parts.push(Part { start, bytes, store: Store::File(stored, skipped) });
            start += bytes;
        }
        let scan = scanner.finish(&name)?;
        Ok(Self::new(name, parts, scan))
    }

    /// A text that is in memory already. `name` is for messages.
    ///
    /// # Errors
    /// [`DataError::EmptyText`], [`DataError::TooManyCharacters`].
    pub fn from_string(name: impl Into<String>, text: String) -> Result<Self, DataError> {
        let name = name.into();
        let mut scanner = Scanner::new();
        scanner.read(std::iter::once(Ok(text.as_bytes().to_vec())), &name)?;
        let scan = scanner.finish(&name)?;
        let part = Part { start: 0, bytes: scan.bytes, store: Store::Memory(text) };
        Ok(Self::new(name, vec![part], scan))
    }

    fn new(name: String, parts: Vec<Part>, scan: Scan) -> Self {
        let mut text = Self { name, parts, scan, ascii_tokens: [NO_TOKEN; 128] };
        text.index_ascii();
        text
    }

    fn index_ascii(&mut self) {
        self.ascii_tokens = [NO_TOKEN; 128];
        for (token, &character) in self.scan.vocabulary.iter().enumerate() {
            if let Some(slot) = self.ascii_tokens.get_mut(character as usize) {
                *slot = token as u32;
            }
        }
    }

    /// The same text with the vocabulary of another, such as that of a trained model.
    ///
    /// # Errors
    /// [`DataError::OutsideVocabulary`] for a character of the text that is not in it.
    pub fn with_vocabulary(mut self, vocabulary: &str) -> Result<Self, DataError> {
        let mut given: Vec<char> = vocabulary.chars().collect();
        given.sort_unstable();
        given.dedup();
        let unknown = self.scan.vocabulary.iter().find(|known| given.binary_search(known).is_err());
        if let Some(&character) = unknown {
            return Err(DataError::OutsideVocabulary { name: self.name, character });
        }
        self.scan.vocabulary = given;
        self.index_ascii();
        Ok(self)
    }

    /// The file's name, or the name of the built-in text.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Length in characters; at least 1.
    #[must_use]
    pub fn len_chars(&self) -> u64 {
        self.scan.chars
    }

    /// The distinct characters in order; a token is an index into them.
    #[must_use]
    pub fn vocabulary(&self) -> &[char] {
        &self.scan.vocabulary
    }

    /// BLAKE3 of the text in hex.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        &self.scan.fingerprint
    }

    /// The tokens of a string.
    ///
    /// # Errors
    /// [`DataError::UnknownCharacter`] for the first character outside the vocabulary.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, DataError> {
        encode(text, &self.name, |character| self.token(character))
    }

    /// The string of some tokens; U+FFFD for a number that is no token.
    #[must_use]
    pub fn decode(&self, tokens: &[u32]) -> String {
        let character = |&token: &u32| self.scan.vocabulary.get(token as usize).copied();
        tokens.iter().map(|token| character(token).unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
    }

    /// Puts the tokens of `length` characters from `start` on into `tokens`, in place of what was
    /// in there.
    ///
    /// # Errors
    /// [`DataError::OutsideText`] past the end of the text, [`DataError::Io`] or
    /// [`DataError::Changed`] if a file cannot be read any more.
    pub fn window(
        &self,
        start: u64,
        length: usize,
        tokens: &mut Vec<u32>,
    ) -> Result<(), DataError> {
        tokens.clear();
        let end = start.saturating_add(length as u64);
        if end > self.scan.chars {
            let (name, characters) = (self.name.clone(), self.scan.chars);
            return Err(DataError::OutsideText { name, characters, start, end });
        }
        // Read from the mark before the start to the mark after the end, and skip what is too much.
        let (bytes, skipped) = if self.scan.marks.is_empty() {
            (start..end, 0)
        } else {
            let after = end.div_ceil(CHARS_A_MARK);
            (self.mark(start / CHARS_A_MARK)..self.mark(after), start % CHARS_A_MARK)
        };
        let part = self.read(bytes)?;
        let text = std::str::from_utf8(&part).map_err(|_| self.changed())?;
        for character in text.chars().skip(skipped as usize).take(length) {
            tokens.push(self.token(character).ok_or_else(|| self.changed())?);
        }
        if tokens.len() == length { Ok(()) } else { Err(self.changed()) }
    }

    fn token(&self, character: char) -> Option<u32> {
        match self.ascii_tokens.get(character as usize) {
            Some(&token) => (token != NO_TOKEN).then_some(token),
            None => self.scan.vocabulary.binary_search(&character).ok().map(|token| token as u32),
        }
    }

    /// Byte offset of a mark, or the end of the text after the last one.
    fn mark(&self, index: u64) -> u64 {
        self.scan.marks.get(index as usize).copied().unwrap_or(self.scan.bytes)
    }

    /// Bytes of the text, out of as many parts as they lie in.
    fn read(&self, bytes: Range<u64>) -> Result<Vec<u8>, DataError> {
        let mut read = vec![0; bytes.end.saturating_sub(bytes.start) as usize];
        let first = self.parts.partition_point(|part| part.start + part.bytes <= bytes.start);
        let mut left = &mut read[..];
        let mut at = bytes.start;
        for part in &self.parts[first..] {
            if left.is_empty() {
                break;
            }
            let within = at - part.start;
            let count = ((part.bytes - within) as usize).min(left.len());
            let (now, later) = left.split_at_mut(count);
            match &part.store {
                Store::Memory(text) => {
                    let start = within as usize;
                    now.copy_from_slice(&text.as_bytes()[start..start + count]);
                }
                Store::File(stored, skipped) => stored.read_at(skipped + within, now)?,
            }
            at += count as u64;
            left = later;
        }
        Ok(read)
    }

    fn changed(&self) -> DataError {
        DataError::Changed { name: self.name.clone() }
    }
}

/// The tokens of a string, by the token of each character. `name` is what the vocabulary is that
/// of, for the error.
///
/// # Errors
/// [`DataError::UnknownCharacter`] for the first character without a token.
pub fn encode<T>(
    text: &str,
    name: &str,
    token: impl Fn(char) -> Option<T>,
) -> Result<Vec<T>, DataError> {
    let token = |(index, character)| {
        token(character).ok_or_else(|| DataError::UnknownCharacter {
            name: name.to_owned(),
            character,
            position: index as u64 + 1,
        })
    };
    text.chars().enumerate().map(token).collect()
}
