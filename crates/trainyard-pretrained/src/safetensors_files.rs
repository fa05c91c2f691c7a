//! The safetensors files of a folder: one, or many with an index.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use safetensors::tensor::{Dtype, Metadata};
use serde_json::{Map, Value};

use crate::error::PretrainedError;
use crate::place::place;
use crate::weight::{Element, Weight};

/// The file of a model in one piece.
const ONE: &str = "model.safetensors";
/// Which weight lies in which of many files.
const INDEX: &str = "model.safetensors.index.json";
/// Bytes of the number that says how long a header is.
const LENGTH_BYTES: u64 = 8;
/// The longest header that the format allows.
const LONGEST_HEADER: u64 = 100_000_000;

/// The weights of a folder, file by file, and what the index says that no file has; empty where the folder
/// has no such files.
///
/// # Errors
/// [`PretrainedError::Io`]; [`PretrainedError::BadFile`] for a file that is damaged or cut.
pub(crate) fn weights(folder: &Path) -> Result<(Vec<Weight>, Vec<String>), PretrainedError> {
    let index = folder.join(INDEX);
    if !index.is_file() {
        let there = if folder.join(ONE).is_file() { of_file(folder, ONE)? } else { Vec::new() };
        return Ok((there, Vec::new()));
    }
    let map = weight_map(&index)?;
    let mut weights = Vec::new();
    let files: BTreeSet<&str> = map.values().filter_map(Value::as_str).collect();
    for name in files {
        // An index names files beside it, and leads nowhere else.
        if name.contains(['/', '\\']) || name == ".." {
            let reason = format!("it names '{name}', which is not a file beside it");
            return Err(PretrainedError::bad_file(&index, reason));
        }
        weights.extend(of_file(folder, name)?);
    }
    let found: BTreeSet<&str> = weights.iter().map(|weight| weight.name.as_str()).collect();
    let missing = map.keys().filter(|name| !found.contains(name.as_str())).cloned();
    let missing = missing.collect();
    Ok((weights, missing))
}

fn weight_map(index: &Path) -> Result<Map<String, Value>, PretrainedError> {
    let text = std::fs::read_to_string(index).map_err(PretrainedError::io(index))?;
    let object: Result<Map<String, Value>, _> = serde_json::from_str(&text);
    match object.map(|mut object| object.remove("weight_map")) {
        Ok(Some(Value::Object(map))) => Ok(map),
        Ok(_) => Err(PretrainedError::bad_file(index, "it has no weight_map")),
        Err(error) => Err(PretrainedError::bad_file(
            index,
            format!("it is no JSON: {error}; download it again, or mend it"),
        )),
    }
}

/// The weights of one file, in the order in which they lie there.
pub(crate) fn of_file(folder: &Path, name: &str) -> Result<Vec<Weight>, PretrainedError> {
    let path = &folder.join(name);
    let bad = |reason: String| PretrainedError::bad_file(path, reason);
    let about = std::fs::metadata(path).map_err(PretrainedError::io(path))?;
    // Whoever opens a pipe waits for its other end.
    if !about.is_file() {
        return Err(bad("it is no file".to_owned()));
    }
    let size = about.len();
    let mut file = File::open(path).map_err(PretrainedError::io(path))?;
    let mut length = [0; LENGTH_BYTES as usize];
    file.read_exact(&mut length).map_err(|_| bad(format!("it has {size} bytes only")))?;
    let length = u64::from_le_bytes(length);
    if length > size.saturating_sub(LENGTH_BYTES).min(LONGEST_HEADER) {
        return Err(bad(format!("it claims a header of {length} bytes, but has {size} in all")));
    }
    let mut header = vec![0; length as usize];
    file.read_exact(&mut header).map_err(PretrainedError::io(path))?;
    // Checks that the tensors follow each other and are as long as their shapes say.
    let metadata: Metadata = serde_json::from_slice(&header)
        .map_err(|error| bad(format!("its header is not sound ({error})")))?;
    let start = LENGTH_BYTES + length;
    let mut weights = Vec::new();
    for (tensor, info) in
        metadata.offset_keys().into_iter().filter_map(|it| Some((it.clone(), metadata.info(&it)?)))
    {
        let (from, to) = info.data_offsets;
        let (offset, bytes) = (start + from as u64, (to - from) as u64);
        if offset.saturating_add(bytes) > size {
            let end = offset.saturating_add(bytes);
            let reason =
                format!("it is cut off: {tensor} ends at byte {end}, and the file has {size}");
            return Err(bad(reason));
        }
        let (part, role) = place(&tensor);
        let shape = info.shape.iter().map(|size| *size as u64).collect();
        let element = element(info.dtype);
        let file = Some(name.into());
        weights.push(Weight { name: tensor, shape, element, bytes, file, offset, part, role });
    }
    Ok(weights)
}

fn element(dtype: Dtype) -> Element {
    match dtype {
        Dtype::F32 => Element::F32,
        Dtype::F16 => Element::F16,
        Dtype::BF16 => Element::BF16,
        Dtype::F64 => Element::new("f64", (1, 8)),
        Dtype::I64 | Dtype::U64 => Element::new("i64", (1, 8)),
        Dtype::I32 | Dtype::U32 => Element::new("i32", (1, 4)),
        Dtype::I16 | Dtype::U16 => Element::new("i16", (1, 2)),
        Dtype::BOOL | Dtype::I8 | Dtype::U8 => Element::new("i8", (1, 1)),
        _ => Element::new("f8", (1, 1)),
    }
}
