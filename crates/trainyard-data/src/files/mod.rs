//! Files that people name: paths, folders and patterns, gzip.

mod expand;
mod names;
mod stored;
#[cfg(test)]
mod tests;

use crate::error::DataError;

pub(crate) use expand::{expand, is_hidden};
pub(crate) use names::{extension, is_gzip, name_of};
pub(crate) use stored::{Opener, Stored, StoredReader, open_one};

/// How much of a file is in memory at once while it is read as a whole.
pub(crate) const PIECE_BYTES: usize = 1 << 20;

/// BLAKE3 in hex of the bytes of some files.
pub(crate) fn hash_of(stored: &[&Stored]) -> Result<String, DataError> {
    let mut hash = blake3::Hasher::new();
    for piece in stored.iter().flat_map(|stored| stored.pieces(0, PIECE_BYTES)) {
        hash.update(&piece?);
    }
    Ok(hash.finalize().to_hex().to_string())
}

/// Number of line ends in some bytes.
#[must_use]
pub fn line_ends(bytes: &[u8]) -> u64 {
    bytes.split(|&byte| byte == b'\n').count() as u64 - 1
}

/// The groups of `N` bytes in some bytes: elements of a file.
pub(crate) fn arrays<const N: usize>(bytes: &[u8]) -> impl Iterator<Item = [u8; N]> + '_ {
    bytes.chunks_exact(N).filter_map(|chunk| chunk.try_into().ok())
}

/// BLAKE3 in hex of the fingerprint of some data and of the options that choose samples from it.
pub(crate) fn fingerprint(data: &str, options: &[(&str, String)]) -> String {
    let mut hash = blake3::Hasher::new();
    hash.update(data.as_bytes());
    for part in options.iter().flat_map(|(key, value)| [*key, value.as_str()]) {
        hash.update(&(part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize().to_hex().to_string()
}
