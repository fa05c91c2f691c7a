//! Opening files. Their kind is found from their contents, never from their name.
//!
//! | what | known by | becomes |
//! |---|---|---|
//! | profile | `format` | a document with the plan beside it, or the planner's best |
//! | plan | `format` | a document, with the profile beside it or the one that is open |
//! | trace | `traceEvents` | a measured timeline |
//! | run file | `[model]` | a document, with the profile beside it; else it is to be measured |
//! | journal, run directory | its first line, its files | a run that is watched |
//!
//! Nothing here knows of a window: it is called on a thread of its own, as files can be large.

mod all_steps;
mod opened;

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use serde::de::IgnoredAny;
use trainyard_plan::journal::Header;
use trainyard_plan::{Plan, Profile, chrome};

use crate::document::Document;
use crate::run::is_run;
pub use all_steps::all_steps;
pub use opened::{OpenError, Opened};

/// The costs, beside a run file or in a run directory.
pub(crate) const PROFILE: &str = "profile.json";
/// The plan, beside a run file or in a run directory.
pub(crate) const PLAN: &str = "plan.json";
/// The run file of a run directory.
pub(crate) const RUN_FILE: &str = "run.toml";

/// The largest file that is read into memory, in bytes.
const LARGEST: u64 = 2 << 30;

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `run.toml`.
    RunFile,
    /// `profile.json`.
    Profile,
    /// `plan.json`.
    Plan,
    /// `trace.json`.
    Trace,
    /// `journal.jsonl`.
    Journal,
}

impl Kind {
    /// What a text is; `None` if it is nothing of ours. Of a journal the first line is enough.
    #[must_use]
    pub fn of(text: &str) -> Option<Self> {
        #[derive(Deserialize)]
        struct Head {
            format: Option<String>,
            #[serde(rename = "traceEvents")]
            trace: Option<IgnoredAny>,
        }
        if let Some(head) =
            text.lines().next().and_then(|line| serde_json::from_str::<Head>(line).ok())
            && head.format.as_deref() == Some(Header::FORMAT)
        {
            return Some(Self::Journal);
        }
        let head = serde_json::from_str::<Head>(text);
        if let Ok(head) = head {
            return match (head.format.as_deref(), head.trace) {
                (Some(Profile::FORMAT), _) => Some(Self::Profile),
                (Some(Plan::FORMAT), _) => Some(Self::Plan),
                (None, Some(_)) => Some(Self::Trace),
                _ => None,
            };
        }
        if text.trim_start().starts_with('{') {
            return Self::of_broken(text);
        }
        let is_model = |line: &str| line.split('#').next().map(str::trim) == Some("[model]");
        text.lines().any(is_model).then_some(Self::RunFile)
    }

    /// What JSON that breaks off wants to be, so that its reader can say where it breaks.
    fn of_broken(text: &str) -> Option<Self> {
        let signs = [
            (Self::Profile, format!("\"{}\"", Profile::FORMAT)),
            (Self::Plan, format!("\"{}\"", Plan::FORMAT)),
            (Self::Trace, "\"traceEvents\"".to_owned()),
        ];
        let found = signs.iter().filter_map(|(kind, sign)| Some((text.find(sign)?, *kind)));
        found.min_by_key(|(at, _)| *at).map(|(_, kind)| kind)
    }
}

/// Opens a file or directory.
///
/// # Errors
/// [`OpenError`].
pub fn open(path: &Path) -> Result<Opened, OpenError> {
    let read = |error| OpenError::Read { path: path.to_owned(), error };
    let path = std::path::absolute(path).map_err(read)?;
    let about = fs::metadata(&path).map_err(read)?;
    if about.is_dir() {
        return open_directory(&path);
    }
    if is_journal(&path).map_err(read)? {
        return Ok(run(path.parent().unwrap_or(&path)));
    }
    let text = read_text(&path)?;
    let bad = |error| OpenError::Bad { path: path.clone(), error };
    match Kind::of(&text) {
        Some(Kind::Profile) => {
            let profile = Profile::from_json(&text).map_err(bad)?;
            let plan = plan_beside(&path);
            document(profile, plan.as_ref(), None, &path)
        }
        Some(Kind::Plan) => {
            let plan = Plan::from_json(&text).map_err(bad)?;
            let beside = path.with_file_name(PROFILE);
            if !beside.is_file() {
                return Ok(Opened::Plan { file: path, plan: Box::new(plan) });
            }
            let profile = read_profile(&beside)?;
            let run_file = Some(path.with_file_name(RUN_FILE)).filter(|file| file.is_file());
            document(profile, Some(&(path.clone(), plan)), run_file, &path)
        }
        Some(Kind::Trace) => Ok(Opened::Trace(Arc::new(chrome::from_json(&text).map_err(bad)?))),
        Some(Kind::RunFile) => {
            let beside = path.with_file_name(PROFILE);
            if !beside.is_file() {
                return Ok(Opened::RunFile(path));
            }
            run_file_with(&path, &beside)
        }
        Some(Kind::Journal) => Ok(run(path.parent().unwrap_or(&path))),
        None => Err(OpenError::Unknown { path }),
    }
}

/// A run file with costs that lie elsewhere, such as estimated ones that it was not asked to keep.
///
/// # Errors
/// [`OpenError`].
pub fn run_file_with(run_file: &Path, profile: &Path) -> Result<Opened, OpenError> {
    let plan = plan_beside(run_file);
    document(read_profile(profile)?, plan.as_ref(), Some(run_file.to_owned()), run_file)
}

