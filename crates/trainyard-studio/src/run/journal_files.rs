//! The files of a run's journal, one after the other, while the last grows and is closed.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use same_file::Handle;
use trainyard_plan::journal::{OPEN_SEGMENT, Segment};

/// How often it is looked again where a training closes a part meanwhile.
const TRIES: usize = 20;

/// All parts of a journal, open, and how far they are read.
#[derive(Debug)]
pub(crate) struct JournalFiles {
    directory: PathBuf,
    /// Closed parts that are not read to their ends, in order.
    closed: VecDeque<File>,
    /// The part that is written; none while it is not there.
    open: Option<File>,
    /// Its number, once it is closed.
    number: u64,
    read_bytes: u64,
    /// Bytes of the open part that are read.
    open_bytes: u64,
    closed_bytes: u64,
}

/// What reading came to.
pub(crate) enum Piece {
    /// So many bytes.
    Bytes(usize),
    /// A part has ended, and the next begins.
    EndOfPart,
}

impl JournalFiles {
    /// Opens all that is there, at once: each record is then read once, whatever a training closes and
    /// thins meanwhile.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn open(directory: &Path) -> io::Result<Self> {
        let mut tries = 0;
        loop {
            let before = segments(directory)?;
            tries += 1;
            match Self::open_all(directory, &before) {
                Ok(files) if tries == TRIES || segments(directory)? == before => return Ok(files),
                Err(error) if tries == TRIES => return Err(error),
                _ => {}
            }
        }
    }

    fn open_all(directory: &Path, there: &[Segment]) -> io::Result<Self> {
        let mut files = Self {
            directory: directory.to_owned(),
            closed: VecDeque::new(),
            open: None,
            number: Segment::next_number(there),
            read_bytes: 0,
            open_bytes: 0,
            closed_bytes: 0,
        };
        for segment in Segment::to_read(there.to_vec()) {
            files.add_closed(segment)?;
        }
        files.open = match File::open(directory.join(OPEN_SEGMENT)) {
            Err(error) if error.kind() == ErrorKind::NotFound && !there.is_empty() => None,
            file => Some(file?),
        };
        Ok(files)
    }

    fn add_closed(&mut self, segment: Segment) -> io::Result<()> {
        let file = File::open(self.directory.join(segment.name()))?;
        self.closed_bytes += file.metadata()?.len();
        self.closed.push_back(file);
        Ok(())
    }

    /// Whether the part that was written is no longer what lies at its place.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn is_replaced(&self) -> io::Result<bool> {
        let there = match Handle::from_path(self.directory.join(OPEN_SEGMENT)) {
            Ok(there) => there,
            // It is closed, and the next is not there yet.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        match &self.open {
            None => Ok(true),
            Some(open) => Ok(Handle::from_file(open.try_clone()?)? != there),
        }
    }

    /// Goes on with the parts after the one that was written, if that was closed. False where it was
    /// not, or has been thinned together with later ones: then all is to be read again.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn go_on(&mut self) -> io::Result<bool> {
        let there = segments(&self.directory)?;
        let number = self.number;
        let later: Vec<Segment> =
            Segment::to_read(there.clone()).into_iter().filter(|it| it.last > number).collect();
        // Where none was open, the one that has come is the next.
        let was_closed = Segment::next_number(&there) > number || self.open.is_none();
        if !was_closed || later.iter().any(|segment| segment.first <= number) {
            return Ok(false);
        }
        if let Some(open) = self.open.take() {
            // To its end, which may have come after the last look.
            self.closed_bytes += open.metadata()?.len();
            self.closed.push_back(open);
        }
        for segment in later {
            self.add_closed(segment)?;
        }
        self.open = File::open(self.directory.join(OPEN_SEGMENT)).ok();
        (self.number, self.open_bytes) = (Segment::next_number(&there), 0);
        // Another may have been closed meanwhile.
        Ok(segments(&self.directory)? == there)
    }

    /// Reads on.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn read(&mut self, piece: &mut [u8]) -> io::Result<Piece> {
        if let Some(file) = self.closed.front_mut() {
            let length = file.read(piece)?;
            if length == 0 {
                self.closed.pop_front();
                return Ok(Piece::EndOfPart);
            }
            self.read_bytes += length as u64;
            return Ok(Piece::Bytes(length));
        }
        let length = self.open.as_mut().map_or(Ok(0), |file| file.read(piece))?;
        self.read_bytes += length as u64;
        self.open_bytes += length as u64;
        Ok(Piece::Bytes(length))
    }

    /// Bytes read of all parts.
    pub(crate) fn read_bytes(&self) -> u64 {
        self.read_bytes
    }

    /// Bytes read of the part that is written.
    pub(crate) fn open_bytes(&self) -> u64 {
        self.open_bytes
    }

    /// Bytes there are, where the part that is written has so many.
    pub(crate) fn all_bytes(&self, open: u64) -> u64 {
        self.closed_bytes + open
    }
}

/// Whether a directory holds a journal.
pub(crate) fn has_journal(directory: &Path) -> bool {
    let closed = || segments(directory).is_ok_and(|segments| !segments.is_empty());
    directory.join(OPEN_SEGMENT).is_file() || closed()
}

fn segments(directory: &Path) -> io::Result<Vec<Segment>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        found.extend(entry?.file_name().to_str().and_then(Segment::of_name));
    }
    Ok(found)
}
