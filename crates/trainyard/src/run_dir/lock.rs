//! The lock of a run's directory: one training at a time writes there.

use std::fs::{self, File, TryLockError};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use same_file::Handle;

use crate::error::RunError;

/// The file that is locked; it says who holds it.
const LOCK: &str = ".lock";

/// A directory that this process alone writes to, as long as this lives.
#[derive(Debug)]
pub(super) struct Lock {
    path: PathBuf,
    /// The file, locked unless the file system knows no locks.
    file: Handle,
    /// Whether it was made for this.
    is_new: bool,
    signed: std::cell::Cell<bool>,
}

impl Lock {
    /// Locks a directory for this process, without a trace in it where it has been locked before.
    ///
    /// # Errors
    /// [`RunError::RunInUse`], [`RunError::Io`].
    pub(super) fn take(folder: &Path) -> Result<Self, RunError> {
        loop {
            let lock = Self::try_take(folder)?;
            // Whoever had it before may have removed it just then.
            if lock.is_still_there() {
                return Ok(lock);
            }
        }
    }

    fn try_take(folder: &Path) -> Result<Self, RunError> {
        let path = folder.join(LOCK);
        let is_new = !path.exists();
        let mut options = File::options();
        let open = options.read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = open.map_err(RunError::io("open the lock file", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // It is for the message alone, and may be unreadable while it is locked.
                let _ = (&mut file).take(40).read_to_string(&mut holder);
                let holder = holder.trim();
                let holder = if holder.is_empty() { "process unknown" } else { holder };
                return Err(RunError::RunInUse {
                    path: folder.to_owned(),
                    holder: holder.to_owned(),
                });
            }
            Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => {}
            Err(TryLockError::Error(error)) => return Err(RunError::io("lock", path)(error)),
        }
        let file = Handle::from_file(file).map_err(RunError::io("look at", &path))?;
        Ok(Self { path, file, is_new, signed: false.into() })
    }

    /// Writes into it who holds it.
    ///
    /// # Errors
    /// [`RunError::Io`].
    pub(super) fn sign(&self) -> Result<(), RunError> {
        self.signed.set(true);
        self.write(&format!("process {}\n", std::process::id()))
            .map_err(RunError::io("write", &self.path))
    }

    /// Whether the directory is still where it was locked. A disk that does not say, such as one over
    /// a network, is asked again later.
    pub(super) fn is_still_there(&self) -> bool {
        match Handle::from_path(&self.path) {
            Ok(there) => there == self.file,
            Err(error) => !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory),
        }
    }

    fn write(&self, text: &str) -> std::io::Result<()> {
        let mut file = self.file.as_file();
        file.set_len(0)?;
        file.seek(SeekFrom::Start(0))?;
        file.write_all(text.as_bytes())
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Nobody is hurt by a name that stays.
        if self.signed.get() {
            let _erased = self.write("").is_ok();
        } else if self.is_new && self.is_still_there() {
            let _removed = fs::remove_file(&self.path).is_ok();
        }
    }
}
