//! A text of any size as a sequence of characters, with random access and a vocabulary.
//!
//! Files stay on disk: opening reads each once from end to end, and every window reads just the bytes
//! around it. Beside the vocabulary there are 8 bytes in memory for every 4096 characters.

use std::ops::Range;
use std::path::PathBuf;

use crate::error::DataError;
use crate::files::{self, Opener, PIECE_BYTES, Stored};
use crate::plain_text::{PlainText, Remarks, TextForm, each_text};
use crate::text::prompt::encode;
use crate::text::scan::{CHARS_A_MARK, LARGEST_VOCABULARY, Scan, Scanner};
use crate::text::vocabulary::{Unknown, UnknownCharacter, Vocabulary};

/// A UTF-8 text whose tokens are its characters.
#[derive(Debug)]
pub struct CharText {
    name: String,
    parts: Vec<Part>,
    scan: Scan,
    vocabulary: Vocabulary,
    remarks: Vec<String>,
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
    /// that is compressed is unpacked.
    ///
    /// # Errors
    /// [`DataError::Io`] for what is no file that can be read, [`DataError::BadFile`] for a damaged
    /// archive and what is no text, [`DataError::EmptyText`], [`DataError::NotUtf8`] with the file,
    /// byte and line, [`DataError::TooManyCharacters`].
    pub fn open(files: &[PathBuf]) -> Result<Self, DataError> {
        Self::open_in_form(files, TextForm::unchanged(None))
    }

    /// The same for files in another encoding, or a text in another form than theirs.
    pub(crate) fn open_in_form(files: &[PathBuf], form: TextForm) -> Result<Self, DataError> {
        let name = files::name_of(files);
        let (mut opener, mut scanner) = (Opener::new(), Scanner::new());
        let mut remarks = Remarks::default();
        let (mut parts, mut start) = (Vec::new(), 0);
        for path in files {
            let accept = |text: &str| scanner.accept(text);
            let text = PlainText::open(&mut opener, path, form, &mut remarks, accept)?;
            let bytes = text.stored.bytes() - text.start;
            parts.push(Part { start, bytes, store: Store::File(text.stored, text.start) });
            start += bytes;
        }
        let scan = scanner.finish(&name)?;
        Ok(Self { remarks: remarks.of_characters(), ..Self::new(name, parts, scan) })
    }

    /// A text that is in memory already. `name` is for messages.
    ///
    /// # Errors
    /// [`DataError::EmptyText`], [`DataError::TooManyCharacters`].
    pub fn from_string(name: impl Into<String>, text: String) -> Result<Self, DataError> {
        let name = name.into();
        let mut scanner = Scanner::new();
        scanner.accept(&text);
        let scan = scanner.finish(&name)?;
        let part = Part { start: 0, bytes: scan.bytes, store: Store::Memory(text) };
        Ok(Self::new(name, vec![part], scan))
    }

    fn new(name: String, parts: Vec<Part>, scan: Scan) -> Self {
        let vocabulary = Vocabulary::new(scan.characters.iter().copied());
        Self { name, parts, scan, vocabulary, remarks: Vec::new() }
    }

    /// The same text with the vocabulary of another, such as that of a trained model: its characters
    /// have the tokens of their places in it.
    ///
    /// # Errors
    /// [`DataError::OutsideVocabulary`] with the characters of the text that are not in it.
    pub fn with_vocabulary(self, vocabulary: &str) -> Result<Self, DataError> {
        let vocabulary = Vocabulary::new(vocabulary.chars());
        if self.scan.characters.iter().all(|known| vocabulary.token(*known).is_some()) {
            return Ok(Self { vocabulary, ..self });
        }
        let unknown = self.unknown(&vocabulary)?;
        Err(DataError::OutsideVocabulary { name: self.name, unknown })
    }

    /// The same text with the vocabulary of another and, after it, the characters that are new: the
    /// known ones keep their tokens.
    ///
    /// # Errors
    /// [`DataError::TooManyCharacters`].
    pub fn with_grown_vocabulary(self, known: &str) -> Result<Self, DataError> {
        let all = known.chars().chain(self.scan.characters.iter().copied());
        let vocabulary = Vocabulary::new(all);
        if vocabulary.characters().len() > LARGEST_VOCABULARY {
            return Err(DataError::TooManyCharacters {
                name: self.name,
                limit: LARGEST_VOCABULARY,
            });
        }
        Ok(Self { vocabulary, ..self })
    }

    /// The characters of the text outside of a vocabulary, with the place of the first of each. Reads
    /// the text once more.
    fn unknown(&self, vocabulary: &Vocabulary) -> Result<Vec<UnknownCharacter>, DataError> {
        let mut unknown = Unknown::new(vocabulary);
        for Part { store, .. } in &self.parts {
            match store {
                Store::Memory(text) => unknown.begin(&self.name).look_at(text),
                Store::File(stored, start) => {
                    let file = unknown.begin(&stored.path().display().to_string());
                    let pieces = stored.pieces(*start, PIECE_BYTES);
                    let bad = each_text(pieces, |text| file.look_at(text))?;
                    if bad.is_some() {
                        return Err(self.changed());
                    }
                }
            }
        }
        Ok(unknown.characters())
    }

    /// Hands out the text in order, in parts of at most a mebibyte or so.
    ///
    /// # Errors
    /// [`DataError::Io`] or [`DataError::Changed`] if a file cannot be read any more; that of `each`.
    pub(crate) fn each_part(
        &self,
        mut each: impl FnMut(&str) -> Result<(), DataError>,
    ) -> Result<(), DataError> {
        for Part { store, .. } in &self.parts {
            match store {
                Store::Memory(text) => each(text)?,
                Store::File(stored, start) => {
                    let mut failed = Ok(());
                    let pieces = stored.pieces(*start, PIECE_BYTES);
                    let bad = each_text(pieces, |text| {
                        if failed.is_ok() {
                            failed = each(text);
                        }
                    })?;
                    failed?;
                    if bad.is_some() {
                        return Err(self.changed());
                    }
                }
            }
        }
        Ok(())
    }

    /// Length in bytes.
    pub(crate) fn len_bytes(&self) -> u64 {
        self.scan.bytes
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

    /// The distinct characters; a token is an index into them. They are in the order of their code
    /// points, or in that of the vocabulary that was given.
    #[must_use]
    pub fn vocabulary(&self) -> &[char] {
        self.vocabulary.characters()
    }

    /// What is worth knowing of its files, a sentence each.
    #[must_use]
    pub fn remarks(&self) -> &[String] {
        &self.remarks
    }

    /// BLAKE3 of the text in hex.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        &self.scan.fingerprint
    }

    /// The tokens of a string.
    ///
    /// # Errors
    /// [`DataError::UnknownCharacters`].
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, DataError> {
        encode(text, &self.name, |character| self.vocabulary.token(character))
    }

    /// The string of some tokens; U+FFFD for a number that is no token.
    #[must_use]
    pub fn decode(&self, tokens: &[u32]) -> String {
        let character = |&token: &u32| self.vocabulary().get(token as usize).copied();
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
            tokens.push(self.vocabulary.token(character).ok_or_else(|| self.changed())?);
        }
        if tokens.len() == length { Ok(()) } else { Err(self.changed()) }
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
