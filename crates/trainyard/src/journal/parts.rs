//! The files of a journal: which there are, and the closing and thinning of long ones.

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use trainyard_plan::journal::{OPEN_SEGMENT, Record, Segment, Stream, Thinned};

use crate::error::RunError;
use crate::run_dir::write_atomic;

/// Thinned parts are put together up to this size, bytes.
const LARGEST_THINNED: u64 = 1 << 20;

/// Whether a directory holds a journal.
pub(crate) fn is_there(directory: &Path) -> bool {
    let closed = || segments(directory).is_ok_and(|segments| !segments.is_empty());
    directory.join(OPEN_SEGMENT).is_file() || closed()
}

/// The closed parts of a directory's journal, as they lie there.
pub(super) fn segments(directory: &Path) -> Result<Vec<Segment>, RunError> {
    let failed = || RunError::io("read the directory", directory);
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed())? {
        let name = entry.map_err(failed())?.file_name();
        found.extend(name.to_str().and_then(Segment::of_name));
    }
    Ok(found)
}

/// Closes the open part under the next number, which it gives.
pub(super) fn close(directory: &Path) -> Result<u64, RunError> {
    let number = Segment::next_number(&segments(directory)?);
    let (open, closed) = (directory.join(OPEN_SEGMENT), Segment::whole(number).name());
    fs::rename(&open, directory.join(closed)).map_err(RunError::io("rename", open))?;
    Ok(number)
}

/// Thins all closed parts but the newest, and removes what a crash left of that.
pub(super) fn thin_older(directory: &Path) -> Result<(), RunError> {
    let all = segments(directory)?;
    let mut to_read = Segment::to_read(all.clone());
    let newest = to_read.pop_if(|segment| !segment.thinned);
    let whole: Vec<Segment> = to_read.iter().filter(|segment| !segment.thinned).copied().collect();
    if let (Some(first), Some(last)) = (whole.first(), whole.last()) {
        let before = to_read.iter().rfind(|segment| segment.thinned && segment.last < first.first);
        let small = before.filter(|segment| {
            let about = fs::metadata(directory.join(segment.name()));
            about.is_ok_and(|about| about.len() < LARGEST_THINNED)
        });
        let parts: Vec<Segment> = small.into_iter().chain(&whole).copied().collect();
        let thinned = Segment::thinned(parts.first().unwrap_or(first).first, last.last);
        let text = thin(directory, &parts)?;
        write_atomic(&directory.join(thinned.name()), &text)?;
        to_read.push(thinned);
    }
    let to_stay = Segment::to_read(to_read.into_iter().chain(newest).collect());
    for segment in all.iter().filter(|segment| !to_stay.contains(segment)) {
        let path = directory.join(segment.name());
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(RunError::io("remove", path)(error));
            }
            _ => {}
        }
    }
    Ok(())
}

/// What stays of some parts, as lines.
fn thin(directory: &Path, parts: &[Segment]) -> Result<Vec<u8>, RunError> {
    let (mut stream, mut thinned) = (Stream::keeping_newer(), Thinned::default());
    for part in parts {
        let path = directory.join(part.name());
        let file = File::open(&path).map_err(RunError::io("read the journal", &path))?;
        push_file(&mut stream, file, &path, &mut |record| thinned.push(record))?;
        thinned.end_of_part();
    }
    let mut text = Vec::new();
    for record in thinned.into_records() {
        match record {
            Record::Newer(line) => text.extend(line.trim_end().bytes()),
            record => serde_json::to_writer(&mut text, &record)
                .map_err(|error| RunError::io("write the journal", directory)(error.into()))?,
        }
        text.push(b'\n');
    }
    Ok(text)
}

/// Reads one file of a journal to its end.
pub(super) fn push_file(
    stream: &mut Stream,
    mut file: File,
    path: &Path,
    found: &mut dyn FnMut(Record),
) -> Result<(), RunError> {
    let problem = |error: trainyard_plan::PlanError| of_plan(path, error);
    let mut piece = vec![0; 256 << 10];
    loop {
        match file.read(&mut piece) {
            Ok(0) => break,
            Ok(length) => {
                stream.push(&piece[..length], &mut *found).map_err(problem)?;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(RunError::io("read the journal", path)(error)),
        }
    }
    stream.end_of_file(found).map_err(problem)
}

/// An error of the reader of lines, with the file.
fn of_plan(path: &Path, error: trainyard_plan::PlanError) -> RunError {
    let (line, reason) = match error {
        trainyard_plan::PlanError::NotAJournal { line, reason } => (line, reason),
        other => (1, other.to_string()),
    };
    RunError::Journal { path: PathBuf::from(path), line, reason }
}
