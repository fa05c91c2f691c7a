//! Texts, known by how they begin.

use super::OtherFile;
use crate::Action;

const LFS: &str = "The file itself was not downloaded: run git lfs pull.";
const TOML: &str = "A run file has a [model], a [data] and [[device]] entries.";
const SCHEDULE: &str = "Hand it to trainyard simulate --profile PROFILE.json --schedule FILE.csv.";

/// What a text is that is none of ours and no object of JSON.
pub(super) fn name(text: &str) -> OtherFile {
    let start: String = text.trim_start().chars().take(64).flat_map(char::to_lowercase).collect();
    let begins = |words: &[&str]| words.iter().any(|word| start.starts_with(word));
    let (name, remedy) = if start.is_empty() {
        ("an empty file", "")
    } else if begins(&["<!doctype html", "<html", "<head", "<body"]) {
        ("an HTML page", "Where it was downloaded, a page was saved in the place of the file.")
    } else if begins(&["<svg"]) || (begins(&["<?xml"]) && text.contains("<svg")) {
        ("an SVG picture", "")
    } else if begins(&["<?xml", "<"]) {
        ("XML", "")
    } else if begins(&["version https://git-lfs"]) {
        ("a Git LFS pointer", LFS)
    } else if begins(&["#!"]) {
        ("a script", "")
    } else if is_schedule(text) {
        ("a schedule", SCHEDULE)
    } else if is_toml(text) {
        return OtherFile::of_form("TOML without a [model]", TOML);
    } else if begins(&["["]) {
        return OtherFile::of_form("a JSON list", "");
    } else {
        return OtherFile::of_form("text", "");
    };
    OtherFile::new(name, remedy)
}

/// Whether the first cells that are not empty are actions.
fn is_schedule(text: &str) -> bool {
    let cells = text.split([',', ';', '\t', '\n']).map(|cell| cell.trim().trim_matches('"'));
    let mut cells = cells.filter(|cell| !cell.is_empty()).take(3).peekable();
    cells.peek().is_some() && cells.all(|cell| cell.parse::<Action>().is_ok())
}

/// Whether its first line that says something is a table or a key of TOML's.
fn is_toml(text: &str) -> bool {
    let mut lines = text.lines().map(str::trim);
    let first = lines.find(|line| !line.is_empty() && !line.starts_with('#'));
    let is_word = |text: &str| {
        let letters = |c: char| c.is_alphanumeric() || "_-. \"".contains(c);
        !text.is_empty() && text.chars().all(letters)
    };
    first.is_some_and(|line| {
        let table = line.trim_start_matches('[').trim_end_matches(']');
        let is_table = line.starts_with('[') && line.ends_with(']') && is_word(table);
        let key = line.split_once('=').map(|(key, _)| key.trim());
        (is_table && table.trim().parse::<f64>().is_err())
            || key.is_some_and(|key| is_word(key) && !key.contains(' '))
    })
}
