//! Reads the files that people hand to commands.

use std::path::Path;

use trainyard_plan::{Plan, Profile};

use crate::error::RunError;
use trainyard_data::line_ends;

/// The largest file of text that a command reads: a profile of 10 000 layers on 16 devices takes a
/// tenth of it.
const LARGEST_BYTES: u64 = 256 << 20;

/// Reads a text file.
///
/// # Errors
/// [`RunError::Io`]; [`RunError::BadFile`] for a file that is not text or far too long.
pub(crate) fn read_text(path: &Path) -> Result<String, RunError> {
    let length = std::fs::metadata(path).map_err(RunError::io("read", path))?.len();
    let bad = |reason: String| RunError::BadFile { path: path.to_owned(), reason };
    if length > LARGEST_BYTES {
        return Err(bad(format!("it is {length} bytes long, too long for such a file")));
    }
    let bytes = std::fs::read(path).map_err(RunError::io("read", path))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let line = 1 + line_ends(error.as_bytes().get(..valid).unwrap_or_default());
        bad(format!("line {line} is not UTF-8 text"))
    })?;
    // Windows programs like to begin a file with a byte order mark.
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

/// Reads a profile.
///
/// # Errors
/// As [`read_text`], and whatever is wrong in it, with its line.
pub(crate) fn read_profile(path: &Path) -> Result<Profile, RunError> {
    let of_file = |error| RunError::PlanFile { path: path.to_owned(), error };
    Profile::from_json(&read_text(path)?).map_err(of_file)
}

/// Reads a plan.
///
/// # Errors
/// As [`read_profile`].
pub(crate) fn read_plan(path: &Path) -> Result<Plan, RunError> {
    let of_file = |error| RunError::PlanFile { path: path.to_owned(), error };
    Plan::from_json(&read_text(path)?).map_err(of_file)
}
