//! Reading a journal, as a stream: it may be larger than memory.

use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};

use trainyard_plan::journal::{Header, OPEN_SEGMENT, Record, Segment, Stream, read_line};

use super::parts::{push_file, segments};
use crate::error::RunError;

/// How often it is looked again where a training closes a part meanwhile.
const TRIES: usize = 20;
/// Far more than a header has, and little where the file is something else.
const LONGEST_HEADER: u64 = 1 << 20;

/// Reads the whole journal of a run directory and hands out its records, those of thinned parts too.
/// Torn lines, blank lines and records of a newer program are left out.
///
/// # Errors
/// [`RunError::Io`] if it cannot be read, [`RunError::Journal`] with the line if it is not a
/// journal, or one of a version this program does not know.
pub fn read_journal(directory: &Path, mut found: impl FnMut(Record)) -> Result<(), RunError> {
    let mut stream = Stream::default();
    let mut last = directory.join(OPEN_SEGMENT);
    for (path, file) in open_parts(directory)? {
        push_file(&mut stream, file, &path, &mut found)?;
        last = path;
    }
    if stream.unreadable().lines > 0 && !stream.has_header() {
        let reason = "there is no header: this is not a journal".to_owned();
        return Err(RunError::Journal { path: last, line: 1, reason });
    }
    Ok(())
}

/// The first header of a run's journal; `None` if there is none yet.
///
/// # Errors
/// As [`read_journal`].
pub fn first_header(directory: &Path) -> Result<Option<Header>, RunError> {
    let Some((path, file)) = open_parts(directory)?.into_iter().next() else { return Ok(None) };
    header_of(&file, &path)
}

/// The header that a file begins with, if it does.
///
/// # Errors
/// [`RunError::Io`]; [`RunError::Journal`] for a version that this program does not know.
pub(super) fn header_of(file: &File, path: &Path) -> Result<Option<Header>, RunError> {
    let mut first = Vec::new();
    let mut start = BufReader::new(file.take(LONGEST_HEADER));
    start.read_until(b'\n', &mut first).map_err(RunError::io("read the journal", path))?;
    match read_line(String::from_utf8_lossy(&first).trim_end()) {
        Ok(Some(Record::Header(header))) => Ok(Some(header)),
        Ok(_) => Ok(None),
        Err(error) => {
            let reason = error.to_string();
            Err(RunError::Journal { path: path.to_owned(), line: 1, reason })
        }
    }
}

/// All parts in order, open at once: whatever a training closes and thins meanwhile, each record is
/// read once.
fn open_parts(directory: &Path) -> Result<Vec<(PathBuf, File)>, RunError> {
    let mut tries = 0;
    loop {
        let before = segments(directory)?;
        tries += 1;
        match open_all(directory, Segment::to_read(before.clone())) {
            Ok(parts) if segments(directory)? == before || tries == TRIES => return Ok(parts),
            Err((path, error)) if tries == TRIES => {
                return Err(RunError::io("read the journal", path)(error));
            }
            _ => {}
        }
    }
}

fn open_all(
    directory: &Path,
    closed: Vec<Segment>,
) -> Result<Vec<(PathBuf, File)>, (PathBuf, std::io::Error)> {
    let mut parts = Vec::with_capacity(closed.len() + 1);
    let has_closed = !closed.is_empty();
    for segment in closed {
        let path = directory.join(segment.name());
        let file = File::open(&path).map_err(|error| (path.clone(), error))?;
        parts.push((path, file));
    }
    let path = directory.join(OPEN_SEGMENT);
    match File::open(&path) {
        Ok(file) => parts.push((path, file)),
        // It has just been closed, and the next is not there yet.
        Err(error) if error.kind() == ErrorKind::NotFound && has_closed => {}
        Err(error) => return Err((path, error)),
    }
    Ok(parts)
}
