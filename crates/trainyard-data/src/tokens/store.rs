//! Tokens in a file: four bytes each, read a window at a time.
//!
//! The file lies in the folder `tokens` of the user's cache (`TRAINYARD_CACHE`, else `~/.cache/trainyard` on
//! Linux), named by the hash of all that the tokens follow from, and may be removed at any time. Where the
//! cache cannot be written, it is a temporary file.
//!
//! It has a mark, the tokens, where each sample begins among them, notes as JSON, and at its end the numbers
//! of these and the mark again: a file that was not written to its end is not taken for one that was.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use tempfile::{NamedTempFile, TempPath};

use crate::error::DataError;
use crate::files::{Stored, open_one};

/// The file begins and ends with it.
const MARK: [u8; 8] = *b"TYTOKEN1";
/// What stands at the end: numbers of tokens and samples, bytes of the notes, the mark.
const END: usize = 4 * 8;

/// Tokens in a file.
#[derive(Debug)]
pub(crate) struct TokenStore {
    file: Stored,
    tokens: u64,
    /// Where each sample begins, and where the last one ends; empty where there are no samples.
    starts: Vec<u64>,
    notes: Vec<String>,
    /// The file, where it is to be removed.
    _temporary: Option<TempPath>,
}

impl TokenStore {
    /// The tokens that were kept under a key; None where there are none, or not all of them.
    pub(crate) fn kept(key: &str) -> Option<Self> {
        Self::open(&path(key)?, None).ok()?
    }

    fn open(path: &Path, temporary: Option<TempPath>) -> Result<Option<Self>, DataError> {
        let file = open_one(path)?;
        let Some(end_at) = file.bytes().checked_sub(END as u64) else { return Ok(None) };
        let mut end = [0; END];
        file.read_at(end_at, &mut end)?;
        let mut begin = [0; MARK.len()];
        file.read_at(0, &mut begin)?;
        let number = |at: usize| {
            let bytes = end.get(8 * at..8 * at + 8).and_then(|bytes| bytes.try_into().ok());
            u64::from_le_bytes(bytes.unwrap_or_default())
        };
        let [tokens, samples, notes] = [0, 1, 2].map(number);
        let starts_at = tokens.checked_mul(4).and_then(|bytes| bytes.checked_add(8));
        let notes_at = samples.checked_mul(8).and_then(|bytes| bytes.checked_add(starts_at?));
        let ends = notes_at.and_then(|at| at.checked_add(notes));
        let (Some(starts_at), Some(notes_at)) = (starts_at, notes_at) else { return Ok(None) };
        if begin != MARK || !end.ends_with(&MARK) || ends != Some(end_at) {
            return Ok(None);
        }
        let read = |at: u64, bytes: u64| {
            let mut read = vec![0; bytes as usize];
            file.read_at(at, &mut read).map(|()| read)
        };
        let starts = read(starts_at, notes_at - starts_at)?;
        let starts = crate::files::arrays(&starts).map(u64::from_le_bytes).collect();
        let Ok(notes) = serde_json::from_slice(&read(notes_at, notes)?) else { return Ok(None) };
        Ok(Some(Self { file, tokens, starts, notes, _temporary: temporary }))
    }

    /// How many tokens there are.
    pub(crate) fn len(&self) -> u64 {
        self.tokens
    }

    /// How many samples there are.
    pub(crate) fn samples(&self) -> u64 {
        self.starts.len().saturating_sub(1) as u64
    }

    /// What is worth knowing of how they were made.
    pub(crate) fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Some tokens.
    ///
    /// # Errors
    /// [`DataError::Changed`] where the file has them no more, [`DataError::Io`].
    pub(crate) fn read(&self, start: u64, length: u64) -> Result<Vec<u32>, DataError> {
        if start.checked_add(length).is_none_or(|end| end > self.tokens) {
            return Err(DataError::Changed { name: self.file.path().display().to_string() });
        }
        let mut bytes = vec![0; 4 * length as usize];
        self.file.read_at(MARK.len() as u64 + 4 * start, &mut bytes)?;
        Ok(crate::files::arrays(&bytes).map(u32::from_le_bytes).collect())
    }

    /// How many tokens each sample has.
    pub(crate) fn lengths(&self) -> impl Iterator<Item = u64> + '_ {
        self.starts.array_windows().map(|[start, end]| end.saturating_sub(*start))
    }

    /// The tokens of a sample.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub(crate) fn sample(&self, sample: u64) -> Result<Vec<u32>, DataError> {
        let at = |sample: usize| self.starts.get(sample).copied().unwrap_or(0);
        let (start, end) = (at(sample as usize), at(sample as usize + 1));
        self.read(start, end.saturating_sub(start))
    }
}

