//! The data sources by name.
//!
//! To add one: a file with a type that implements [`DataSource`], its options as `keys!`, and its
//! `SOURCE`; and a line in [`SOURCES`]. A source outside this crate needs no entry: whatever implements
//! [`DataSource`] trains.

#[cfg(test)]
mod tests;

use trainyard_config::{DataSection, KeyGroup};

use crate::error::DataError;
use crate::kind::Source;
use crate::source::DataSource;

/// All kinds of data sources.
pub const SOURCES: &[Source] = &[
    crate::text::SOURCE,
    crate::chat::SOURCE,
    crate::sentences::SOURCE,
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
