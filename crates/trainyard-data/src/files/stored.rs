//! Random access to the bytes of a file, unpacked where it is compressed.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use flate2::read::MultiGzDecoder;
use tempfile::SpooledTempFile;
use trainyard_config::check_file;

use crate::error::DataError;
use crate::files::names::is_gzip;

/// Unpacked and converted bytes kept in memory by one opener; more go to a temporary file.
const IN_MEMORY_BYTES: usize = 64 << 20;

/// Beginning of gzip files.
const GZIP: [u8; 3] = [0x1f, 0x8b, 8];

/// Files kept open by one opener; further ones are opened again for each read.
const OPEN_FILES: usize = 128;

/// Opens files, and unpacks compressed ones into a temporary store, where converted ones lie too.
pub(crate) struct Opener {
    store: Arc<Mutex<SpooledTempFile>>,
    stored_bytes: u64,
    open_files: usize,
}

/// Bytes of a file.
#[derive(Debug)]
pub(crate) struct Stored {
    path: PathBuf,
    bytes: u64,
    was_packed: bool,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Open(Mutex<File>),
    /// Opened for each read: there are many files.
    Closed,
    /// In the opener's store, from this byte on.
    Copied(Arc<Mutex<SpooledTempFile>>, u64),
}

/// Opens one file.
pub(crate) fn open_one(path: &Path) -> Result<Stored, DataError> {
    Opener::new().open(path)
}

impl Opener {
    pub(crate) fn new() -> Self {
        let store = Arc::new(Mutex::new(SpooledTempFile::new(IN_MEMORY_BYTES)));
        Self { store, stored_bytes: 0, open_files: 0 }
    }

    /// Opens a regular file; unpacks it if its name ends in `.gz` or it begins as a gzip file does.
    ///
    /// # Errors
    /// [`DataError::Io`], and [`DataError::BadFile`] for a damaged archive.
    pub(crate) fn open(&mut self, path: &Path) -> Result<Stored, DataError> {
        // To open a pipe would wait for its other end.
        let about = fs::metadata(path).map_err(DataError::io("read", path))?;
        if about.is_dir() {
            let error = io::Error::new(ErrorKind::IsADirectory, "it is a directory");
            return Err(DataError::io("read", path)(error));
        }
        if !about.is_file() {
            return Err(DataError::bad_file(path, "it is not a regular file; name another one"));
        }
        // A pipe or a device might never end.
        let open = || check_file(path).and_then(|()| File::open(path));
        let mut file = open().map_err(DataError::io("read", path))?;
        let mut first = Vec::new();
        let begin = Read::by_ref(&mut file).take(GZIP.len() as u64).read_to_end(&mut first);
        begin.and_then(|_| file.rewind()).map_err(DataError::io("read", path))?;
        if is_gzip(path) || first == GZIP {
            return self.unpack(file, path);
        }
        self.open_files += 1;
        let place = if self.open_files > OPEN_FILES {
            Place::Closed
        } else {
            Place::Open(Mutex::new(file))
        };
        Ok(Stored { path: path.to_owned(), bytes: about.len(), was_packed: false, place })
    }

    fn unpack(&mut self, file: File, path: &Path) -> Result<Stored, DataError> {
        let mut copy = Stored { was_packed: true, ..self.begin_copy(path) };
        let mut decoder = MultiGzDecoder::new(io::BufReader::new(file));
        let mut buffer = vec![0; 1 << 18];
        loop {
            match decoder.read(&mut buffer) {
                Ok(0) => return Ok(copy),
                Ok(read) => self.add_to(&mut copy, &buffer[..read])?,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(bad_archive(path, error)),
            }
        }
    }

    /// An empty copy of a file, at the end of the store.
    pub(crate) fn begin_copy(&self, path: &Path) -> Stored {
        let place = Place::Copied(Arc::clone(&self.store), self.stored_bytes);
        Stored { path: path.to_owned(), bytes: 0, was_packed: false, place }
    }

    /// Adds bytes to the copy that was begun last.
    ///
    /// # Errors
    /// [`DataError::Io`].
    pub(crate) fn add_to(&mut self, copy: &mut Stored, bytes: &[u8]) -> Result<(), DataError> {
        let mut store = lock(&self.store);
        let written = store.seek(SeekFrom::Start(self.stored_bytes));
        let written = written.and_then(|_| store.write_all(bytes));
        written.map_err(DataError::io("make a temporary copy of", copy.path()))?;
        self.stored_bytes += bytes.len() as u64;
        copy.bytes += bytes.len() as u64;
        Ok(())
    }
}

impl Stored {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the file is compressed.
    pub(crate) fn was_packed(&self) -> bool {
        self.was_packed
    }

    /// Number of bytes, unpacked.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Fills `buffer` with the bytes from `offset` on.
    ///
    /// # Errors
    /// [`DataError::Changed`] where the file has become shorter, [`DataError::Io`].
    pub(crate) fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), DataError> {
        let read = match &self.place {
            Place::Open(file) => read_exact_at(&mut *lock(file), offset, buffer),
            Place::Closed => {
                File::open(&self.path).and_then(|mut file| read_exact_at(&mut file, offset, buffer))
            }
            Place::Copied(store, start) => {
                read_exact_at(&mut *lock(store), start.saturating_add(offset), buffer)
            }
        };
        match read {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                Err(DataError::Changed { name: self.path.display().to_string() })
            }
            Err(error) => Err(DataError::io("read", &self.path)(error)),
        }
    }

    /// The bytes from `offset` to the end, piece by piece.
    pub(crate) fn pieces(
        &self,
        offset: u64,
        piece_bytes: usize,
    ) -> impl Iterator<Item = Result<Vec<u8>, DataError>> + '_ {
        let piece_bytes = piece_bytes.max(1);
        (offset..self.bytes).step_by(piece_bytes).map(move |start| {
            let mut piece = vec![0; (self.bytes - start).min(piece_bytes as u64) as usize];
            self.read_at(start, &mut piece)?;
            Ok(piece)
        })
    }
}

/// Reads the bytes of a file in order.
pub(crate) struct StoredReader {
    stored: Arc<Stored>,
    at: u64,
}

impl StoredReader {
    /// Reads from byte `start` on.
    pub(crate) fn new(stored: &Arc<Stored>, start: u64) -> Self {
        Self { stored: Arc::clone(stored), at: start }
    }
}

impl Read for StoredReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.stored.bytes.saturating_sub(self.at);
        let count = left.min(buffer.len() as u64) as usize;
        self.stored.read_at(self.at, &mut buffer[..count]).map_err(io::Error::other)?;
        self.at += count as u64;
        Ok(count)
    }
}

/// A reader that panicked leaves nothing behind but a position, and each reader sets its own.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read_exact_at(
    source: &mut (impl Read + Seek),
    offset: u64,
    buffer: &mut [u8],
) -> io::Result<()> {
    source.seek(SeekFrom::Start(offset))?;
    source.read_exact(buffer)
}

/// An error of the decoder: the system's, or a damaged archive.
fn bad_archive(path: &Path, error: io::Error) -> DataError {
    match error.kind() {
        ErrorKind::InvalidInput | ErrorKind::InvalidData | ErrorKind::UnexpectedEof => {
            let reason = format!("it is not a whole gzip file ({error}); get or pack it again");
            DataError::bad_file(path, reason)
        }
        _ => DataError::io("read", path)(error),
    }
}
