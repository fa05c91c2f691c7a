//! From paths, folders and patterns to a list of files.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use glob::{MatchOptions, Pattern};
use walkdir::{DirEntry, WalkDir};

use crate::error::DataError;
use crate::files::names::extension;

/// The files that `patterns` name, each once, in the order of the patterns; those of one folder or
/// pattern in the order of their paths.
///
/// A pattern that is the path of a file is that file; a folder stands for all files in it and below
/// with one of the `extensions` (all files where there are none), `.gz` after them or not, hidden
/// ones left out; anything else with `*`, `?` or `[` is a pattern as a shell has it, with `**` for
/// folders at any depth. `wanted` names the files in messages.
///
/// # Errors
/// [`DataError::NoFiles`] for a pattern without a match, [`DataError::Io`] where a folder cannot be
/// read or a path is no regular file.
pub(crate) fn expand(
    patterns: &[PathBuf],
    extensions: &[&str],
    wanted: &str,
) -> Result<Vec<PathBuf>, DataError> {
    let mut files: Vec<PathBuf> = Vec::new();
    let mut known = HashSet::new();
    for pattern in patterns {
        for file in expand_one(pattern, extensions, wanted)? {
            if known.insert(file.clone()) {
                files.push(file);
            }
        }
    }
    Ok(files)
}

fn expand_one(path: &Path, extensions: &[&str], wanted: &str) -> Result<Vec<PathBuf>, DataError> {
    let pattern = &*path.to_string_lossy();
    let no_files = |remedy: String| DataError::NoFiles {
        pattern: if pattern.is_empty() { "an empty path".to_owned() } else { pattern.to_owned() },
        wanted: wanted.to_owned(),
        remedy,
    };
    if pattern.is_empty() {
        return Err(no_files("name a file or a folder".to_owned()));
    }
    let found = match fs::metadata(path) {
        Ok(about) if about.is_dir() => {
            let found = below(path, extensions)?;
            if found.is_empty() {
                let known = extensions.join(", .");
                let any = if known.is_empty() { String::new() } else { format!(" (.{known})") };
                return Err(no_files(format!("the folder holds none{any}; name another one")));
            }
            found
        }
        Ok(_) => vec![path.to_owned()],
        Err(error)
            if error.kind() == io::ErrorKind::NotFound && pattern.contains(['*', '?', '[']) =>
        {
            let found = matching(pattern)?;
            if found.is_empty() {
                let remedy = "check the pattern; `**` stands for folders at any depth";
                return Err(no_files(remedy.to_owned()));
            }
            found
        }
        Err(error) => return Err(DataError::io("read", path)(error)),
    };
    for file in &found {
        // To open a pipe would wait for its other end.
        if !fs::metadata(file).map_err(DataError::io("read", file))?.is_file() {
            let reason = "it is not a regular file; name a file or a folder";
            return Err(DataError::bad_file(file, reason));
        }
    }
    Ok(found)
}

/// Files of a folder and the folders in it, sorted.
fn below(folder: &Path, extensions: &[&str]) -> Result<Vec<PathBuf>, DataError> {
    let is_seen = |entry: &DirEntry| entry.depth() == 0 || !is_hidden(entry.file_name());
    let mut files = Vec::new();
    for entry in walk(folder, is_seen) {
        let entry = entry.map_err(|error| cannot_list(error, folder))?;
        let fits = || extensions.is_empty() || extensions.contains(&&*extension(entry.path()));
        if entry.file_type().is_file() && fits() {
            files.push(entry.into_path());
        }
    }
    Ok(files)
}

