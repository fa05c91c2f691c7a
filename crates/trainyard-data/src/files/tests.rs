//! Tests of paths, folders and patterns.

use std::fs;
use std::path::{Path, PathBuf};

use super::*;
use crate::DataError;

fn folder_with(names: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in names {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, name).unwrap();
    }
    folder
}

/// Names of the files found, seen from the folder.
fn found(folder: &Path, patterns: &[&str], extensions: &[&str]) -> Result<Vec<String>, DataError> {
    let patterns: Vec<PathBuf> = patterns.iter().map(|name| folder.join(name)).collect();
    let files = expand(&patterns, extensions, "table")?;
    let name = |path: &PathBuf| {
        path.strip_prefix(folder).unwrap().display().to_string().replace('\\', "/")
    };
    Ok(files.iter().map(name).collect())
}

#[test]
fn folders_and_patterns_are_sorted_and_files_come_once() {
    let names =
        ["b.csv", "a/2.csv", "a/1.CSV.gz", "a/x.md", ".hidden/1.csv", "a/.3.csv", "c[1].csv"];
    let folder = folder_with(&names);
    let find = |patterns: &[&str]| found(folder.path(), patterns, &["csv"]).unwrap();
    assert_eq!(find(&[""]), ["a/1.CSV.gz", "a/2.csv", "b.csv", "c[1].csv"]);
    assert_eq!(find(&["b.csv", "a"]), ["b.csv", "a/1.CSV.gz", "a/2.csv"]);
    assert_eq!(find(&["a/*"]), ["a/.3.csv", "a/1.CSV.gz", "a/2.csv", "a/x.md"]);
    assert_eq!(find(&["?.csv", "**/2.csv", "b.csv"]), ["b.csv", "a/2.csv"]);
    // A file whose name looks like a pattern is that file.
    assert_eq!(find(&["c[1].csv"]), ["c[1].csv"]);
    let all = found(folder.path(), &["a"], &[]).unwrap();
    assert_eq!(all, ["a/1.CSV.gz", "a/2.csv", "a/x.md"]);
}

#[test]
fn what_names_no_file_is_refused() {
    let folder = folder_with(&["a/x.md"]);
    let error =
        |pattern| found(folder.path(), &[pattern], &["csv", "tsv"]).unwrap_err().to_string();
    let none = error("a");
    assert!(none.contains("a matches no table; the folder holds none (.csv, .tsv)"), "{none}");
    assert!(error("*.csv").contains("*.csv matches no table; check the pattern"));
    assert!(error("a/y.csv").contains("check the name"));
    assert!(error("a[").contains("must be a pattern that can be read"));
    let empty = expand(&[PathBuf::new()], &[], "table").unwrap_err().to_string();
    assert_eq!(empty, "an empty path matches no table; name a file or a folder");
}

#[cfg(unix)]
#[test]
fn pipes_and_circles_of_links_do_not_hang() {
    let folder = folder_with(&["a/1.csv"]);
    std::os::unix::fs::symlink(folder.path(), folder.path().join("a/back")).unwrap();
    let link = |to: &Path, name: &str| {
        std::os::unix::fs::symlink(to, folder.path().join(name)).unwrap();
    };
    for number in 0..20 {
        link(folder.path(), &format!("a/{number}"));
    }
    // Each folder is entered once, by whatever name.
    link(&folder.path().join("a"), "b");
    for pattern in ["", "**/*.csv", "a/**/*.csv"] {
        assert_eq!(found(folder.path(), &[pattern], &["csv"]).unwrap(), ["a/1.csv"], "{pattern}");
    }
    assert_eq!(found(folder.path(), &["b/*.csv"], &["csv"]).unwrap(), ["b/1.csv"]);
    // Below `**` files go by their own names, also where a link comes first.
    assert_eq!(found(folder.path(), &["b/**/*.csv"], &["csv"]).unwrap(), ["b/1.csv"]);
    std::fs::create_dir_all(folder.path().join("c/two")).unwrap();
    fs::write(folder.path().join("c/two/2.csv"), "2").unwrap();
    link(&folder.path().join("c/two"), "c/one");
    for pattern in ["c/t*/**/*.csv", "**/two/*.csv"] {
        let found = found(folder.path(), &[pattern], &["csv"]).unwrap();
        assert_eq!(found, ["c/two/2.csv"], "{pattern}");
    }
    assert_eq!(found(folder.path(), &["c/o*/**/*.csv"], &["csv"]).unwrap(), ["c/one/2.csv"]);
    std::fs::remove_dir_all(folder.path().join("c")).unwrap();
    link(Path::new("nowhere"), "a/nowhere.md");
    assert_eq!(found(folder.path(), &["**/*.csv"], &["csv"]).unwrap(), ["a/1.csv"]);
    let error = found(folder.path(), &["**/*.md"], &["csv"]).unwrap_err().to_string();
    assert!(error.contains("cannot read") && error.contains("nowhere.md"), "{error}");
    let error = expand(&["/dev/null".into()], &[], "table").unwrap_err().to_string();
    assert_eq!(error, "/dev/null: it is not a regular file; name a file or a folder");
}

#[test]
fn extensions_are_those_before_gz() {
    let of = |name: &str| extension(Path::new(name));
    assert_eq!(
        [of("a.CSV"), of("a.csv.GZ"), of("a.gz"), of("a"), of("x/.hidden")],
        ["csv", "csv", "", "", ""]
    );
    assert_eq!(name_of(&[]), "no files");
}

#[test]
fn fingerprints_tell_options_apart() {
    let of = |options: &[(&str, &str)]| {
        let options: Vec<_> =
            options.iter().map(|(key, value)| (*key, (*value).to_owned())).collect();
        fingerprint("data", &options)
    };
    let different = [
        of(&[]),
        of(&[("a", "b")]),
        of(&[("ab", "")]),
        of(&[("a", ""), ("b", "")]),
        of(&[("b", ""), ("a", "")]),
        fingerprint("dat", &[("a", "b".to_owned())]),
    ];
    let distinct: std::collections::BTreeSet<_> = different.iter().collect();
    assert_eq!(distinct.len(), different.len());
}
