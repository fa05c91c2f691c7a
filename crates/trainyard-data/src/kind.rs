//! A kind of data source: its options as keys of `[data]`, and how it is opened.

use toml::Table;
use trainyard_config::{DataSection, KeyGroup, Keys};

use crate::error::DataError;
use crate::source::DataSource;

/// A kind of data source.
pub struct Source {
    /// Its name, its options as the keys of `[data]`, and what else says that it is meant.
    pub group: KeyGroup,
    /// Opens a source with the options of a section.
    pub open: fn(&DataSection) -> Result<Box<dyn DataSource>, DataError>,
    /// Writes a small data set of distinct samples, 12 to 60, into a folder and gives the options that
    /// open it.
    #[cfg(test)]
    pub(crate) sample: fn(&std::path::Path) -> serde_json::Value,
}

/// The options of a source out of its section.
pub(crate) fn options<O: Keys>(section: &DataSection) -> Result<O, DataError> {
    Ok(O::from_table(&section.options)?)
}

/// Holds options to what their keys declare: those of a run file have been, those that a program made
/// have not.
pub(crate) fn check<O: Keys>(options: &O) -> Result<(), DataError> {
    let entries = options.entries()?.into_iter();
    let table: Table = entries.map(|entry| (entry.name.to_owned(), entry.value)).collect();
    O::from_table(&table)?;
    Ok(())
}

/// The first of some names, in their order by characters, that is among them twice.
pub(crate) fn named_twice(names: &[String]) -> Option<&String> {
    let mut sorted: Vec<&String> = names.iter().collect();
    sorted.sort();
    sorted.array_windows().find(|[name, next]| name == next).map(|[name, _]| *name)
}

/// `[data]` of a source, with a `validation_fraction` of 0.1 unless there is another among the options.
#[cfg(test)]
pub(crate) fn section(kind: &str, options: &serde_json::Value) -> DataSection {
    let mut options = Table::try_from(options).unwrap();
    let fraction = options.remove("validation_fraction").and_then(|value| value.as_float());
    DataSection {
        kind: Some(kind.to_owned()),
        validation_fraction: fraction.unwrap_or(0.1),
        options,
    }
}
