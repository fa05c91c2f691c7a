//! Reading a journal, as a stream: it may be larger than memory.

use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};

use trainyard_plan::journal::{Header, OPEN_SEGMENT, Record, Segment, Stream, read_line};

use super::parts::{push_file, segments};
use crate::error::RunError;

/// How often it is looked again where a training closes a part meanwhile.
const TRIES: usize = 20;
/// Where a header is looked for, bytes: far more than one has, and little where the file is something else.
const NEAR: u64 = 4 << 20;

/// Reads the whole journal of a run directory and hands out its records, those of thinned parts too.
/// Torn lines, blank lines and records of a newer program are left out. A journal that is not there has no
/// records.
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

/// The same for what is good to know and not needed: of a damaged journal, what can be read.
///
/// # Errors
/// [`RunError::Io`] if it cannot be read.
pub fn read_what_is_sound(directory: &Path, found: impl FnMut(Record)) -> Result<(), RunError> {
    match read_journal(directory, found) {
        Err(RunError::Journal { .. }) => Ok(()),
        result => result,
    }
}

/// The first header of a run's journal that can be read; `None` if there is none yet.
///
/// # Errors
/// As [`read_journal`].
pub fn first_header(directory: &Path) -> Result<Option<Header>, RunError> {
    for (path, file) in open_parts(directory)? {
        if let Some(header) = header_of(&file, &path)? {
            return Ok(Some(header));
        }
    }
    Ok(None)
}

/// The first header of a file, of those near its beginning.
///
/// # Errors
/// [`RunError::Io`]; [`RunError::Journal`] for a version that this program does not know.
pub(super) fn header_of(file: &File, path: &Path) -> Result<Option<Header>, RunError> {
    let mut start = BufReader::new(file.take(NEAR));
    let mut bytes = Vec::new();
    for line in 1.. {
        bytes.clear();
        let length = start.read_until(b'\n', &mut bytes);
        if length.map_err(RunError::io("read the journal", path))? == 0 {
            break;
        }
        match read_line(String::from_utf8_lossy(&bytes).trim_end()) {
            Ok(Some(Record::Header(header))) => return Ok(Some(header)),
            Ok(_) => {}
            Err(error) => {
                let reason = error.to_string();
                return Err(RunError::Journal { path: path.to_owned(), line, reason });
            }
        }
    }
    Ok(None)
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
    for segment in closed {
        let path = directory.join(segment.name());
        let file = File::open(&path).map_err(|error| (path.clone(), error))?;
        parts.push((path, file));
    }
    let path = directory.join(OPEN_SEGMENT);
    match File::open(&path) {
        Ok(file) => parts.push((path, file)),
        // It has just been closed, and the next is not there yet; or it was lost.
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err((path, error)),
    }
    Ok(parts)
}
