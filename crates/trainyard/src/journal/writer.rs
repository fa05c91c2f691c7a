//! Appends records to a journal.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use trainyard_plan::journal::{Header, OPEN_SEGMENT, Record};

use super::parts::{close, thin_older};
use super::read::header_of;
use crate::error::RunError;

/// Lines are kept back until they are this many bytes, or until [`JournalWriter::flush`].
pub(super) const BUFFER_BYTES: usize = 1 << 20;
/// While nothing can be written, actions and memory samples are kept up to this size, bytes …
const KEEP_BYTES: usize = 8 << 20;
/// … and all else up to this.
const KEEP_MOST_BYTES: usize = 64 << 20;
/// A part is closed once it is longer, bytes.
const LONGEST_PART: u64 = 8 << 20;

/// Appends records to the journal of a run directory.
#[derive(Debug)]
pub struct JournalWriter {
    directory: PathBuf,
    path: PathBuf,
    pub(super) file: File,
    /// Whole lines that are not written yet; the first may lack what is written of it.
    lines: Vec<u8>,
    /// Length of the file, bytes.
    length: u64,
    /// The header of this part of the run.
    header: Option<Header>,
    longest_part: u64,
    /// Number of the part that was closed while the next could not be opened yet.
    closed: Option<u64>,
    lost: u64,
}

impl JournalWriter {
    /// Opens a run directory's journal to append to it, and makes it if need be.
    ///
    /// # Errors
    /// [`RunError::Io`] naming the file, [`RunError::Journal`] if it is of another version: nobody
    /// could read what two programs wrote into one file.
    pub fn open(directory: &Path) -> Result<Self, RunError> {
        Self::with_parts_of(directory, LONGEST_PART)
    }

    /// The same with parts that are closed at another length, bytes.
    pub(super) fn with_parts_of(directory: &Path, longest_part: u64) -> Result<Self, RunError> {
        let path = directory.join(OPEN_SEGMENT);
        let open = File::options().read(true).append(true).create(true).open(&path);
        let mut file = open.map_err(RunError::io("open the journal", &path))?;
        header_of(&file, &path)?;
        let failed = || RunError::io("read the journal", &path);
        let length = file.seek(SeekFrom::End(0)).map_err(failed())?;
        let torn = ends_in_a_line(&mut file, length).map_err(failed())?;
        let lines = if torn { vec![b'\n'] } else { Vec::new() };
        let (directory, header) = (directory.to_owned(), None);
        let (closed, lost) = (None, 0);
        Ok(Self { directory, path, file, lines, length, header, longest_part, closed, lost })
    }

    /// Adds a record. It reaches the file with the next flush, or when enough has come together.
    ///
    /// # Errors
    /// [`RunError::Io`] naming the file, if it was time to write and that failed.
    pub fn write(&mut self, record: &Record) -> Result<(), RunError> {
        if let Record::Header(header) = record {
            self.header = Some(header.clone());
        }
        let is_detail = matches!(record, Record::Action(_) | Record::Memory { .. });
        if self.lines.len() > if is_detail { KEEP_BYTES } else { KEEP_MOST_BYTES } {
            self.lost += 1;
            return Ok(());
        }
        let whole = self.lines.len();
        if let Err(error) = serde_json::to_writer(&mut self.lines, record) {
            self.lines.truncate(whole);
            return Err(RunError::io("write the journal", &self.path)(error.into()));
        }
        self.lines.push(b'\n');
        // After a failure it is tried again with the next flush, not with every record.
        let due = whole < BUFFER_BYTES && self.lines.len() >= BUFFER_BYTES;
        if due { self.flush() } else { Ok(()) }
    }

    /// Hands everything to the system, so that those who follow the journal see it.
    ///
    /// # Errors
    /// [`RunError::Io`] naming the file; what could not be written is tried again with the next flush.
    pub fn flush(&mut self) -> Result<(), RunError> {
        while !self.lines.is_empty() {
            match self.file.write(&self.lines) {
                Ok(written) => {
                    self.lines.drain(..written);
                    self.length += written as u64;
                    if written == 0 {
                        let error = ErrorKind::WriteZero.into();
                        return Err(RunError::io("write the journal", &self.path)(error));
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(RunError::io("write the journal", &self.path)(error)),
            }
        }
        Ok(())
    }

    /// Flushes, and waits until the disk has it all.
    ///
    /// # Errors
    /// [`RunError::Io`] naming the file.
    pub fn sync(&mut self) -> Result<(), RunError> {
        if self.closed.is_none() && !self.path.exists() {
            self.begin_anew()?;
        }
        self.flush()?;
        self.file.sync_data().map_err(RunError::io("write the journal", &self.path))
    }

    /// Makes the file again, which somebody has removed, with what a reader needs to begin with.
    fn begin_anew(&mut self) -> Result<(), RunError> {
        let open = File::options().read(true).append(true).create(true).open(&self.path);
        self.file = open.map_err(RunError::io("open the journal", &self.path))?;
        self.length = 0;
        let waiting = std::mem::take(&mut self.lines);
        if let Some(header) = self.header.clone() {
            self.write(&Record::Header(header))?;
        }
        self.lines.extend(waiting);
        Ok(())
    }

    /// Closes the part that is written, if it has grown long, begins another, and thins those that were
    /// closed before. To be called where a step has ended.
    ///
    /// # Errors
    /// [`RunError::Io`]; the journal is whole, and goes on in the part that is open.
    pub fn close_long_part(&mut self) -> Result<(), RunError> {
        // Asked after every step.
        if self.length <= self.longest_part {
            return Ok(());
        }
        let Some(header) = self.header.clone() else { return Ok(()) };
        self.sync()?;
        let segment = match self.closed {
            Some(segment) => segment,
            None => *self.closed.insert(close(&self.directory)?),
        };
        let open = File::options().read(true).append(true).create(true).open(&self.path);
        self.file = open.map_err(RunError::io("open the journal", &self.path))?;
        self.closed = None;
        self.length = 0;
        let goes_on = Header { segment, ..header.clone() };
        let written = self.write(&Record::Header(goes_on)).and_then(|()| self.flush());
        self.header = Some(header);
        written?;
        thin_older(&self.directory)
    }

    /// Records that were not kept while nothing could be written.
    pub fn lost(&self) -> u64 {
        self.lost
    }
}

impl Drop for JournalWriter {
    fn drop(&mut self) {
        // Whoever wants to know of an error flushes before.
        let _ = self.flush();
    }
}

/// Whether the last byte of a file is something else than a line end.
fn ends_in_a_line(file: &mut File, length: u64) -> std::io::Result<bool> {
    if length == 0 {
        return Ok(false);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}
