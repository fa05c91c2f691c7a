//! A run file's values together with the places they stand in, so that a message can point there.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use miette::NamedSource;
use toml::de::{DeTable, DeValue};
use toml::{Spanned, Table, Value};

use super::keys;
use crate::error::{ConfigProblem, RunError};

/// A text values come from: the run file, or one `--set`.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) name: String,
    pub(super) text: String,
    pub(super) is_file: bool,
}

/// Where a key and its value stand.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) source: usize,
    pub(super) key: Range<usize>,
    pub(super) value: Range<usize>,
    /// Whether the span of the value is exactly this value, and not something around it.
    pub(super) exact: bool,
}

/// The values of a run file with the `--set` arguments over it.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) root: Table,
    /// The run file first, then every `--set`.
    pub(super) sources: Vec<Source>,
    /// By path; list entries are named by their index.
    pub(super) places: BTreeMap<Vec<String>, Place>,
}

impl Document {
    /// Parses a run file.
    pub(super) fn parse(text: &str, name: &str) -> Result<Self, RunError> {
        let source = Source { name: name.to_owned(), text: text.to_owned(), is_file: true };
        let mut document =
            Self { root: Table::new(), sources: vec![source], places: BTreeMap::new() };
        let not_toml = |error: &toml::de::Error| {
            let span = error.span().unwrap_or(0..0);
            let what = error.message().trim().replace('\n', ", ");
            document.problem(0, span, "here", |at| format!("{at} is not TOML: {what}"))
        };
        let spans = DeTable::parse(text).map_err(|e| not_toml(&e))?;
        let root = toml::from_str(text).map_err(|e| not_toml(&e))?;
        note_table(&mut document.places, &[], spans.get_ref());
        document.root = root;
        Ok(document)
    }

    /// Refuses the first name that no section knows.
    pub(super) fn refuse_unknown_keys(&self) -> Result<(), RunError> {
        let mut paths: Vec<_> = self.places.iter().collect();
        paths.sort_by_key(|(_, place)| (place.source, place.key.start));
        for (path, place) in paths {
            // A `--set` may name what lies in something that nobody has written down.
            let new = |length: &usize| {
                *length == path.len() || !self.places.contains_key(&path[..*length])
            };
            for length in (1..=path.len()).filter(new) {
                let Some(what) = self.unknown(&path[..length]) else { continue };
                return Err(self.problem(place.source, place.key.clone(), "unknown", |at| {
                    format!("{} ({at}); {}", what.0, what.1)
                }));
            }
        }
        Ok(())
    }

    /// What is unknown about a name, and a hint; nothing for a name that is known, or that lies in
    /// an unknown one.
    fn unknown(&self, path: &[String]) -> Option<(String, String)> {
        let names: Vec<&str> = path.iter().map(String::as_str).collect();
        match names[..] {
            [section] if keys::keys_of(section).is_none() => {
                let value = self.root.get(section);
                let is_section = value.is_some_and(|value| value.is_table() || value.is_array());
                let what = if is_section { "section" } else { "key" };
                Some((format!("unknown {what} '{section}'"), keys::hint_for_section(section)))
            }
            ["model", ..] => None,
            ["device", _, key] | [_, key] => {
                let section = names[0];
                let known = keys::keys_of(section)?;
                // An entry of [[device]] itself has a number where others have a key.
                if known.contains(&key) || names == ["device", key] {
                    return None;
                }
                let what = format!("unknown key '{key}' in {}", keys::heading(section));
                Some((what, keys::hint_for_key(section, key)))
            }
            _ => None,
        }
    }

    /// The value at a path.
    pub(super) fn value(&self, path: &[&str]) -> Option<&Value> {
        let (first, rest) = path.split_first()?;
        rest.iter().try_fold(self.root.get(*first)?, |value, name| match value {
            Value::Table(table) => table.get(*name),
            Value::Array(entries) => entries.get(name.parse::<usize>().ok()?),
            _ => None,
        })
    }

    /// Where a value stands, or the nearest thing around it that has a place.
    pub(super) fn place(&self, path: &[&str]) -> Option<&Place> {
        (1..=path.len()).rev().find_map(|length| {
            let path: Vec<String> = path[..length].iter().map(ToString::to_string).collect();
            self.places.get(&path)
        })
    }

