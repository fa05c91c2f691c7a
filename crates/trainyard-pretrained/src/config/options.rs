//! The options of a config by name, checked when they are read.

use std::path::Path;

use serde_json::{Map, Value};

use super::LARGEST;
use crate::error::PretrainedError;

/// The object of a config.json.
pub(super) struct Options<'a> {
    pub(super) path: &'a Path,
    map: &'a Map<String, Value>,
}

impl<'a> Options<'a> {
    pub(super) fn new(path: &'a Path, map: &'a Map<String, Value>) -> Self {
        Self { path, map }
    }

    /// The value of a key; a null is as good as none.
    pub(super) fn value(&self, key: &str) -> Option<&'a Value> {
        self.map.get(key).filter(|value| !value.is_null())
    }

    /// Whether a key is there without a value.
    pub(super) fn is_null(&self, key: &str) -> bool {
        self.map.get(key).is_some_and(Value::is_null)
    }

    /// The options of an object inside, where there is one that is not empty.
    ///
    /// # Errors
    /// [`PretrainedError::BadFile`] for another value.
    pub(super) fn inside(&self, key: &str) -> Result<Option<Options<'a>>, PretrainedError> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::Object(map)) => Ok((!map.is_empty()).then(|| Options::new(self.path, map))),
            Some(value) => Err(self.wrong(key, value, "an object")),
        }
    }

    /// A size, at least 1, under the first of some keys that is there.
    ///
    /// # Errors
    /// [`PretrainedError::BadFile`] for another value.
    pub(super) fn size(&self, keys: &[&str]) -> Result<Option<u64>, PretrainedError> {
        let found = keys.iter().find_map(|key| self.value(key).map(|value| (*key, value)));
        let Some((key, value)) = found else { return Ok(None) };
        match value.as_u64() {
            Some(size) if (1..=LARGEST).contains(&size) => Ok(Some(size)),
            _ => Err(self.wrong(key, value, "a whole number of at least 1")),
        }
    }

    /// The same for a size that must be there.
    ///
    /// # Errors
    /// As [`Self::size`], and where none of the keys is there.
    pub(super) fn needed_size(&self, keys: &[&str]) -> Result<u64, PretrainedError> {
        let missing = || format!("it has no {}", keys.join(" or "));
        self.size(keys)?.ok_or_else(|| PretrainedError::bad_file(self.path, missing()))
    }

    /// # Errors
    /// [`PretrainedError::BadFile`] for what is not true or false.
    pub(super) fn flag(&self, key: &str, default: bool) -> Result<bool, PretrainedError> {
        match self.value(key) {
            None => Ok(default),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(value) => Err(self.wrong(key, value, "true or false")),
        }
    }

    /// # Errors
    /// [`PretrainedError::BadFile`] for what is not a number above 0.
    pub(super) fn number(&self, key: &str, default: f64) -> Result<f64, PretrainedError> {
        let Some(value) = self.value(key) else { return Ok(default) };
        let number = value.as_f64().filter(|number| *number > 0.0);
        number.ok_or_else(|| self.wrong(key, value, "a number above 0"))
    }

    /// A number above 0 that must be there.
    ///
    /// # Errors
    /// As [`Self::number`], and where it is not there.
    pub(super) fn needed_number(&self, key: &str) -> Result<f64, PretrainedError> {
        match self.value(key) {
            Some(_) => self.number(key, 1.0),
            None => Err(PretrainedError::bad_file(self.path, format!("it has no {key}"))),
        }
    }

    /// A word, where there is one.
    pub(super) fn word(&self, key: &str) -> Option<&'a str> {
        self.value(key).and_then(Value::as_str)
    }

    /// Refuses an option that would change what is computed.
    pub(super) fn refuse(
        &self,
        key: &str,
        value: impl std::fmt::Display,
        remedy: impl Into<String>,
    ) -> PretrainedError {
        let (path, key, value) = (self.path.to_owned(), key.to_owned(), value.to_string());
        PretrainedError::Unsupported { path, key, value, remedy: remedy.into() }
    }

    fn wrong(&self, key: &str, value: &Value, must: &str) -> PretrainedError {
        PretrainedError::bad_file(self.path, format!("{key} is {value}, but must be {must}"))
    }
}
