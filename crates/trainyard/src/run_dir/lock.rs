//! The lock of a run's directory: one training at a time writes there.

use std::fs::{File, TryLockError};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::Path;

use crate::error::RunError;

/// The file that is locked; it says who holds it.
const LOCK: &str = ".lock";

/// Locks a directory for this process, as long as the file is open; `None` on a file system that knows
/// no locks.
pub(super) fn lock(path: &Path) -> Result<Option<File>, RunError> {
    let name = path.join(LOCK);
    let mut options = File::options();
    let open = options.read(true).write(true).create(true).truncate(false).open(&name);
    let mut file = open.map_err(RunError::io("open the lock file", &name))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            // It is for the message alone, and may be unreadable while it is locked.
            let _ = (&mut file).take(40).read_to_string(&mut holder);
            let holder = if holder.trim().is_empty() { "process unknown" } else { holder.trim() };
            return Err(RunError::RunInUse { path: path.to_owned(), holder: holder.to_owned() });
        }
        Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => {
            return Ok(None);
        }
        Err(TryLockError::Error(error)) => return Err(RunError::io("lock", name)(error)),
    }
    let note = format!("process {}\n", std::process::id());
    let written = file
        .set_len(0)
        .and_then(|()| file.seek(SeekFrom::Start(0)))
        .and_then(|_| file.write_all(note.as_bytes()));
    written.map_err(RunError::io("write", name))?;
    Ok(Some(file))
}