/// A plan on a profile that is open already.
///
/// # Errors
/// [`OpenError::Bad`] where the two do not go together.
pub fn plan_on(profile: Profile, plan: &Plan, file: &Path) -> Result<Document, OpenError> {
    let bad = |error| OpenError::Bad { path: file.to_owned(), error };
    let mut document = Document::new(profile, Some(plan)).map_err(bad)?;
    document.mark_saved(file.to_owned());
    Ok(document)
}

fn open_directory(path: &Path) -> Result<Opened, OpenError> {
    if is_run(path) {
        return Ok(run(path));
    }
    let inside = [RUN_FILE, PLAN, PROFILE].map(|name| path.join(name));
    match inside.into_iter().find(|file| file.is_file()) {
        Some(file) => open(&file),
        None => Err(OpenError::NoRun { path: path.to_owned() }),
    }
}

/// A run directory. One that has just been started has no plan yet, and that is no error.
fn run(directory: &Path) -> Opened {
    let plan = read_plan(&directory.join(PLAN)).ok();
    let profile = read_profile(&directory.join(PROFILE)).ok();
    let document =
        profile.zip(plan).and_then(|(profile, plan)| Document::new(profile, Some(&plan)).ok());
    let run_file = directory.join(RUN_FILE);
    let document = document.map(|mut document| {
        document.run_file = run_file.is_file().then_some(run_file);
        Box::new(document)
    });
    Opened::Run { directory: directory.to_owned(), document }
}

/// A document with a plan that has a file, or with the planner's best.
fn document(
    profile: Profile,
    plan: Option<&(PathBuf, Plan)>,
    run_file: Option<PathBuf>,
    opened: &Path,
) -> Result<Opened, OpenError> {
    let made = match plan {
        Some((_, plan)) => Document::new(profile, Some(plan)),
        None => Document::planned(&profile),
    };
    let place = plan.map_or(opened, |(file, _)| file);
    let mut document = made.map_err(|error| OpenError::Bad { path: place.to_owned(), error })?;
    if let Some((file, _)) = plan {
        document.mark_saved(file.clone());
    }
    document.run_file = run_file;
    Ok(Opened::Document(Box::new(document)))
}

/// The plan beside a file, if there is one that can be read.
fn plan_beside(path: &Path) -> Option<(PathBuf, Plan)> {
    let file = path.with_file_name(PLAN);
    let plan = read_plan(&file).ok()?;
    Some((file, plan))
}

/// Reads a profile.
///
/// # Errors
/// [`OpenError`].
pub fn read_profile(path: &Path) -> Result<Profile, OpenError> {
    let bad = |error| OpenError::Bad { path: path.to_owned(), error };
    Profile::from_json(&read_text(path)?).map_err(bad)
}

fn read_plan(path: &Path) -> Result<Plan, OpenError> {
    let bad = |error| OpenError::Bad { path: path.to_owned(), error };
    Plan::from_json(&read_text(path)?).map_err(bad)
}

fn read_text(path: &Path) -> Result<String, OpenError> {
    let read = |error| OpenError::Read { path: path.to_owned(), error };
    let bytes = fs::metadata(path).map_err(read)?.len();
    if bytes > LARGEST {
        return Err(OpenError::TooLarge { path: path.to_owned(), bytes });
    }
    let bytes = fs::read(path).map_err(read)?;
    String::from_utf8(bytes).map_err(|_| OpenError::Unknown { path: path.to_owned() })
}

/// Whether the file's first line is a journal's. A journal can be too large to be read as a whole.
fn is_journal(path: &Path) -> io::Result<bool> {
    let mut start = Vec::new();
    File::open(path)?.take(64 << 10).read_to_end(&mut start)?;
    let line = start.split(|byte| *byte == b'\n').next().unwrap_or_default();
    Ok(std::str::from_utf8(line).ok().and_then(Kind::of) == Some(Kind::Journal))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_told_apart_by_what_is_in_them() {
        for (text, kind) in [
            (r#"{"format": "trainyard-profile", "version": 9}"#, Some(Kind::Profile)),
            ("{\n\"version\": 1, \"format\": \"trainyard-plan\"}", Some(Kind::Plan)),
            (r#"{"metadata": {}, "traceEvents": []}"#, Some(Kind::Trace)),
            ("{\"type\":\"header\",\"format\":\"trainyard-journal\"}\n{\"ty", Some(Kind::Journal)),
            ("# mine\n[model] # a GPT\nkind = \"gpt\"", Some(Kind::RunFile)),
            (r#"{"format": "trainyard-profile", "model": {"#, Some(Kind::Profile)),
            (r#"{"format": "something-else"}"#, None),
            ("[section]\nmodel = 1", None),
            ("", None),
        ] {
            assert_eq!(Kind::of(text), kind, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_opened_names_the_file_and_says_what_to_do() {
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = directory.path().join(name);
            fs::write(&path, text).unwrap();
            path
        };
        for (path, part) in [
            (directory.path().join("gone.json"), "cannot be read"),
            (file("notes.txt", "hello"), "is neither a run file"),
            (file("old.json", r#"{"format": "trainyard-plan", "version": 7}"#), "version 7"),
            (file("cut.json", r#"{"format": "trainyard-profile", "version": 1,"#), "line 1"),
        ] {
            let error = open(&path).unwrap_err();
            assert!(error.to_string().contains(part), "{error}");
            assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
            assert!(!error.remedy().is_empty());
        }
        let empty = tempfile::tempdir().unwrap();
        assert!(matches!(open(empty.path()), Err(OpenError::NoRun { .. })));
    }
}
