//! Where the program `trainyard` is.

use std::env;
use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// The variable that may name the program.
pub const PROGRAM_VARIABLE: &str = "TRAINYARD_PROGRAM";

/// The program that trains, found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    path: PathBuf,
}

/// The program was nowhere. Everything but running and measuring still works.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{}", words(.looked))]
pub struct ProgramMissing {
    /// Where it was looked for, in order.
    pub looked: Vec<Place>,
}

/// A place where the program may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Beside the studio's own program.
    Beside(PathBuf),
    /// Where `TRAINYARD_PROGRAM` says; `None` where it is not set.
    Variable(Option<PathBuf>),
    /// In that many directories of `PATH`.
    Path(usize),
}

impl Program {
    /// The program in a file that is known to be one.
    pub(super) fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// Looks where `TRAINYARD_PROGRAM` says, then beside the studio's own program, then in `PATH`.
    ///
    /// # Errors
    /// [`ProgramMissing`], which says where it looked.
    pub fn find() -> Result<Self, ProgramMissing> {
        let own = env::current_exe().ok();
        Self::find_in(
            own.as_deref().and_then(Path::parent),
            env::var_os(PROGRAM_VARIABLE).as_deref(),
            env::var_os("PATH").as_deref(),
        )
    }

    /// [`Program::find`] with everything it looks at given: the directory of the studio's program
    /// and the values of the two variables.
    ///
    /// # Errors
    /// [`ProgramMissing`].
    pub fn find_in(
        beside: Option<&Path>,
        variable: Option<&OsStr>,
        path: Option<&OsStr>,
    ) -> Result<Self, ProgramMissing> {
        let name = format!("trainyard{}", env::consts::EXE_SUFFIX);
        let beside = beside.map(|directory| directory.join(&name));
        let variable = variable.map(PathBuf::from);
        let directories: Vec<PathBuf> =
            path.map(|path| env::split_paths(path).collect()).unwrap_or_default();
        let in_path = directories.iter().map(|directory| directory.join(&name));
        let wished = variable.iter().chain(&beside).cloned();
        let found = wished.chain(in_path).find(|it| it.is_file());
        if let Some(found) = found {
            // A child runs in the directory of its run file, where a relative path means another.
            let path = std::path::absolute(&found).unwrap_or(found);
            return Ok(Self { path });
        }
        let mut looked = vec![Place::Variable(variable)];
        looked.extend(beside.map(Place::Beside));
        looked.push(Place::Path(directories.len()));
        Err(ProgramMissing { looked })
    }

    /// The program's file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Beside(path) => write!(f, "{} (beside the studio)", path.display()),
            Self::Variable(None) => write!(f, "{PROGRAM_VARIABLE} (not set)"),
            Self::Variable(Some(path)) => write!(f, "{} ({PROGRAM_VARIABLE})", path.display()),
            Self::Path(directories) => write!(f, "the {directories} directories of PATH"),
        }
    }
}

fn words(looked: &[Place]) -> String {
    let places: Vec<String> = looked.iter().map(ToString::to_string).collect();
    format!(
        "the program `trainyard`, which trains and measures, is in none of these places: {}; put \
         it beside the studio, or let {PROGRAM_VARIABLE} name it",
        places.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variable_comes_first_then_beside_then_path() {
        let all = tempfile::tempdir().unwrap();
        let name = format!("trainyard{}", env::consts::EXE_SUFFIX);
        let place = |directory: &str| {
            let directory = all.path().join(directory);
            std::fs::create_dir(&directory).unwrap();
            std::fs::write(directory.join(&name), "").unwrap();
            directory
        };
        let (beside, variable, path) = (place("beside"), place("variable").join(&name), place("p"));
        let empty = all.path().to_owned();
        let search = env::join_paths([&empty, &path]).unwrap();
        let find = |beside: &Path, variable: Option<&Path>| {
            let variable = variable.map(Path::as_os_str);
            Program::find_in(Some(beside), variable, Some(&search)).unwrap().path().to_owned()
        };
        assert_eq!(find(&beside, Some(&variable)), variable);
        assert_eq!(find(&beside, Some(&empty.join("gone"))), beside.join(&name));
        assert_eq!(find(&beside, None), beside.join(&name));
        assert_eq!(find(&empty, None), path.join(&name));
    }

    #[test]
    fn a_missing_program_says_where_it_was_looked_for() {
        let empty = tempfile::tempdir().unwrap();
        let missing = Program::find_in(
            Some(empty.path()),
            Some(OsStr::new("/nowhere/trainyard")),
            Some(OsStr::new("")),
        )
        .unwrap_err();
        assert_eq!(missing.looked.len(), 3);
        let words = missing.to_string();
        for part in ["beside the studio", "/nowhere/trainyard", "PATH", "put it beside"] {
            assert!(words.contains(part), "{words}");
        }
    }
}
