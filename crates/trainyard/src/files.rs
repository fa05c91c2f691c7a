//! The files that people hand to commands, and those that they ask for.

use std::path::Path;

use trainyard_config::read_file;
use trainyard_data::line_ends;
use trainyard_plan::{FileKind, Plan, PlanError, Profile, Schedule};

use crate::cache::Cache;
use crate::cli::{Force, say};
use crate::error::RunError;
use crate::run_dir::write_through;

/// The largest file of text that a command reads: a profile of 10 000 layers on 16 devices takes a
/// tenth of it.
const LARGEST_BYTES: u64 = 256 << 20;

/// Reads a text file.
///
/// # Errors
/// [`RunError::Io`]; [`RunError::BadFile`] for a file that is not text or far too long.
pub(crate) fn read_text(path: &Path) -> Result<String, RunError> {
    let bad = |reason: String| RunError::BadFile { path: path.to_owned(), reason };
    let bytes = read_file(path, LARGEST_BYTES).map_err(RunError::io("read", path))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        if let Some(reason) = FileKind::instead_of(error.as_bytes(), "text") {
            return bad(reason);
        }
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
    let text = read_text(path)?;
    Profile::from_json(&text).map_err(|error| unusable(path, &text, "a profile", error))
}

/// Reads a plan.
///
/// # Errors
/// As [`read_profile`].
pub(crate) fn read_plan(path: &Path) -> Result<Plan, RunError> {
    let text = read_text(path)?;
    Plan::from_json(&text).map_err(|error| unusable(path, &text, "a plan", error))
}

/// Says of a text that cannot be read as what was `wanted` what is wrong with it, or that it is
/// something else.
pub(crate) fn unusable(path: &Path, text: &str, wanted: &str, error: PlanError) -> RunError {
    let path = path.to_owned();
    match FileKind::instead_of(text.as_bytes(), wanted) {
        Some(reason) => RunError::BadFile { path, reason },
        None => RunError::PlanFile { path, error },
    }
}

/// Reads a schedule from a CSV file and checks that it can run. What was left out of it, or is run in
/// another way than it says, is said as notes.
///
/// # Errors
/// As [`read_text`], and whatever is wrong in it, with its line and cell.
pub(crate) fn read_schedule(path: &Path) -> Result<Schedule, RunError> {
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    let text = read_text(path)?;
    let of_file = |error| unusable(path, &text, "a schedule", error);
    let read = Schedule::from_csv(&name, &text).map_err(of_file)?;
    read.check().map_err(of_file)?;
    for remark in &read.remarks {
        say(format_args!("note: {}: {remark}", path.display()));
    }
    Ok(read.schedule)
}

/// Writes a file that a person asked for by name. What this program wrote may be replaced; what a
/// person may have written or edited only with `--force`.
///
/// # Errors
/// [`RunError::WouldReplace`]; [`RunError::Io`].
pub(crate) fn write_asked(path: &Path, bytes: &[u8], force: Force) -> Result<(), RunError> {
    let is_same = path.is_file() && std::fs::read(path).is_ok_and(|there| there == bytes);
    if !is_same {
        refuse_to_replace(path, force)?;
        write_through(path, bytes)?;
    }
    Cache::open().write(WRITTEN, &content(bytes), &true);
    Ok(())
}

/// Refuses a place where a file lies that this program has not written as it stands; for commands
/// that take long until they write.
///
/// # Errors
/// [`RunError::WouldReplace`].
pub(crate) fn refuse_to_replace(path: &Path, Force { force }: Force) -> Result<(), RunError> {
    // A terminal or a pipe is not replaced, and could be read for ever.
    if force || !path.is_file() {
        return Ok(());
    }
    let there = std::fs::read(path).map_err(RunError::io("read", path))?;
    let is_ours = Cache::open().read(WRITTEN, &content(&there)).unwrap_or(false);
    if there.is_empty() || is_ours {
        return Ok(());
    }
    Err(RunError::WouldReplace { path: path.to_owned() })
}

/// What the cache remembers of a file's content once this program has written it.
const WRITTEN: &str = "written";

fn content(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_person_may_have_written_is_replaced_by_force_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plan.json");
        let own = folder.path().display().to_string();
        let [first, second, edited] = ["first", "second", "edited"].map(|it| format!("{own} {it}"));
        let write = |text: &str, force| write_asked(&path, text.as_bytes(), Force { force });
        let there = || std::fs::read_to_string(&path).unwrap();
        write(&first, false).unwrap();
        std::fs::write(&path, &edited).unwrap();
        let refused = write(&second, false).unwrap_err();
        assert!(matches!(refused, RunError::WouldReplace { .. }), "{refused}");
        assert!(
            refused.to_string().contains("plan.json") && refused.to_string().contains("--force")
        );
        assert_eq!((there(), refused.exit_code()), (edited.clone(), 2));
        // The same content is nobody's loss.
        write(&edited, false).unwrap();
        std::fs::write(&path, "").unwrap();
        write(&first, false).unwrap();
        std::fs::write(&path, format!("{edited} again")).unwrap();
        write(&second, true).unwrap();
        assert_eq!(there(), second);
    }
}
