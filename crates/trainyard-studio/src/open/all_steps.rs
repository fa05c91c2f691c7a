//! All steps of a run, read from its journal.

use std::io;
use std::path::Path;

use trainyard_plan::TraceBuilder;
use trainyard_plan::journal::Stream;

use super::opened::{MOST_EVENTS, OpenError, Opened, OpenedTrace};
use crate::run::{JOURNAL, JournalFiles, Piece};

/// So much is read at once, in bytes.
const PIECE: usize = 1 << 20;

/// The whole journal of a run directory as a trace: a run that is watched keeps its newest steps
/// alone.
///
/// # Errors
/// [`OpenError`].
pub fn all_steps(directory: &Path) -> Result<Opened, OpenError> {
    let path = directory.join(JOURNAL);
    let read = |error| OpenError::Read { path: path.clone(), error };
    let bad = |error| OpenError::Bad { path: path.clone(), error };
    let mut files = JournalFiles::open(directory).map_err(read)?;
    let (mut stream, mut trace) = (Stream::default(), TraceBuilder::default());
    let mut piece = vec![0; PIECE];
    loop {
        match files.read(&mut piece) {
            Ok(Piece::Bytes(0)) => break,
            Ok(Piece::Bytes(length)) => {
                let bytes = piece.get(..length).unwrap_or_default();
                stream.push(bytes, |record| trace.push(&record)).map_err(bad)?;
            }
            Ok(Piece::EndOfPart) => {
                stream.end_of_file(|record| trace.push(&record)).map_err(bad)?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(read(error)),
        }
        if trace.trace().events.len() > MOST_EVENTS {
            return Err(OpenError::TooManyEvents { path });
        }
    }
    Ok(Opened::Trace(OpenedTrace::of_journal(trace.into_trace())))
}