/// Tokens on their way into a file.
pub(crate) struct TokenWriter {
    file: BufWriter<NamedTempFile>,
    tokens: u64,
    starts: Vec<u64>,
    notes: Vec<String>,
}

impl TokenWriter {
    /// Begins a file, in the cache or else among temporary files.
    ///
    /// # Errors
    /// [`DataError::Io`] where there can be none.
    pub(crate) fn new() -> Result<Self, DataError> {
        let in_cache = folder().and_then(|folder| {
            std::fs::create_dir_all(&folder).ok()?;
            NamedTempFile::new_in(folder).ok()
        });
        let file = match in_cache {
            Some(file) => file,
            None => NamedTempFile::new()
                .map_err(DataError::io("make a file for tokens in", &std::env::temp_dir()))?,
        };
        let mut writer =
            Self { file: BufWriter::new(file), tokens: 0, starts: Vec::new(), notes: Vec::new() };
        let marked = writer.file.write_all(&MARK);
        marked.map_err(|error| writer.failed(error))?;
        Ok(writer)
    }

    /// Adds tokens.
    ///
    /// # Errors
    /// [`DataError::Io`].
    pub(crate) fn push(&mut self, tokens: &[u32]) -> Result<(), DataError> {
        for token in tokens {
            let written = self.file.write_all(&token.to_le_bytes());
            written.map_err(|error| self.failed(error))?;
        }
        self.tokens += tokens.len() as u64;
        Ok(())
    }

    /// Adds the tokens of a sample.
    ///
    /// # Errors
    /// [`DataError::Io`].
    pub(crate) fn push_sample(&mut self, tokens: &[u32]) -> Result<(), DataError> {
        self.starts.push(self.tokens);
        self.push(tokens)
    }

    /// Adds what is worth knowing.
    pub(crate) fn note(&mut self, note: String) {
        self.notes.push(note);
    }

    /// Keeps all that was added under a key.
    ///
    /// # Errors
    /// [`DataError::Io`].
    pub(crate) fn finish(mut self, key: &str) -> Result<TokenStore, DataError> {
        if !self.starts.is_empty() {
            self.starts.push(self.tokens);
        }
        let notes = serde_json::to_vec(&self.notes).unwrap_or_default();
        let numbers = [self.tokens, self.starts.len() as u64, notes.len() as u64];
        let bytes = |numbers: &[u64]| -> Vec<u8> {
            numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
        };
        let written = self.file.write_all(&bytes(&self.starts));
        let written = written.and_then(|()| self.file.write_all(&notes));
        let written = written.and_then(|()| self.file.write_all(&bytes(&numbers)));
        let written = written.and_then(|()| self.file.write_all(&MARK));
        let written = written.and_then(|()| self.file.flush());
        written.map_err(|error| self.failed(error))?;
        let name = self.file.get_ref().path().to_owned();
        let file = self.file.into_inner().map_err(|error| {
            let io = DataError::io("write", &name);
            io(error.into_error())
        })?;
        let incomplete = || DataError::Changed { name: name.display().to_string() };
        let kept = path(key).filter(|kept| kept.parent() == name.parent());
        let Some(kept) = kept else {
            let temporary = file.into_temp_path();
            return TokenStore::open(&name, Some(temporary))?.ok_or_else(incomplete);
        };
        match file.persist(&kept) {
            Ok(_) => TokenStore::open(&kept, None)?.ok_or_else(incomplete),
            Err(error) => {
                let temporary = error.file.into_temp_path();
                TokenStore::open(&name, Some(temporary))?.ok_or_else(incomplete)
            }
        }
    }

    fn failed(&self, error: io::Error) -> DataError {
        DataError::io("write", self.file.get_ref().path())(error)
    }
}

/// Where programs keep what can be made again: `TRAINYARD_CACHE`, or else `trainyard` in the user's cache folder.
pub fn cache_folder() -> Option<PathBuf> {
    let named = std::env::var_os("TRAINYARD_CACHE").filter(|folder| !folder.is_empty());
    let of_user = || dirs::cache_dir().map(|folder| folder.join("trainyard"));
    named.map(PathBuf::from).or_else(of_user)
}

fn folder() -> Option<PathBuf> {
    // Tests leave the user's cache alone.
    if cfg!(test) {
        return Some(std::env::temp_dir().join("trainyard-tests").join("tokens"));
    }
    Some(cache_folder()?.join("tokens"))
}

/// The file of a key. Its number is another where samples or notes of the same key are others than they were.
pub(super) fn path(key: &str) -> Option<PathBuf> {
    Some(folder()?.join(format!("{}.2.tokens", key.get(..32)?)))
}
