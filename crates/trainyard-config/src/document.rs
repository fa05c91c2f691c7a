//! A run file's values together with the places they stand in, so that a message can point there.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::Range;
use std::path::{Path, PathBuf};

use miette::NamedSource;
use toml::de::{DeTable, DeValue};
use toml::{Spanned, Table, Value};

use crate::error::{ConfigError, ConfigProblem};
use crate::not_toml;

/// A text values come from: the run file, or one `--set`.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) name: String,
    pub(crate) text: String,
    pub(crate) is_file: bool,
}

/// Where a key and its value stand.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) source: usize,
    pub(crate) key: Range<usize>,
    pub(crate) value: Range<usize>,
    /// Whether the span of the value is exactly this value, and not something around it.
    pub(crate) exact: bool,
}

/// The values of a run file with the `--set` arguments over it.
#[derive(Clone, Debug)]
pub struct Document {
    pub(crate) root: Table,
    /// The run file first, then every `--set`.
    pub(crate) sources: Vec<Source>,
    /// By path; list entries are named by their index.
    pub(crate) places: BTreeMap<Vec<String>, Place>,
    /// What relative paths in the file are relative to.
    folder: PathBuf,
}

impl Document {
    /// Parses a run file. `path` gives the name for messages and the folder for relative paths;
    /// nothing is read from it.
    ///
    /// # Errors
    /// [`ConfigError::Problem`] for a text that is not TOML.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let name = path.display().to_string();
        let source = Source { name, text: text.to_owned(), is_file: true };
        let mut document = Self {
            root: Table::new(),
            sources: vec![source],
            places: BTreeMap::new(),
            folder: path.parent().unwrap_or(Path::new("")).to_owned(),
        };
        let not_toml = |error: &toml::de::Error| {
            let span = error.span().unwrap_or(0..0);
            let what = not_toml::in_words(text, error);
            document.problem(0, span, "here", |at| format!("{at} is not TOML: {what}"))
        };
        let spans = DeTable::parse(text).map_err(|e| not_toml(&e))?;
        let root = toml::from_str(text).map_err(|e| not_toml(&e))?;
        note_table(&mut document.places, &[], spans.get_ref());
        document.root = root;
        Ok(document)
    }

    /// A document of one section that has no text, and so no places.
    pub(crate) fn of_table(section: &str, table: Table) -> Self {
        let root = Table::from_iter([(section.to_owned(), Value::Table(table))]);
        let name = "the run file".to_owned();
        let source = Source { name, text: String::new(), is_file: true };
        Self { root, sources: vec![source], places: BTreeMap::new(), folder: PathBuf::new() }
    }

    /// The name of the run file, for messages.
    pub(crate) fn name(&self) -> &str {
        self.sources.first().map_or("", |source| &source.name)
    }

    /// A path as a dotted key for people: a device by its id, where that names it.
    pub(crate) fn spoken(&self, path: &[&str]) -> String {
        let ["device", position, rest @ ..] = path else { return path.join(".") };
        let id = self.value(&["device", position, "id"]).and_then(Value::as_str);
        // What is wrong with an id itself is said by position, and only the first of a name has it.
        let named = id.filter(|id| {
            rest != ["id"]
                && self.path_of(&format!("device.{id}")).is_ok_and(|own| own == path[..2])
        });
        [&["device", named.unwrap_or(position)], rest].concat().join(".")
    }

    /// The value at a path.
    pub(crate) fn value(&self, path: &[&str]) -> Option<&Value> {
        let (first, rest) = path.split_first()?;
        rest.iter().try_fold(self.root.get(*first)?, |value, name| match value {
            Value::Table(table) => table.get(*name),
            Value::Array(entries) => entries.get(name.parse::<usize>().ok()?),
            _ => None,
        })
    }

    /// Where a value stands, or the nearest thing around it that has a place.
    pub(crate) fn place(&self, path: &[&str]) -> Option<&Place> {
        (1..=path.len()).rev().find_map(|length| {
            let path: Vec<String> = path[..length].iter().map(ToString::to_string).collect();
            self.places.get(&path)
        })
    }

    /// The text of the `--set` that gave exactly this value, as it was typed.
    pub(crate) fn typed_text(&self, path: &[&str]) -> Option<&str> {
        let path: Vec<String> = path.iter().map(ToString::to_string).collect();
        let place = self.places.get(&path)?;
        let source = &self.sources[place.source];
        if source.is_file || !place.exact {
            None
        } else {
            source.text.get(place.value.clone()).map(str::trim)
        }
    }

    /// What a path at this place is relative to: one from the file to the file's folder, one from a
    /// `--set` to the working directory, where the person typed it.
    pub(crate) fn folder_for(&self, path: &[&str]) -> Option<&Path> {
        let from_file = self.place(path).is_none_or(|place| self.sources[place.source].is_file);
        from_file.then_some(self.folder.as_path())
    }

    /// A problem with the value at a path.
    pub(crate) fn problem_at(
        &self,
        path: &[&str],
        label: &str,
        message: impl FnOnce(&str) -> String,
    ) -> ConfigError {
        match self.place(path) {
            Some(place) => self.problem(place.source, place.value.clone(), label, message),
            None => ConfigError::unplaced(message(self.name())),
        }
    }

    /// Gives an error about a key the place of that key, where it has one. A table that was read
    /// before has no places: whoever has the file adds them.
    #[must_use]
    pub fn locate(&self, error: ConfigError) -> ConfigError {
        let ConfigError::BadValue { key, .. } = &error else { return error };
        if self.places.is_empty() {
            return error;
        }
        self.problem_with(key, &error)
            .unwrap_or_else(|| ConfigError::unplaced(format!("{}: {error}", self.name())))
    }

    /// A problem with a key or a section, such as `model.width` or `data`, at its place: that of its
    /// value or, where nothing says it, of the section. None where the section is not there either.
    pub fn problem_with(&self, key: &str, problem: &dyn Display) -> Option<ConfigError> {
        // A device may be named by its id.
        let path = self.path_of(key).ok()?;
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let place = self.place(&path)?;
        let label = if self.value(&path).is_some() { "this value" } else { "here" };
        let message = |at: &str| format!("{at}: {problem}");
        Some(self.problem(place.source, place.value.clone(), label, message))
    }

    /// Forgets where a section stands, since its values are no longer those that were read.
    pub fn forget_places(&mut self, section: &str) {
        self.places.retain(|path, _| path.first().is_none_or(|name| name != section));
    }

    /// A problem at a span of a source. `message` is given the place, as `file:line:column`.
    pub(crate) fn problem(
        &self,
        source: usize,
        span: Range<usize>,
        label: &str,
        message: impl FnOnce(&str) -> String,
    ) -> ConfigError {
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
        let shown = can_be_shown(text, start, end);
        ConfigError::from(Box::new(ConfigProblem {
            message: shortened(message(&place)),
            source_code: shown.then(|| NamedSource::new(name, text.clone())),
            span: shown.then(|| (start..end).into()),
            label: label.to_owned(),
        }))
    }
}

/// Whether a place with the lines around it is short enough to be printed.
fn can_be_shown(text: &str, start: usize, end: usize) -> bool {
    const LONGEST: usize = 4000;
    let before: usize = text[..start].split_inclusive('\n').rev().take(2).map(str::len).sum();
    let after: usize = text[end..].split_inclusive('\n').take(2).map(str::len).sum();
    before + (end - start) + after <= LONGEST
}

/// A message with both its ends, where a value in it is very long.
fn shortened(message: String) -> String {
    const LONGEST: usize = 4000;
    if message.len() <= LONGEST {
        return message;
    }
    let start = message.floor_char_boundary(LONGEST / 2);
    let end = message.ceil_char_boundary(message.len() - LONGEST / 2);
    format!("{} … {}", &message[..start], &message[end..])
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
pub(crate) fn note_inside(
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
