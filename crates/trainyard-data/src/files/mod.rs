//! Files that people name: paths, folders and patterns, gzip, byte order marks.

mod expand;
mod stored;
mod stream;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

pub(crate) use expand::{expand, is_hidden};
pub(crate) use stored::{Opener, Stored, bad_archive, open_one};
pub(crate) use stream::{LOOKED_AT, text_start, text_stream};

/// Whether a name ends in `.gz`.
pub(crate) fn is_gzip(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gz"))
}

/// Last extension in lower case, that before `.gz` where there is one; empty without one.
pub(crate) fn extension(path: &Path) -> String {
    let inner = if is_gzip(path) { path.with_extension("") } else { path.to_owned() };
    inner
        .extension()
        .map(|extension| extension.to_string_lossy().to_lowercase())
        .unwrap_or_default()
}

/// Name of a list of files for messages.
pub(crate) fn name_of(files: &[PathBuf]) -> String {
    match files {
        [] => "no files".to_owned(),
        [one] => one.display().to_string(),
        [first, others @ ..] => format!("{} and {} more", first.display(), others.len()),
    }
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
