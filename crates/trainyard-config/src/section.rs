//! One section of a document: from TOML values to typed ones, with the place of what is wrong.

use toml::{Table, Value};

use crate::document::Document;
use crate::error::{BadKey, ConfigError};
use crate::limit::Limit;
use crate::moved::alias_of;
use crate::names::{did_you_mean, heading, list};
use crate::value::{KeyType, Show, ValueContext};

/// One section of a document.
#[derive(Clone, Debug)]
pub struct SectionReader<'d> {
    document: &'d Document,
    path: Vec<String>,
    table: Option<&'d Table>,
}

impl Document {
    /// A section of the file, to be read; also one that the file does not have.
    ///
    /// # Errors
    /// [`ConfigError::Problem`] if the name is that of a value.
    pub fn section(&self, name: &str) -> Result<SectionReader<'_>, ConfigError> {
        SectionReader::open(self, &[name])
    }
}

impl<'d> SectionReader<'d> {
    /// Opens the section, or entry of a list, at a path.
    pub(crate) fn open(document: &'d Document, path: &[&str]) -> Result<Self, ConfigError> {
        let table = match document.value(path) {
            None => None,
            Some(Value::Table(table)) => Some(table),
            Some(other) => {
                return Err(document.problem_at(path, "not a section", |at| {
                    let (name, found) = (section_name(path), described(other));
                    format!("{at}: '{name}' is {found}, but must be a section, {}", heading(&name))
                }));
            }
        };
        Ok(Self { document, path: path.iter().map(ToString::to_string).collect(), table })
    }

    /// Opens every entry of a list of sections, such as `[[device]]`; none where the file has no
    /// such list. `noun` is what an entry is, in messages.
    pub(crate) fn open_list(
        document: &'d Document,
        path: &[&str],
        noun: &str,
    ) -> Result<Vec<Self>, ConfigError> {
        let count = match document.value(path) {
            None => 0,
            Some(Value::Array(entries)) => entries.len(),
            Some(_) => {
                let heading = heading(&section_name(path));
                return Err(document.problem_at(path, "not a list", |at| {
                    format!("{at}: a {noun} is written {heading}, with double brackets")
                }));
            }
        };
        let entry = |index: usize| Self::open(document, &[path, &[&index.to_string()]].concat());
        (0..count).map(entry).collect()
    }

    /// The document the section is of.
    pub fn document(&self) -> &'d Document {
        self.document
    }

    /// The section as it stands.
    pub fn table(&self) -> Option<&'d Table> {
        self.table
    }

    /// Whether a key is given, under its name or the one it had before.
    pub fn has(&self, key: &str) -> bool {
        self.document.value(&borrowed(&self.path_of(key))).is_some()
    }

    /// The value of a key, if it is given.
    ///
    /// # Errors
    /// [`ConfigError`] with the place of a value of another type.
    pub fn get<T: KeyType>(&self, key: &str) -> Result<Option<T>, ConfigError> {
        let path = self.path_of(key);
        let path = borrowed(&path);
        let Some(value) = self.document.value(&path) else { return Ok(None) };
        let context = ValueContext {
            typed: self.document.typed_text(&path),
            folder: self.document.folder_for(&path),
        };
        T::read(value, context).map(Some).map_err(|must| {
            self.document.problem_at(&path, "this value", |at| {
                let key = self.document.spoken(&path);
                format!("{at}: {key} is {}, but must be {must}", described(value))
            })
        })
    }

    /// Refuses a value outside of a range.
    #[doc(hidden)]
    pub fn hold<T: KeyType>(
        &self,
        key: &str,
        value: &T,
        limit: &impl Limit<T::Item>,
    ) -> Result<(), ConfigError> {
        match value.items().into_iter().find(|item| !limit.allows(item)) {
            None => Ok(()),
            Some(item) => Err(self.refuse(bad(key, item, limit.words()))),
        }
    }

    /// Refuses a value that a test does not allow.
    #[doc(hidden)]
    pub fn test<T: KeyType>(
        &self,
        key: &str,
        value: &T,
        must: &str,
        allowed: impl Fn(&T::Item) -> bool,
    ) -> Result<(), ConfigError> {
        match value.items().into_iter().find(|item| !allowed(item)) {
            None => Ok(()),
            Some(item) => Err(self.refuse(bad(key, item, must.to_owned()))),
        }
    }

    /// Refuses a text that is none of some names.
    #[doc(hidden)]
    pub fn one_of<T: KeyType<Item = String>>(
        &self,
        key: &str,
        value: &T,
        names: &[String],
    ) -> Result<(), ConfigError> {
        match value.items().into_iter().find(|item| !names.contains(item)) {
            None => Ok(()),
            Some(item) => {
                let known = || names.iter().map(String::as_str);
                let must = format!("one of {}{}", list(known()), did_you_mean(item, known()));
                Err(self.refuse(bad(key, item, must)))
            }
        }
    }

    /// An error about a key of this section, with the place of its value or, where there is none,
    /// of the section.
    #[must_use]
    pub fn refuse(&self, bad: BadKey) -> ConfigError {
        let path = self.path_of(&bad.key);
        let BadKey { value, must, .. } = bad;
        let key = self.document.spoken(&borrowed(&path));
        self.document.locate(ConfigError::BadValue { key, value, must })
    }

    /// The path of a key: the one it had before where that is what the file says.
    fn path_of(&self, key: &str) -> Vec<String> {
        let own = [self.path.as_slice(), &[key.to_owned()]].concat();
        if let [section] = &self.path[..]
            && let Some(alias) = alias_of(section, key)
            && self.document.value(&borrowed(&own)).is_none()
            && self.document.value(&alias).is_some()
        {
            return alias.map(str::to_owned).to_vec();
        }
        own
    }
}

/// The section that a path leads to, without the number of an entry.
fn section_name(path: &[&str]) -> String {
    let names = path.iter().copied().filter(|name| name.parse::<usize>().is_err());
    names.collect::<Vec<_>>().join(".")
}

fn borrowed(path: &[String]) -> Vec<&str> {
    path.iter().map(String::as_str).collect()
}

fn bad(key: &str, item: &impl Show, must: String) -> BadKey {
    BadKey { key: key.to_owned(), value: item.show(), must }
}

/// A default that follows from other keys; for [`keys!`](crate::keys).
pub fn derive<S, T>(section: &S, follow: impl Fn(&S) -> T) -> T {
    follow(section)
}

/// A value in words, short enough for a message.
pub(crate) fn described(value: &Value) -> String {
    let shorten = |text: String| match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    };
    match value {
        Value::String(text) if text.is_empty() => "empty".to_owned(),
        Value::String(text) => shorten(format!("the text {text:?}")),
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => format!("the number {number:?}"),
        Value::Boolean(choice) => choice.to_string(),
        Value::Datetime(date) => format!("the date {date}"),
        Value::Array(_) => "a list".to_owned(),
        Value::Table(_) => "a section".to_owned(),
    }
}
