//! The header of a safetensors file, checked against the size of the file.

use std::path::Path;

use safetensors::tensor::{Metadata, TensorInfo};

use crate::error::DataError;
use crate::files::Stored;
use crate::tensors::element::Element;

/// Bytes of the number that says how long the header is.
const LENGTH_BYTES: u64 = 8;

/// The longest header that the format allows.
const LONGEST_HEADER: u64 = 100_000_000;

/// A tensor, and where it lies in the file.
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) element: Element,
    /// First dimension.
    pub(super) rows: usize,
    /// The other dimensions.
    pub(super) row_shape: Vec<usize>,
    pub(super) row_bytes: usize,
    /// Byte of the file that the tensor starts with.
    pub(super) offset: u64,
}

/// The tensors of a file (`only` these, or all), by name; all have the same number of rows.
pub(super) fn entries(stored: &Stored, only: &[String]) -> Result<Vec<Entry>, DataError> {
    let path = stored.path();
    let (metadata, data_offset) = read_header(stored)?;
    let all = metadata.tensors();
    let mut names: Vec<&String> = all.keys().collect();
    names.sort();
    if let Some(missing) = only.iter().find(|name| !all.contains_key(*name)) {
        let known = names.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
        let reason = format!("it has no tensor '{missing}'; it has: {known}");
        return Err(DataError::bad_file(path, reason));
    }
    names.retain(|name| only.is_empty() || only.contains(name));
    let entries: Vec<Entry> = names
        .into_iter()
        .map(|name| entry(name, all[name], data_offset, path))
        .collect::<Result<_, _>>()?;
    let Some(first) = entries.first() else {
        return Err(DataError::bad_file(path, "it has no tensors; name another file"));
    };
    match entries.iter().find(|entry| entry.rows != first.rows) {
        Some(other) => {
            let reason = format!(
                "the tensor '{}' has {} rows, but '{}' has {}; choose tensors with the same first \
                 dimension with data.only",
                first.name, first.rows, other.name, other.rows
            );
            Err(DataError::bad_file(path, reason))
        }
        None => Ok(entries),
    }
}

/// The header, and the byte that the tensors start with.
fn read_header(stored: &Stored) -> Result<(Metadata, u64), DataError> {
    let bad = |what: String| {
        let reason = format!("{what}; name a whole safetensors file");
        DataError::bad_file(stored.path(), reason)
    };
    let mut length = [0; LENGTH_BYTES as usize];
    if stored.bytes() < LENGTH_BYTES {
        return Err(bad(format!("it has {} bytes only", stored.bytes())));
    }
    stored.read_at(0, &mut length)?;
    let length = u64::from_le_bytes(length);
    if length > (stored.bytes() - LENGTH_BYTES).min(LONGEST_HEADER) {
        let bytes = stored.bytes();
        return Err(bad(format!("it claims a header of {length} bytes, but has {bytes} in all")));
    }
    let mut header = vec![0; length as usize];
    stored.read_at(LENGTH_BYTES, &mut header)?;
    // Checks that the tensors follow each other and are as long as their shapes say.
    let metadata: Metadata = serde_json::from_slice(&header)
        .map_err(|error| bad(format!("its header is not sound ({error})")))?;
    let data_offset = LENGTH_BYTES + length;
    if data_offset.checked_add(metadata.data_len() as u64) != Some(stored.bytes()) {
        let (claimed, found) = (metadata.data_len(), stored.bytes() - data_offset);
        return Err(bad(format!("its header says {claimed} bytes of tensors, but it has {found}")));
    }
    Ok((metadata, data_offset))
}

fn entry(name: &str, info: &TensorInfo, data_offset: u64, path: &Path) -> Result<Entry, DataError> {
    let bad = |what: String| DataError::bad_file(path, format!("the tensor '{name}' {what}"));
    let Some(element) = Element::of(info.dtype) else {
        let known = Element::KNOWN;
        return Err(bad(format!("has elements of type {:?}; convert it to {known}", info.dtype)));
    };
    let [rows, row_shape @ ..] = &info.shape[..] else {
        let remedy = "leave it out with data.only, or give it a first dimension of samples";
        return Err(bad(format!("has no dimensions; {remedy}")));
    };
    let (start, end) = info.data_offsets;
    // Their product was checked: the tensor lies in the file.
    let row_bytes = (end - start).checked_div(*rows).unwrap_or(0);
    Ok(Entry {
        name: name.to_owned(),
        element,
        rows: *rows,
        row_shape: row_shape.to_vec(),
        row_bytes,
        offset: data_offset + start as u64,
    })
}