/// What lies in a folder and the folders in it, sorted. Links are followed, and each folder is entered
/// once, however many of them lead to it: they may form circles.
fn walk(
    folder: &Path,
    is_seen: impl Fn(&DirEntry) -> bool,
) -> impl Iterator<Item = walkdir::Result<DirEntry>> {
    let mut entered = HashSet::new();
    let walk = WalkDir::new(folder).follow_links(true).sort_by_file_name().into_iter();
    let walk = walk.filter_entry(move |entry| {
        let mut is_new =
            || fs::canonicalize(entry.path()).map_or(true, |path| entered.insert(path));
        is_seen(entry) && (!entry.file_type().is_dir() || is_new())
    });
    walk.filter(|entry| {
        entry.as_ref().map_or_else(|error| error.loop_ancestor().is_none(), |_| true)
    })
}

fn cannot_list(error: walkdir::Error, folder: &Path) -> DataError {
    let path = error.path().unwrap_or(folder).to_owned();
    DataError::io("list", &path)(error.into())
}

/// Files that match a pattern, sorted; folders are left out.
fn matching(pattern: &str) -> Result<Vec<PathBuf>, DataError> {
    let mut files = Vec::new();
    let mut start = PathBuf::new();
    let is_deep = Path::new(pattern).components().any(|part| {
        start.push(part);
        part.as_os_str() == "**"
    });
    if is_deep {
        start.pop();
        let whole = Pattern::new(pattern).map_err(|error| bad_pattern(pattern, &error))?;
        let starts = if start.as_os_str().is_empty() {
            vec![PathBuf::new()]
        } else {
            listed(&start.to_string_lossy())?
        };
        for start in starts.iter().filter(|start| start.as_os_str().is_empty() || start.is_dir()) {
            files.extend(matching_below(start, &whole)?);
        }
    } else {
        files = listed(pattern)?;
        files.retain(|path| !path.is_dir());
    }
    files.sort();
    files.dedup();
    Ok(files)
}

/// Whatever matches a pattern without `**`, with which `glob` goes round in circles of links.
fn listed(pattern: &str) -> Result<Vec<PathBuf>, DataError> {
    let paths = glob::glob(pattern).map_err(|error| bad_pattern(pattern, &error))?;
    let listed = paths.map(|path| {
        path.map_err(|error| {
            let path = error.path().to_owned();
            DataError::io("list", &path)(error.into())
        })
    });
    listed.collect()
}

fn bad_pattern(pattern: &str, error: &glob::PatternError) -> DataError {
    let must = format!("a pattern that can be read ({})", error.msg);
    DataError::bad_value("the pattern", pattern, must)
}

/// Files in a folder, at any depth, that match a pattern. What lies in the folder goes by its own name
/// there: of links to folders those that lead out of it are followed.
fn matching_below(start: &Path, pattern: &Pattern) -> Result<Vec<PathBuf>, DataError> {
    let is_here = start.as_os_str().is_empty();
    let folder = if is_here { Path::new(".") } else { start };
    let root = fs::canonicalize(folder).ok();
    let leads_inside = |link: &Path| {
        fs::canonicalize(link)
            .is_ok_and(|to| root.as_ref().is_some_and(|root| to.starts_with(root)))
    };
    let is_seen = |entry: &DirEntry| {
        let is_link = entry.depth() > 0 && entry.path_is_symlink() && entry.file_type().is_dir();
        !is_link || !leads_inside(entry.path())
    };
    let options = MatchOptions { require_literal_separator: true, ..MatchOptions::new() };
    let mut files = Vec::new();
    for entry in walk(folder, is_seen) {
        let path = match entry {
            Ok(entry) if entry.file_type().is_dir() => continue,
            Ok(entry) => entry.into_path(),
            // A link that leads nowhere may be none of those that are wanted.
            Err(error) => match (error.path(), error.io_error().map(io::Error::kind)) {
                (Some(path), Some(io::ErrorKind::NotFound)) => path.to_owned(),
                _ => return Err(cannot_list(error, folder)),
            },
        };
        let path = if is_here { path.strip_prefix(".").map(Path::to_owned) } else { Ok(path) };
        files.extend(path.ok().filter(|path| pattern.matches_path_with(path, options)));
    }
    Ok(files)
}

/// Whether a name begins with a dot.
pub(crate) fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}
