//! The data sources by name.
//!
//! To add one: a file with a type that implements [`DataSource`], its options as `keys!`, and its
//! `SOURCE`; and a line in [`SOURCES`]. A source outside this crate needs no entry: whatever implements
//! [`DataSource`] trains.

#[cfg(test)]
pub(crate) mod tests;

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

/// All kinds of data sources.
pub const SOURCES: &[Source] = &[
    crate::text::SOURCE,
    crate::table::SOURCE,
    crate::idx::SOURCE,
    crate::images::SOURCE,
    crate::tensors::SOURCE,
    crate::rows::SOURCE,
];

/// The options of all sources, for whoever reads run files.
pub fn key_groups() -> impl Iterator<Item = KeyGroup> {
    SOURCES.iter().map(|source| source.group)
}

/// The source of a name.
///
/// # Errors
/// [`DataError::UnknownSource`].
pub fn source_for(kind: &str) -> Result<&'static Source, DataError> {
    let found = SOURCES.iter().find(|source| source.group.kind == kind);
    found.ok_or_else(|| unknown(format!("there is no data source '{kind}'")))
}

/// Opens the source that a section names by its kind.
///
/// # Errors
/// [`DataError::UnknownSource`], [`DataError::BadValue`] and [`DataError::BadOptions`] for options that
/// make no sense, and whatever is wrong with the data.
pub fn open(section: &DataSection) -> Result<Box<dyn DataSource>, DataError> {
    let Some(kind) = &section.kind else {
        let example = "text = \"input.txt\" or builtin = \"yard\"";
        return Err(unknown(format!("no data are named: say which in [data], such as {example}")));
    };
    (source_for(kind)?.open)(section)
}

fn unknown(asked: String) -> DataError {
    let names: Vec<&str> = SOURCES.iter().map(|source| source.group.kind).collect();
    DataError::UnknownSource { asked, known: names.join(", ") }
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
