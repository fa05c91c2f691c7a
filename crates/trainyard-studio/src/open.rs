//! Opening files. Their kind is found from their contents ([`FileKind`]), never from their name.
//!
//! | what | becomes |
//! |---|---|
//! | profile | a document with the plan beside it, or the planner's best |
//! | plan | a document, with the profile beside it or the one that is open |
//! | trace, also packed with gzip | a measured timeline, and the threads of other programs |
//! | run file | a document, with the profile beside it; else it is to be measured |
//! | journal, run directory | a run that is watched |
//! | pretrained model: a folder with its config.json, or a GGUF file | what training it would need, once that is estimated |
//!
//! Nothing here knows of a window: it is called on a thread of its own, as files can be large.

mod all_steps;
mod opened;

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use trainyard_plan::{FileKind, OtherFile, Plan, Profile, chrome};

use crate::document::Document;
use crate::run::is_run;
pub use all_steps::all_steps;
pub use opened::{OpenError, Opened, OpenedTrace};

/// The costs, beside a run file or in a run directory.
pub(crate) const PROFILE: &str = "profile.json";
/// The plan, beside a run file or in a run directory.
pub(crate) const PLAN: &str = "plan.json";
/// The run file of a run directory.
pub(crate) const RUN_FILE: &str = "run.toml";
/// What a folder with a pretrained model has.
const CONFIG: &str = "config.json";

/// The largest file that is read into memory, in bytes.
const LARGEST: u64 = 2 << 30;

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
    if !about.is_file() {
        let file = OtherFile::new("a device, a pipe or the like", "Only files are opened.");
        return Err(OpenError::Other { path, file });
    }
    // It may be too large to be read as a whole.
    match kind_of(&path).map_err(read)? {
        FileKind::Journal => return Ok(run(path.parent().unwrap_or(&path))),
        FileKind::Other(file) if file.is_model() => return Ok(Opened::Model(model_of(&path))),
        _ => {}
    }
    let bytes = read_bytes(&path)?;
    let bad = |error| OpenError::Bad { path: path.clone(), error };
    match FileKind::of(&bytes) {
        FileKind::Profile => {
            let profile = Profile::from_json(&text_of(bytes)).map_err(bad)?;
            let plan = plan_beside(&path);
            document(profile, plan.as_ref(), None, &path)
        }
        FileKind::Plan => {
            let plan = Plan::from_json(&text_of(bytes)).map_err(bad)?;
            let beside = path.with_file_name(PROFILE);
            if !beside.is_file() {
                return Ok(Opened::Plan { file: path, plan: Box::new(plan) });
            }
            let profile = read_profile(&beside)?;
            let run_file = Some(path.with_file_name(RUN_FILE)).filter(|file| file.is_file());
            document(profile, Some(&(path.clone(), plan)), run_file, &path)
        }
        FileKind::Trace => Ok(Opened::trace(chrome::from_json(text_of(bytes)).map_err(bad)?)),
        FileKind::RunFile => {
            let beside = path.with_file_name(PROFILE);
            if !beside.is_file() {
                return Ok(Opened::RunFile(path));
            }
            run_file_with(&path, &beside)
        }
        FileKind::Journal => Ok(run(path.parent().unwrap_or(&path))),
        FileKind::Other(_) if is_packed(&bytes) => packed(path, &bytes),
        FileKind::Other(file) => Err(OpenError::Other { path, file }),
    }
}

/// Whether it is a gzip archive.
fn is_packed(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\x1f\x8b")
}

