//! The data sources by name.
//!
//! To add one: a file with a type that implements [`DataSource`] and its `SOURCE`, and a line in
//! [`SOURCES`]. A source outside this crate needs no entry: whatever implements [`DataSource`] trains.

#[cfg(test)]
mod tests;

use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use crate::error::DataError;
use crate::source::DataSource;

/// A kind of data source.
pub struct Source {
    /// Name: the value of `kind`, and the option that names its data.
    pub name: &'static str,
    /// Description in a line.
    pub doc: &'static str,
    /// Values of the option `builtin` that mean this source.
    pub builtins: &'static [&'static str],
    /// Options whose values are paths or patterns; relative ones start from the working directory.
    pub path_keys: &'static [&'static str],
    /// Opens a source with its options, an object.
    pub open: fn(Value) -> Result<Box<dyn DataSource>, DataError>,
    /// Writes a small data set of distinct samples, 12 to 60, into a folder and gives the options that
    /// open it.
    #[cfg(test)]
    pub(crate) sample: fn(&std::path::Path) -> Value,
}

/// All kinds of data sources.
pub const SOURCES: &[Source] = &[
    crate::text::SOURCE,
    crate::table::SOURCE,
    crate::idx::SOURCE,
    crate::images::SOURCE,
    crate::tensors::SOURCE,
    crate::rows::SOURCE,
];

/// The kind of source that options mean: by `kind`; without it by `builtin`, or by the option with the
/// name of a source.
///
/// # Errors
/// [`DataError::UnknownSource`].
pub fn source_for(options: &Value) -> Result<&'static Source, DataError> {
    let text = |key: &str| options.get(key).and_then(Value::as_str);
    let known = || SOURCES.iter().map(|source| source.name).collect::<Vec<_>>().join(", ");
    let (found, asked) = if let Some(kind) = text("kind") {
        let found = SOURCES.iter().find(|source| source.name == kind);
        (found, format!("there is no data source '{kind}'"))
    } else if let Some(name) = text("builtin") {
        let found = SOURCES.iter().find(|source| source.builtins.contains(&name));
        let builtins = SOURCES.iter().flat_map(|source| source.builtins).copied();
        let builtins = builtins.collect::<Vec<_>>().join(", ");
        (found, format!("there is no built-in '{name}' (there are: {builtins})"))
    } else {
        let found = SOURCES.iter().find(|source| options.get(source.name).is_some());
        let example = "text = \"input.txt\" or builtin = \"yard\"";
        (found, format!("no data are named: say which in [data], such as {example}"))
    };
    found.ok_or_else(|| DataError::UnknownSource { asked, known: known() })
}

/// Opens the source that options mean, as [`source_for`] finds it.
///
/// # Errors
/// [`DataError::UnknownSource`], [`DataError::BadOptions`], and whatever is wrong with the data.
pub fn open(mut options: Value) -> Result<Box<dyn DataSource>, DataError> {
    let source = source_for(&options)?;
    if let Some(options) = options.as_object_mut() {
        options.remove("kind");
    }
    (source.open)(options)
}

/// Options of a source out of an object.
pub(crate) fn read_options<T: DeserializeOwned>(
    kind: &str,
    options: Value,
) -> Result<T, DataError> {
    let bad = |reason: String| DataError::BadOptions { kind: kind.to_owned(), reason };
    if !options.is_object() {
        return Err(bad("they are no table of keys and values".to_owned()));
    }
    serde_json::from_value(options).map_err(|error| bad(error.to_string()))
}

/// Reads a text, or a list of them.
pub(crate) fn one_or_many<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    match Value::deserialize(from)? {
        Value::String(one) => Ok(vec![one]),
        Value::Array(many) => many
            .into_iter()
            .map(|item| match item {
                Value::String(item) => Ok(item),
                other => Err(D::Error::custom(format!("{other} is not a text"))),
            })
            .collect(),
        other => Err(D::Error::custom(format!("{other} is neither a text nor a list of texts"))),
    }
}
