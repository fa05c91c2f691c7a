//! Lists the images in a folder of class folders.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::DataError;
use crate::files::{expand, is_hidden};

/// Kinds of files taken as images.
const EXTENSIONS: &[&str] = &["png", "jpg", "jpeg"];

/// Images with their classes.
pub(super) struct Listed {
    /// Names of the class folders, in the order of their numbers.
    pub(super) classes: Vec<String>,
    /// Files and class numbers, class after class, sorted by path in each.
    pub(super) files: Vec<(PathBuf, i32)>,
    /// BLAKE3 in hex of names and sizes: to read all images would take too long.
    pub(super) fingerprint: String,
}

/// Lists a folder. Hidden folders, and files of other kinds, are left out. `given` has the classes in
/// the order of their numbers; where it is empty they are those found, sorted.
pub(super) fn list(folder: &Path, given: &[String]) -> Result<Listed, DataError> {
    let mut class_folders = Vec::new();
    for entry in fs::read_dir(folder).map_err(DataError::io("list", folder))? {
        let entry = entry.map_err(DataError::io("list", folder))?;
        if entry.path().is_dir() && !is_hidden(&entry.file_name()) {
            class_folders.push((entry.file_name(), entry.path()));
        }
    }
    class_folders.sort();
    if class_folders.is_empty() {
        return Err(DataError::NoFiles {
            pattern: folder.display().to_string(),
            wanted: "class folders".to_owned(),
            remedy: "put the images of each class into a folder of its own in it".to_owned(),
        });
    }
    let named = |(name, path): (OsString, PathBuf)| (name.to_string_lossy().into_owned(), path);
    let class_folders: Vec<(String, PathBuf)> = class_folders.into_iter().map(named).collect();
    let mut hash = blake3::Hasher::new();
    let classes: Vec<String> = if given.is_empty() {
        class_folders.iter().map(|(name, _)| name.clone()).collect()
    } else {
        hash.update(given.join("\n").as_bytes());
        given.to_vec()
    };
    let mut files = Vec::new();
    for (name, path) in class_folders {
        let Some((_, class)) = classes.iter().zip(0..).find(|(class, _)| **class == name) else {
            let reason = format!(
                "it is none of the classes {}: name it in data.classes or take it away",
                classes.join(", ")
            );
            return Err(DataError::bad_file(&path, reason));
        };
        for file in expand(&[path], EXTENSIONS, "PNG or JPEG images")? {
            let about = fs::metadata(&file).map_err(DataError::io("read", &file))?;
            let within = file.strip_prefix(folder).unwrap_or(&file);
            for part in within {
                hash.update(part.as_encoded_bytes());
                hash.update(b"/");
            }
            hash.update(&about.len().to_le_bytes());
            files.push((file, class));
        }
    }
    Ok(Listed { classes, files, fingerprint: hash.finalize().to_hex().to_string() })
}
