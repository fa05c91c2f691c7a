//! One pass over a text of any size: is it UTF-8, how long is it, which characters does it use,
//! and where in the file do they stand.

use std::io::{ErrorKind, Read};

use crate::error::RunError;

/// Every so many characters the scan notes the byte where one starts.
pub(super) const CHARS_A_MARK: u64 = 4096;

/// The most distinct characters a vocabulary may have.
pub(super) const LARGEST_VOCABULARY: usize = 65_536;

/// How much of a file is in memory at once.
const BUFFER_BYTES: usize = 1 << 20;

const ALL_CHARS: usize = char::MAX as usize + 1;

/// What one pass over a text finds out.
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

/// Reads a text to its end. `name` is for messages, `read_error` makes one of what the system says.
pub(super) fn scan(
    mut source: impl Read,
    name: &str,
    read_error: impl FnOnce(std::io::Error) -> RunError,
) -> Result<Scan, RunError> {
    let mut pass = Pass::default();
    let mut buffer = vec![0; BUFFER_BYTES];
    // Bytes at the front of the buffer that are the first part of a character.
    let mut carried = 0;
    loop {
        let read = match source.read(&mut buffer[carried..]) {
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(read_error(error)),
        };
        let filled = carried + read;
        let valid = match std::str::from_utf8(&buffer[..filled]) {
            Ok(text) => text.len(),
            // A character cut by the end of the buffer is fine while there is more to come.
            Err(error) if error.error_len().is_none() && read > 0 => error.valid_up_to(),
            Err(error) => {
                let (before, line) = (error.valid_up_to(), pass.lines + 1);
                let line = line + line_ends(&buffer[..before]);
                let offset = pass.bytes + before as u64;
                return Err(RunError::NotUtf8 { name: name.to_owned(), offset, line });
            }
        };
        // Checked above, so this is the whole of it.
        pass.accept(std::str::from_utf8(&buffer[..valid]).unwrap_or_default());
        if read == 0 {
            break;
        }
        buffer.copy_within(valid..filled, 0);
        carried = filled - valid;
    }
    pass.finish(name)
}

/// The state of a pass.
struct Pass {
    bytes: u64,
    chars: u64,
    lines: u64,
    ascii: bool,
    marks: Vec<u64>,
    /// A bit for every character there is.
    seen: Vec<u64>,
    hash: blake3::Hasher,
}

impl Default for Pass {
    fn default() -> Self {
        Self {
            bytes: 0,
            chars: 0,
            lines: 0,
            ascii: true,
            marks: Vec::new(),
            seen: vec![0; ALL_CHARS.div_ceil(64)],
            hash: blake3::Hasher::new(),
        }
    }
}

impl Pass {
    fn accept(&mut self, text: &str) {
        self.hash.update(text.as_bytes());
        self.lines += line_ends(text.as_bytes());
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

    fn finish(self, name: &str) -> Result<Scan, RunError> {
        if self.chars == 0 {
            return Err(RunError::EmptyText { name: name.to_owned() });
        }
        let used = |code: &u32| self.seen[*code as usize / 64] >> (*code % 64) & 1 == 1;
        let vocabulary: Vec<char> =
            (0..ALL_CHARS as u32).filter(used).filter_map(char::from_u32).collect();
        if vocabulary.len() > LARGEST_VOCABULARY {
            return Err(RunError::TooManyCharacters {
                name: name.to_owned(),
                limit: LARGEST_VOCABULARY,
            });
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

pub(crate) fn line_ends(bytes: &[u8]) -> u64 {
    bytes.split(|&byte| byte == b'\n').count() as u64 - 1
}
