//! A text of any size as a sequence of characters, with random access and a vocabulary.
//!
//! A file stays on disk: opening reads it once from end to end, and every window reads just the
//! bytes around it. Beside the vocabulary there are 8 bytes in memory for every 4096 characters.

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use super::scan::{CHARS_A_MARK, Scan, scan};
use crate::error::{RunError, shown};

/// Marks a character that is not in the vocabulary.
const NO_TOKEN: u32 = u32::MAX;

/// A UTF-8 text whose tokens are its characters.
#[derive(Debug)]
pub struct CharText {
    name: String,
    store: Store,
    scan: Scan,
    /// Tokens of the ASCII characters: nearly all that are looked up.
    ascii_tokens: [u32; 128],
}

/// Where the bytes are.
#[derive(Debug)]
enum Store {
    Memory(String),
    File(Mutex<File>),
}

impl CharText {
    /// Opens a text file and reads it once.
    ///
    /// # Errors
    /// [`RunError::Io`] if it is not a file that can be read, [`RunError::EmptyText`],
    /// [`RunError::NotUtf8`] with the byte and line, [`RunError::TooManyCharacters`].
    pub fn open(path: &Path) -> Result<Self, RunError> {
        let name = shown(path);
        let io = |source| RunError::Io { doing: "read the text", path: path.into(), source };
        // Checked before opening: to open a pipe would wait for its other end.
        let about = fs::metadata(path).map_err(io)?;
        if !about.is_file() {
            let what =
                if about.is_dir() { "it is a directory" } else { "it is not a regular file" };
            return Err(io(std::io::Error::new(
                ErrorKind::InvalidInput,
                format!("{what}; name a text file"),
            )));
        }
        let file = File::open(path).map_err(io)?;
        let scan = scan(&file, &name, io)?;
        Ok(Self::new(name, Store::File(Mutex::new(file)), scan))
    }

    /// A text that is in memory already. `name` is for messages.
    ///
    /// # Errors
    /// [`RunError::EmptyText`], [`RunError::TooManyCharacters`].
    pub fn from_string(name: impl Into<String>, text: String) -> Result<Self, RunError> {
        let name = name.into();
        let scan = scan(text.as_bytes(), &name, RunError::io("read the text", &name))?;
        Ok(Self::new(name, Store::Memory(text), scan))
    }

    fn new(name: String, store: Store, scan: Scan) -> Self {
        let mut ascii_tokens = [NO_TOKEN; 128];
        for (token, &character) in scan.vocabulary.iter().enumerate() {
            if let Some(slot) = ascii_tokens.get_mut(character as usize) {
                *slot = token as u32;
            }
        }
        Self { name, store, scan, ascii_tokens }
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

    /// BLAKE3 of the text in hex: tells a resumed run whether the text is still the same.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        &self.scan.fingerprint
    }

    /// The tokens of a string.
    ///
    /// # Errors
    /// [`RunError::UnknownCharacter`] for the first character that does not occur in the text.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, RunError> {
        let token = |(index, character)| {
            self.token(character).ok_or_else(|| RunError::UnknownCharacter {
                name: self.name.clone(),
                character,
                position: index + 1,
            })
        };
        text.chars().enumerate().map(token).collect()
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
    /// [`RunError::OutsideText`] if there are not that many characters, [`RunError::Io`] or
    /// [`RunError::TextChanged`] if the file cannot be read any more.
    pub fn window(&self, start: u64, length: usize, tokens: &mut Vec<u32>) -> Result<(), RunError> {
        tokens.clear();
        let end = start.saturating_add(length as u64);
        if end > self.scan.chars {
            let (name, characters) = (self.name.clone(), self.scan.chars);
            return Err(RunError::OutsideText { name, characters, start, end });
        }
        // Read from the mark before the start to the mark after the end, and skip what is too much.
        let (bytes, skipped) = if self.scan.marks.is_empty() {
            (start..end, 0)
        } else {
            let after = end.div_ceil(CHARS_A_MARK);
            (self.mark(start / CHARS_A_MARK)..self.mark(after), start % CHARS_A_MARK)
        };
        match &self.store {
            Store::Memory(text) => {
                let part = text.get(bytes.start as usize..bytes.end as usize);
                self.tokens_of(part.unwrap_or_default(), skipped as usize, length, tokens)
            }
            Store::File(file) => {
                let part = self.read(file, bytes)?;
                let text = std::str::from_utf8(&part).map_err(|_| self.changed())?;
                self.tokens_of(text, skipped as usize, length, tokens)
            }
        }
    }

    fn tokens_of(
        &self,
        text: &str,
        skipped: usize,
        length: usize,
        tokens: &mut Vec<u32>,
    ) -> Result<(), RunError> {
        for character in text.chars().skip(skipped).take(length) {
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

    fn read(&self, file: &Mutex<File>, bytes: Range<u64>) -> Result<Vec<u8>, RunError> {
        let mut part = vec![0; (bytes.end - bytes.start) as usize];
        // A reader that panicked leaves nothing behind but a position, and each reader sets its own.
        let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
        let read = file.seek(SeekFrom::Start(bytes.start)).and_then(|_| file.read_exact(&mut part));
        match read {
            Ok(()) => Ok(part),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Err(self.changed()),
            Err(error) => Err(RunError::io("read the text", &self.name)(error)),
        }
    }

    fn changed(&self) -> RunError {
        RunError::TextChanged { name: self.name.clone() }
    }
}
