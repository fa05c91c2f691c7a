//! What the names of files say.

use std::path::{Path, PathBuf};

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
