//! Reading the files that a person names.

use std::fs;
use std::io::{Error, ErrorKind};
use std::path::Path;

/// The bytes of a file of at most `longest` bytes.
///
/// # Errors
/// What the system says; [`ErrorKind::InvalidInput`] for what is no file, such as a pipe, which might never
/// end, and for a file that is longer.
pub fn read_file(path: &Path, longest: u64) -> Result<Vec<u8>, Error> {
    check_file(path)?;
    let length = fs::metadata(path)?.len();
    if length > longest {
        let words = format!("it is {length} bytes long, too long for such a file");
        return Err(Error::new(ErrorKind::InvalidInput, words));
    }
    fs::read(path)
}

/// Refuses what is neither a file nor a folder: a pipe or a device may never end.
///
/// # Errors
/// [`ErrorKind::InvalidInput`]; what the system says of a path that leads nowhere.
pub fn check_file(path: &Path) -> Result<(), Error> {
    let kind = fs::metadata(path)?.file_type();
    if kind.is_file() || kind.is_dir() {
        return Ok(());
    }
    let words = "it is a pipe or a device; write what it gives into a file, and name that";
    Err(Error::new(ErrorKind::InvalidInput, words))
}
