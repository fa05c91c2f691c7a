//! A key as data, the sections made of keys, and the groups of keys that a kind brings.

use toml::Value;

use crate::document::Document;
use crate::error::{BadKey, ConfigError};
use crate::limit::{Bounds, Limit};
use crate::section::SectionReader;
use crate::value::{Choice, KeyType};

/// A key of a run file, as a person or an editor is told about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    /// Its name in its section.
    pub name: &'static str,
    /// What it means.
    pub doc: String,
    /// Its type in words, such as "a whole number, 0 or more".
    pub kind: String,
    /// Its default as TOML; `None` where there is none, or it follows from other keys.
    pub default: Option<String>,
    /// What the default follows from, such as "train.steps".
    pub derived: Option<&'static str>,
    /// What its value must be beyond its type, such as "from 1 to 100".
    pub must: Vec<String>,
    /// The ends of its range, where it has one.
    pub bounds: Bounds,
    /// The words that it can be, where there are only a few.
    pub choices: Vec<Choice>,
    /// The type as a piece of JSON Schema, without bounds and choices.
    pub schema: serde_json::Value,
}

/// A key with its value, to be written into a resolved file.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The key.
    pub name: &'static str,
    /// Its value.
    pub value: Value,
    /// What the value follows from, if it is the derived default: then the file only mentions it,
    /// and it goes on to follow.
    pub derived: Option<&'static str>,
}

/// A section, or the part of one that a kind brings, as a type: made by [`keys!`](crate::keys).
pub trait Keys: Sized {
    /// The section, without brackets.
    const SECTION: &'static str;

    /// What the section is about.
    fn doc() -> String;

    /// The keys, in the order of their declaration.
    fn keys() -> Vec<Key>;

    /// Reads the keys of a section, fills in the defaults and checks the values.
    ///
    /// # Errors
    /// [`ConfigError`] with the place of the first value that is wrong.
    fn read(section: &SectionReader<'_>) -> Result<Self, ConfigError>;

    /// The keys with their values; what is not set is left out.
    ///
    /// # Errors
    /// [`ConfigError`] for a value that TOML cannot hold: a path that is not UTF-8, a whole number
    /// above 2⁶³ − 1.
    fn entries(&self) -> Result<Vec<Entry>, ConfigError>;

    /// Reads a table that was checked before, such as the options of a [`KindSection`].
    ///
    /// # Errors
    /// As [`Keys::read`], without a place.
    ///
    /// [`KindSection`]: crate::KindSection
    fn from_table(table: &toml::Table) -> Result<Self, ConfigError> {
        let document = Document::of_table(Self::SECTION, table.clone());
        Self::read(&document.section(Self::SECTION)?)
    }
}

/// The keys that one kind brings into `[model]`, `[data]` or `[optimizer]`, or all keys of a
/// section that has no kinds.
#[derive(Clone, Copy, Debug)]
pub struct KeyGroup {
    /// The section, without brackets.
    pub section: &'static str,
    /// The value of `kind`; empty for a section that has none.
    pub kind: &'static str,
    /// Key that says the kind by itself, so that `kind` can be left out: `text` for texts.
    pub named_by: Option<&'static str>,
    /// Values of a key `builtin` that say the kind by themselves: what the program makes itself.
    pub builtins: &'static [&'static str],
    /// What the kind is.
    pub doc: fn() -> String,
    /// The keys.
    pub keys: fn() -> Vec<Key>,
    /// Reads and checks a section, and gives it with all defaults filled in.
    pub resolve: fn(&SectionReader<'_>) -> Result<Vec<Entry>, ConfigError>,
}

impl KeyGroup {
    /// The keys of a type, under a kind.
    pub const fn of<T: Keys>(kind: &'static str) -> Self {
        Self {
            section: T::SECTION,
            kind,
            named_by: None,
            builtins: &[],
            doc: T::doc,
            keys: T::keys,
            resolve: |section| T::read(section)?.entries(),
        }
    }

    /// The same, for a kind that is meant wherever a key of that name stands.
    #[must_use]
    pub const fn named_by(self, key: &'static str) -> Self {
        Self { named_by: Some(key), ..self }
    }

    /// The same, for a kind that is meant wherever `builtin` is one of these.
    #[must_use]
    pub const fn builtins(self, names: &'static [&'static str]) -> Self {
        Self { builtins: names, ..self }
    }

    /// The names of the keys.
    pub(crate) fn names(&self) -> Vec<&'static str> {
        (self.keys)().iter().map(|key| key.name).collect()
    }
}

/// Doc comments as running text; for [`keys!`](crate::keys).
pub fn doc(lines: &[&str]) -> String {
    lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ").trim().to_owned()
}

/// A key without checks; for [`keys!`](crate::keys).
pub fn key<T: KeyType>(name: &'static str, doc: String, default: Option<&T>) -> Key {
    // An empty text is what stands where a key has to be given.
    let default = default.and_then(|value| value.write().ok().flatten());
    let default = default.filter(|value| value.as_str() != Some(""));
    Key {
        name,
        doc,
        kind: T::words(),
        default: default.map(|value| value.to_string()),
        derived: None,
        must: Vec::new(),
        bounds: Bounds::default(),
        choices: T::choices(),
        schema: T::schema(),
    }
}

impl Key {
    /// Adds a range.
    #[doc(hidden)]
    pub fn limit<T: KeyType>(&mut self, limit: &impl Limit<T::Item>) {
        self.must.push(limit.words());
        self.bounds = limit.bounds();
    }

    /// Adds the names it is one of.
    #[doc(hidden)]
    pub fn one_of(&mut self, names: Vec<String>) {
        let choice = |name| Choice { name, doc: String::new() };
        self.choices = names.into_iter().map(choice).collect();
    }
}

/// A key with its value; for [`keys!`](crate::keys). `derived` is what the value follows from, and
/// the value that follows.
///
/// # Errors
/// [`ConfigError`] for a value that TOML cannot hold.
pub fn entry<T: KeyType>(
    section: &str,
    name: &'static str,
    value: &T,
    derived: Option<(&'static str, T)>,
) -> Result<Option<Entry>, ConfigError> {
    let written = value.write().map_err(|reason| {
        ConfigError::unplaced(format!(
            "this run cannot be written as a run file: {section}.{name}: {reason}"
        ))
    })?;
    let derived = derived.filter(|(_, follows)| follows == value).map(|(from, _)| from);
    Ok(written.map(|value| Entry { name, value, derived }))
}

impl BadKey {
    /// The same as an error about a key of a section, without a place.
    #[must_use]
    pub fn in_section(self, section: &str) -> ConfigError {
        let Self { key, value, must } = self;
        ConfigError::BadValue { key: format!("{section}.{key}"), value, must }
    }
}
