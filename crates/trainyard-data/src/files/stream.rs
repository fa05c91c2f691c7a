//! Text files from their beginning: byte order marks, and UTF-16 refused.

use std::fs::File;
use std::io::{BufReader, ErrorKind, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;

use crate::error::DataError;
use crate::files::names::is_gzip;
use crate::files::stored::bad_archive;

/// Bytes looked at to recognise an encoding.
pub(crate) const LOOKED_AT: usize = 4096;

/// A text file from its first character on, unpacked if its name ends in `.gz`.
///
/// # Errors
/// [`DataError::Io`], [`DataError::BadFile`] for what is no gzip file, [`DataError::Utf16`].
pub(crate) fn text_stream(path: &Path) -> Result<Box<dyn Read>, DataError> {
    let file = File::open(path).map_err(DataError::io("read", path))?;
    let mut source: Box<dyn Read> = if is_gzip(path) {
        Box::new(MultiGzDecoder::new(BufReader::new(file)))
    } else {
        Box::new(file)
    };
    let mut first = vec![0; LOOKED_AT];
    let mut filled = 0;
    while filled < first.len() {
        match source.read(&mut first[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if is_gzip(path) => return Err(bad_archive(path, error)),
            Err(error) => return Err(DataError::io("read", path)(error)),
        }
    }
    first.truncate(filled);
    let start = text_start(&first, &path.display().to_string())?;
    let first = first.split_off(start);
    Ok(Box::new(std::io::Cursor::new(first).chain(source)))
}

/// Where the text begins in the first bytes of a file: after a byte order mark, if there is one.
///
/// # Errors
/// [`DataError::Utf16`], by its mark, or by the zeros that every other byte of a western text is.
pub(crate) fn text_start(first: &[u8], name: &str) -> Result<usize, DataError> {
    let utf16 = |order| Err(DataError::Utf16 { name: name.to_owned(), order });
    match first {
        [0xef, 0xbb, 0xbf, ..] => return Ok(3),
        [0xff, 0xfe, ..] => return utf16("little endian"),
        [0xfe, 0xff, ..] => return utf16("big endian"),
        _ => {}
    }
    let pairs = first.chunks_exact(2);
    let count = pairs.len();
    let zeros = pairs.fold([0, 0], |[high, low], pair| {
        [high + usize::from(pair[0] == 0), low + usize::from(pair[1] == 0)]
    });
    match zeros {
        [0, low] if count >= 2 && low * 2 > count => utf16("little endian"),
        [high, 0] if count >= 2 && high * 2 > count => utf16("big endian"),
        _ => Ok(0),
    }
}