/// Opens a trace that was packed with gzip, also where it breaks off.
fn packed(path: PathBuf, bytes: &[u8]) -> Result<Opened, OpenError> {
    let mut text = Vec::new();
    let read = MultiGzDecoder::new(bytes).take(LARGEST + 1).read_to_end(&mut text);
    if text.len() as u64 > LARGEST {
        return Err(OpenError::TooLarge { path, bytes: text.len() as u64 });
    }
    let kind = FileKind::of(&text);
    if kind != FileKind::Trace {
        let name = format!("a gzip archive of {}", kind.name());
        let file = OtherFile::new(name, "Unpack it first; only traces are opened as they are.");
        return Err(OpenError::Other { path, file });
    }
    let bad = |error| OpenError::Bad { path: path.clone(), error };
    let mut trace = chrome::from_json(text_of(text)).map_err(bad)?;
    if read.is_err() && trace.remarks.is_empty() {
        trace
            .remarks
            .push("the archive breaks off: what stands before its end is shown".to_owned());
    }
    Ok(Opened::trace(trace))
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
    if let Some(file) = inside.into_iter().find(|file| file.is_file()) {
        return open(&file);
    }
    match kind_of(&path.join(CONFIG)) {
        Ok(FileKind::Other(file)) if file.is_model() => Ok(Opened::Model(path.to_owned())),
        _ => Err(OpenError::NoRun { path: path.to_owned() }),
    }
}

/// The model that a file stands for: of a config.json, the folder that it lies in.
fn model_of(file: &Path) -> PathBuf {
    let folder = file.parent().filter(|_| file.ends_with(CONFIG));
    folder.unwrap_or(file).to_owned()
}

/// A pretrained model with what training it was estimated to cost.
///
/// # Errors
/// [`OpenError`].
pub fn model_with(model: &Path, profile: &Path) -> Result<Opened, OpenError> {
    match document(read_profile(profile)?, None, None, profile)? {
        Opened::Document(mut document) => {
            document.model = Some(model.to_owned());
            Ok(Opened::Document(document))
        }
        other => Ok(other),
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
    Profile::from_json(&text_of(read_bytes(path)?)).map_err(bad)
}

fn read_plan(path: &Path) -> Result<Plan, OpenError> {
    let bad = |error| OpenError::Bad { path: path.to_owned(), error };
    Plan::from_json(&text_of(read_bytes(path)?)).map_err(bad)
}

fn read_bytes(path: &Path) -> Result<Vec<u8>, OpenError> {
    let read = |error| OpenError::Read { path: path.to_owned(), error };
    let bytes = fs::metadata(path).map_err(read)?.len();
    if bytes > LARGEST {
        return Err(match kind_of(path).map_err(read)? {
            FileKind::Other(file) => OpenError::Other { path: path.to_owned(), file },
            _ => OpenError::TooLarge { path: path.to_owned(), bytes },
        });
    }
    fs::read(path).map_err(read)
}

/// A file's text. A name in a trace may be in any encoding: what is not UTF-8 is replaced.
fn text_of(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// What a file is, from its beginning.
fn kind_of(path: &Path) -> io::Result<FileKind> {
    FileKind::read(File::open(path)?)
}

#[cfg(test)]
mod tests {
    use super::*;

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
            (file("notes.txt", "hello"), "is text, not a run file"),
            (file("trace.json", "\u{89}PNG"), "is text, not a run file"),
            (file("plan.html", "<!doctype html>"), "is an HTML page, not a run file"),
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
        fs::write(empty.path().join(CONFIG), "{\"kind\": 1}").unwrap();
        assert!(matches!(open(empty.path()), Err(OpenError::NoRun { .. })));
    }

    #[test]
    fn a_model_is_known_by_its_config_and_by_its_first_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join(CONFIG);
        fs::write(&config, r#"{"model_type": "llama"}"#).unwrap();
        let packed = folder.path().join("small");
        fs::write(&packed, b"GGUF\x03\0\0\0").unwrap();
        for (opened, model) in [
            (folder.path(), folder.path()),
            (config.as_path(), folder.path()),
            (packed.as_path(), packed.as_path()),
        ] {
            assert!(matches!(open(opened), Ok(Opened::Model(it)) if it == model), "{opened:?}");
        }
    }
}
