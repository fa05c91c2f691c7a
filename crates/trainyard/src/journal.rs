//! Writing and reading `journal.jsonl`, one record a line.
//!
//! The journal is append-only and others follow it while it grows, so only whole lines are handed
//! to the system. After a crash its last line may be torn; the next writer ends that line and
//! goes on, and readers skip it.

use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use trainyard_plan::journal::{Header, Record, read_line};

use crate::error::RunError;

#[cfg(test)]
mod tests;

/// Lines are kept back until they are this many bytes, or until [`JournalWriter::flush`].
const BUFFER_BYTES: usize = 1 << 20;

/// Appends records to a journal.
#[derive(Debug)]
pub struct JournalWriter {
    path: PathBuf,
    file: File,
    /// Whole lines that are not written yet.
    lines: Vec<u8>,
    /// Whether the file ends in the middle of a line.
    torn: bool,
}

impl JournalWriter {
    /// Opens a journal to append to it, and makes it if need be.
    ///
    /// # Errors
    /// [`RunError::Io`] naming the file, [`RunError::Journal`] if it is of another version: nobody
    /// could read what two programs wrote into one file.
    pub fn open(path: &Path) -> Result<Self, RunError> {
        let open = File::options().read(true).append(true).create(true).open(path);
        let mut file = open.map_err(RunError::io("open the journal", path))?;
        check_version(&mut file, path)?;
        let torn = ends_in_a_line(&mut file).map_err(RunError::io("read the journal", path))?;
        Ok(Self { path: path.to_owned(), file, lines: Vec::new(), torn })
    }

    /// Adds a record. It reaches the file with the next flush, or when enough has come together.
    ///
    /// # Errors
    /// [`RunError::Io`] naming the file, if it was time to write and that failed.
    pub fn write(&mut self, record: &Record) -> Result<(), RunError> {
        let whole = self.lines.len();
        if let Err(error) = serde_json::to_writer(&mut self.lines, record) {
            self.lines.truncate(whole);
            return Err(RunError::io("write the journal", &self.path)(error.into()));
        }
        self.lines.push(b'\n');
        if self.lines.len() >= BUFFER_BYTES { self.flush() } else { Ok(()) }
    }

    /// Hands everything to the system, so that those who follow the journal see it.
    ///
    /// # Errors
    /// [`RunError::Io`] naming the file; what could not be written is lost, later records are not.
    pub fn flush(&mut self) -> Result<(), RunError> {
        if self.lines.is_empty() {
            return Ok(());
        }
        if self.torn {
            self.lines.insert(0, b'\n');
        }
        let result = self.file.write_all(&self.lines);
        self.lines.clear();
        // After a failure nobody knows how much arrived: the next line starts on a line of its own.
        self.torn = result.is_err();
        result.map_err(RunError::io("write the journal", &self.path))
    }

    /// Flushes, and waits until the disk has it all.
    ///
    /// # Errors
    /// [`RunError::Io`] naming the file.
    pub fn sync(&mut self) -> Result<(), RunError> {
        self.flush()?;
        self.file.sync_data().map_err(RunError::io("write the journal", &self.path))
    }
}

impl Drop for JournalWriter {
    fn drop(&mut self) {
        // Whoever wants to know of an error flushes before.
        let _ = self.flush();
    }
}

/// Refuses a journal whose first line is a header of another version.
fn check_version(file: &mut File, path: &Path) -> Result<(), RunError> {
    // Far more than a header has, and little where the file is something else.
    const LONGEST: u64 = 1 << 20;
    let mut first = Vec::new();
    let mut start = BufReader::new(Read::by_ref(file).take(LONGEST));
    start.read_until(b'\n', &mut first).map_err(RunError::io("read the journal", path))?;
    match read_line(String::from_utf8_lossy(&first).trim_end()) {
        Ok(_) => Ok(()),
        Err(error) => {
            let reason = error.to_string();
            Err(RunError::Journal { path: path.to_owned(), line: 1, reason })
        }
    }
}

/// Whether the last byte of a file is something else than a line end.
fn ends_in_a_line(file: &mut File) -> std::io::Result<bool> {
    if file.seek(SeekFrom::End(0))? == 0 {
        return Ok(false);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

/// Reads a whole journal. Torn lines, blank lines and records of a newer program are left out.
///
/// # Errors
/// [`RunError::Io`] if it cannot be read, [`RunError::Journal`] with the line if it is not a
/// journal, or one of a version this program does not know.
pub fn read_journal(path: &Path) -> Result<Vec<Record>, RunError> {
    let file = File::open(path).map_err(RunError::io("read the journal", path))?;
    let mut reader = BufReader::new(file);
    let mut records = Vec::new();
    let mut bytes = Vec::new();
    let mut has_header = false;
    let mut not_understood = false;
    for line in 1.. {
        bytes.clear();
        match reader.read_until(b'\n', &mut bytes) {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(RunError::io("read the journal", path)(error)),
        }
        let problem = |reason: String| RunError::Journal { path: path.to_owned(), line, reason };
        let text = String::from_utf8_lossy(&bytes);
        let record = match read_line(text.trim_end()).map_err(|e| problem(e.to_string()))? {
            None => {
                // A line without its end is being written, or was when its writer died.
                not_understood |= text.ends_with('\n') && !text.trim().is_empty();
                continue;
            }
            Some(Record::Unknown) => continue,
            Some(record) => record,
        };
        if let Record::Header(Header { format, .. }) = &record {
            if format != Header::FORMAT {
                return Err(problem(format!("this is a {format}, not a {}", Header::FORMAT)));
            }
            has_header = true;
        }
        if !has_header {
            return Err(problem("a record before any header: this is not a journal".to_owned()));
        }
        records.push(record);
    }
    if not_understood && !has_header {
        let reason = "there is no header: this is not a journal".to_owned();
        return Err(RunError::Journal { path: path.to_owned(), line: 1, reason });
    }
    Ok(records)
}
