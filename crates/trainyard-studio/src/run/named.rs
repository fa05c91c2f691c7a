//! The program that a run file names: `[run] program = "path"`.
//!
//! Looking at it starts nothing. Whoever would start it has to ask first, as a run file may be a
//! stranger's: see `update::programs`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::program::Program;

/// The largest run file that is looked at, in bytes.
const LARGEST: u64 = 16 << 20;

/// A program that a run file names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedProgram {
    /// It.
    pub program: Program,
    /// BLAKE3 of its path and content, in hexadecimal: what was allowed is this and nothing else.
    pub fingerprint: String,
}

/// The program that a run file names, if it names one. A relative path is one beside the run file.
/// A run file that cannot be read or understood names none: who reads it for good says what is
/// wrong.
///
/// # Errors
/// In words, where it names a program that is not there or cannot be read.
#[must_use]
pub fn named_program(run_file: &Path) -> Option<Result<NamedProgram, String>> {
    let length = fs::metadata(run_file).ok()?.len();
    let text = (length <= LARGEST).then(|| fs::read_to_string(run_file).ok())??;
    let table: toml::Table = text.parse().ok()?;
    let named = table.get("run")?.get("program")?.as_str()?;
    let beside = run_file.parent().unwrap_or_else(|| Path::new(".")).join(named);
    let path = std::path::absolute(&beside).unwrap_or(beside);
    Some(
        fingerprint(&path)
            .map(|fingerprint| NamedProgram { program: Program::at(path), fingerprint }),
    )
}

fn fingerprint(path: &PathBuf) -> Result<String, String> {
    let fails =
        |error: std::io::Error| format!("the program {} cannot be read: {error}", path.display());
    if !path.is_file() {
        return Err(format!("the program {} is not there", path.display()));
    }
    let mut hasher = blake3::Hasher::new();
    let name = path.as_os_str().as_encoded_bytes();
    hasher.update(&(name.len() as u64).to_le_bytes()).update(name);
    hasher.update_reader(File::open(path).map_err(fails)?).map_err(fails)?;
    Ok(hasher.finalize().to_hex().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_known_by_its_path_and_content() {
        let folder = tempfile::tempdir().unwrap();
        let run_file = folder.path().join("run.toml");
        let named = || named_program(&run_file);
        assert_eq!(named(), None);
        for none in ["[model]\nkind = \"gpt\"\n", "[run]\nprogram = 7\n", "[run\n"] {
            fs::write(&run_file, none).unwrap();
            assert_eq!(named(), None, "{none}");
        }
        fs::write(&run_file, "[run]\nprogram = \"bin/mine\"\n").unwrap();
        let program = folder.path().join("bin/mine");
        let missing = named().unwrap().unwrap_err();
        assert!(missing.contains(program.to_str().unwrap()), "{missing}");
        fs::create_dir(folder.path().join("bin")).unwrap();
        fs::write(&program, "one").unwrap();
        let first = named().unwrap().unwrap();
        assert_eq!(first.program.path(), program);
        assert_eq!(named().unwrap().unwrap(), first);
        fs::write(&program, "two").unwrap();
        let changed = named().unwrap().unwrap();
        assert_ne!(changed.fingerprint, first.fingerprint);
        let other = folder.path().join("bin/other");
        fs::write(&other, "two").unwrap();
        fs::write(&run_file, "[run]\nprogram = \"bin/other\"\n").unwrap();
        assert_ne!(named().unwrap().unwrap().fingerprint, changed.fingerprint);
    }
}
