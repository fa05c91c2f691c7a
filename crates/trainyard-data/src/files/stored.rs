//! Random access to the bytes of a file, unpacked where it is compressed.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use flate2::read::MultiGzDecoder;
use tempfile::SpooledTempFile;

use crate::error::DataError;
use crate::files::names::is_gzip;

/// Unpacked bytes kept in memory by one opener; more go to a temporary file.
const IN_MEMORY_BYTES: usize = 64 << 20;

/// Files kept open by one opener; further ones are opened again for each read.
const OPEN_FILES: usize = 128;

/// Opens files and unpacks compressed ones, all into one temporary store.
pub(crate) struct Opener {
    unpacked: Arc<Mutex<SpooledTempFile>>,
    unpacked_bytes: u64,
    open_files: usize,
}

/// Bytes of a file.
#[derive(Debug)]
pub(crate) struct Stored {
    path: PathBuf,
    bytes: u64,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Open(Mutex<File>),
    /// Opened for each read: there are many files.
    Closed,
    /// Unpacked into the opener's store, from this byte on.
    Unpacked(Arc<Mutex<SpooledTempFile>>, u64),
}

/// Opens one file.
pub(crate) fn open_one(path: &Path) -> Result<Stored, DataError> {
    Opener::new().open(path)
}

impl Opener {
    pub(crate) fn new() -> Self {
        let unpacked = Arc::new(Mutex::new(SpooledTempFile::new(IN_MEMORY_BYTES)));
        Self { unpacked, unpacked_bytes: 0, open_files: 0 }
    }

    /// Opens a regular file; unpacks it if its name ends in `.gz`.
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
        let file = File::open(path).map_err(DataError::io("read", path))?;
        if is_gzip(path) {
            return self.unpack(file, path);
        }
        self.open_files += 1;
        let place = if self.open_files > OPEN_FILES {
            Place::Closed
        } else {
            Place::Open(Mutex::new(file))
        };
        Ok(Stored { path: path.to_owned(), bytes: about.len(), place })
    }

    fn unpack(&mut self, file: File, path: &Path) -> Result<Stored, DataError> {
        let start = self.unpacked_bytes;
        let mut decoder = MultiGzDecoder::new(io::BufReader::new(file));
        let mut store = self.unpacked.lock().unwrap_or_else(PoisonError::into_inner);
        let to_store = "unpack to a temporary file";
        store.seek(SeekFrom::Start(start)).map_err(DataError::io(to_store, path))?;
        let mut buffer = vec![0; 1 << 18];
        let mut bytes = 0;
        loop {
            let read = match decoder.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(bad_archive(path, error)),
            };
            store.write_all(&buffer[..read]).map_err(DataError::io(to_store, path))?;
            bytes += read as u64;
        }
        self.unpacked_bytes = start + bytes;
        let place = Place::Unpacked(Arc::clone(&self.unpacked), start);
        Ok(Stored { path: path.to_owned(), bytes, place })
    }
}

impl Stored {
    pub(crate) fn path(&self) -> &Path {
        &self.path
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
            Place::Unpacked(store, start) => {
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
pub(crate) fn bad_archive(path: &Path, error: io::Error) -> DataError {
    match error.kind() {
        ErrorKind::InvalidInput | ErrorKind::InvalidData | ErrorKind::UnexpectedEof => {
            let reason = format!("it is not a whole gzip file ({error}); get or pack it again");
            DataError::bad_file(path, reason)
        }
        _ => DataError::io("read", path)(error),
    }
}
