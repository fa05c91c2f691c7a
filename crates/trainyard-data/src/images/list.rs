//! Lists the images in a folder of class folders.

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
    let mut hash = blake3::Hasher::new();
    if !given.is_empty() {
        hash.update(given.join("\n").as_bytes());
    }
    let (mut classes, mut files) = (given.to_vec(), Vec::new());
    for ((name, path), found) in class_folders.into_iter().zip(0..) {
        let name = name.to_string_lossy().into_owned();
        let class = if given.is_empty() {
            classes.push(name);
            found
        } else {
            class_number(given, &name, &path)?
        };
        let found = expand(&[path], EXTENSIONS, "PNG or JPEG images").map_err(of_class)?;
        for file in found {
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

/// The way out where a class folder has no images: it cannot be another folder.
fn of_class(error: DataError) -> DataError {
    match error {
        DataError::NoFiles { pattern, wanted, .. } => {
            let remedy = "put the images of the class into it, or take the folder away".to_owned();
            DataError::NoFiles { pattern, wanted, remedy }
        }
        other => other,
    }
}

/// The number of a class folder among the given classes.
fn class_number(given: &[String], name: &str, folder: &Path) -> Result<i32, DataError> {
    let number = given.iter().zip(0..).find(|(class, _)| *class == name).map(|(_, number)| number);
    number.ok_or_else(|| {
        let classes = given.join(", ");
        let reason =
            format!("it is none of the classes {classes}: name it in data.classes or take it away");
        DataError::bad_file(folder, reason)
    })
}