    /// The text of the `--set` that gave exactly this value, as it was typed.
    pub(super) fn typed_text(&self, path: &[&str]) -> Option<&str> {
        let path: Vec<String> = path.iter().map(ToString::to_string).collect();
        let place = self.places.get(&path)?;
        let source = &self.sources[place.source];
        if source.is_file || !place.exact {
            None
        } else {
            source.text.get(place.value.clone()).map(str::trim)
        }
    }

    /// A path from the file is relative to the file's folder, one from a `--set` to the working
    /// directory, where the person typed it.
    pub(super) fn absolute(
        &self,
        path: &[&str],
        text: &str,
        folder: &Path,
    ) -> std::io::Result<PathBuf> {
        let from_file = self.place(path).is_none_or(|place| self.sources[place.source].is_file);
        let path = if from_file { folder.join(text) } else { PathBuf::from(text) };
        std::path::absolute(path)
    }

    /// A problem with the value at a path.
    pub(super) fn problem_at(
        &self,
        path: &[&str],
        label: &str,
        message: impl FnOnce(&str) -> String,
    ) -> RunError {
        match self.place(path) {
            Some(place) => self.problem(place.source, place.value.clone(), label, message),
            None => RunError::config(message(&self.sources[0].name)),
        }
    }

    /// Gives an error about a setting the place of that setting, where it has one.
    pub(super) fn locate(&self, error: RunError) -> RunError {
        let RunError::BadValue { key, .. } = &error else { return error };
        let path: Vec<&str> = key.split('.').collect();
        let label = if self.value(&path).is_some() { "this value" } else { "here" };
        self.problem_at(&path, label, |at| format!("{at}: {error}"))
    }

    /// A problem at a span of a source. `message` is given the place, as `file:line:column`.
    pub(super) fn problem(
        &self,
        source: usize,
        span: Range<usize>,
        label: &str,
        message: impl FnOnce(&str) -> String,
    ) -> RunError {
        let Source { name, text, is_file } = &self.sources[source];
        let start = text.floor_char_boundary(span.start);
        let end = text.ceil_char_boundary(span.end).max(start);
        let place = if *is_file {
            let before = &text[..start];
            let line = before.matches('\n').count() + 1;
            let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
            format!("{name}:{line}:{column}")
        } else {
            name.clone()
        };
        RunError::from(Box::new(ConfigProblem {
            message: message(&place),
            source_code: Some(NamedSource::new(name, text.clone())),
            span: Some((start..end).into()),
            label: label.to_owned(),
        }))
    }
}

/// Notes the place of every key under a table of the file.
fn note_table(places: &mut BTreeMap<Vec<String>, Place>, path: &[String], table: &DeTable<'_>) {
    for (key, value) in table {
        let path = [path, &[key.get_ref().to_string()]].concat();
        note_value(places, path, &key.span(), value);
    }
}

fn note_value(
    places: &mut BTreeMap<Vec<String>, Place>,
    path: Vec<String>,
    key: &Range<usize>,
    value: &Spanned<DeValue<'_>>,
) {
    match value.get_ref() {
        DeValue::Table(table) => note_table(places, &path, table),
        DeValue::Array(entries) => {
            for (index, entry) in entries.iter().enumerate() {
                let path = [path.as_slice(), &[index.to_string()]].concat();
                note_value(places, path, &entry.span(), entry);
            }
        }
        _ => {}
    }
    places.insert(path, Place { source: 0, key: key.clone(), value: value.span(), exact: true });
}

/// Notes the place of everything inside a value that a `--set` gave as a whole.
pub(super) fn note_inside(
    places: &mut BTreeMap<Vec<String>, Place>,
    path: &[String],
    value: &Value,
    place: &Place,
) {
    let inside: Vec<(String, &Value)> = match value {
        Value::Table(table) => table.iter().map(|(key, value)| (key.clone(), value)).collect(),
        Value::Array(entries) => {
            entries.iter().enumerate().map(|(index, value)| (index.to_string(), value)).collect()
        }
        _ => return,
    };
    for (name, value) in inside {
        let path = [path, &[name]].concat();
        note_inside(places, &path, value, place);
        places.insert(path, Place { exact: false, ..place.clone() });
    }
}
