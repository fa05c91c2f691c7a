//! Writing a file so that nobody ever sees half of it.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::RunError;

/// End of the names of things that are not whole yet.
pub(super) const UNFINISHED: &str = ".tmp";

/// Writes a file beside its place, makes sure that it is on the disk, and puts it in the place of
/// the old one. After a crash there is the old file or the new one.
///
/// # Errors
/// [`RunError::Io`], [`RunError::NotAFile`] where something else lies there: a link, a device. What lies
/// there is then as it was.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), RunError> {
    check_replaceable(path)?;
    replace(path, path, bytes)
}

/// Refuses a place where something else lies than a file of this program.
///
/// # Errors
/// [`RunError::NotAFile`].
pub(super) fn check_replaceable(path: &Path) -> Result<(), RunError> {
    let what = match fs::symlink_metadata(path).map(|about| about.file_type()) {
        Ok(kind) if kind.is_symlink() => "a symbolic link",
        Ok(kind) if !kind.is_file() && !kind.is_dir() => "not a file",
        _ => return Ok(()),
    };
    Err(RunError::NotAFile { path: path.to_owned(), what })
}

/// The same for a file that a person asked for by name: a link stays a link, and what it leads to is
/// replaced; devices and pipes are written to.
///
/// # Errors
/// [`RunError::Io`].
pub fn write_through(path: &Path, bytes: &[u8]) -> Result<(), RunError> {
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    match fs::metadata(&target) {
        Ok(about) if !about.is_file() && !about.is_dir() => {
            let write = || File::options().write(true).open(&target)?.write_all(bytes);
            write().map_err(RunError::io("write", path))
        }
        _ => replace(path, &target, bytes),
    }
}

/// Puts a file in the place of another. `path` is for messages.
fn replace(path: &Path, target: &Path, bytes: &[u8]) -> Result<(), RunError> {
    let beside = name_beside(target).map_err(RunError::io("write", path))?;
    let result = write_whole(&beside, target, bytes);
    if result.is_err() {
        // The first error is the one that matters, and it is on its way.
        let _ = fs::remove_file(&beside);
    }
    result.map_err(RunError::io("write", path))
}

fn write_whole(beside: &Path, target: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create_new(beside)?;
    if let Ok(about) = fs::metadata(target) {
        if about.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        file.set_permissions(about.permissions())?;
    }
    file.write_all(bytes)?;
    file.sync_all()?;
    drop(file);
    fs::rename(beside, target)?;
    sync_folder(target)
}

/// A name nobody else uses, in the same folder and so on the same file system.
///
/// # Errors
/// For a path without a name.
pub(crate) fn name_beside(target: &Path) -> io::Result<PathBuf> {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let name = target.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let mut beside = std::ffi::OsString::from(".");
    beside.push(name);
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    beside.push(format!(".{}-{number}{UNFINISHED}", std::process::id()));
    Ok(target.with_file_name(beside))
}

/// Makes a rename last; systems other than Unix do so by themselves.
///
/// # Errors
/// What the system says.
pub(crate) fn sync_folder(target: &Path) -> io::Result<()> {
    if cfg!(unix) {
        let folder = match target.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}
