//! GGUF files as tests write them, value by value.
#![allow(dead_code, reason = "every test binary uses its own part")]

use std::fs;
use std::path::Path;

/// A value of the metadata.
pub(crate) enum Meta<'a> {
    Text(&'a str),
    Number(u32),
    Long(u64),
    Float(f32),
    Flag(bool),
    Texts(Vec<String>),
    Floats(Vec<f64>),
    Ints(Vec<i32>),
}

/// Writes a file with vectors of 32-bit floats, each with its name.
pub(crate) fn gguf(path: &Path, all: &[(impl AsRef<str>, Meta<'_>)], tensors: &[(&str, Vec<f32>)]) {
    let mut out = b"GGUF".to_vec();
    out.extend(3_u32.to_le_bytes());
    out.extend((tensors.len() as u64).to_le_bytes());
    out.extend((all.len() as u64).to_le_bytes());
    for (key, value) in all {
        text(&mut out, key.as_ref());
        put(&mut out, value);
    }
    let mut offset = 0_u64;
    for (name, numbers) in tensors {
        text(&mut out, name);
        number(&mut out, 1);
        out.extend((numbers.len() as u64).to_le_bytes());
        number(&mut out, 0);
        out.extend(offset.to_le_bytes());
        offset = (offset + 4 * numbers.len() as u64).next_multiple_of(32);
    }
    out.resize(out.len().next_multiple_of(32), 0);
    for (_, numbers) in tensors {
        out.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
        out.resize(out.len().next_multiple_of(32), 0);
    }
    fs::write(path, out).unwrap();
}

fn put(out: &mut Vec<u8>, value: &Meta<'_>) {
    let list = |out: &mut Vec<u8>, of: u32, length: usize| {
        number(out, 9);
        number(out, of);
        out.extend((length as u64).to_le_bytes());
    };
    match value {
        Meta::Text(value) => {
            number(out, 8);
            text(out, value);
        }
        Meta::Number(value) => {
            number(out, 4);
            number(out, *value);
        }
        Meta::Long(value) => {
            number(out, 10);
            out.extend(value.to_le_bytes());
        }
        Meta::Float(value) => {
            number(out, 6);
            out.extend(value.to_le_bytes());
        }
        Meta::Flag(value) => {
            number(out, 7);
            out.push((*value).into());
        }
        Meta::Texts(values) => {
            list(out, 8, values.len());
            for value in values {
                text(out, value);
            }
        }
        Meta::Floats(values) => {
            list(out, 6, values.len());
            out.extend(values.iter().flat_map(|value| (*value as f32).to_le_bytes()));
        }
        Meta::Ints(values) => {
            list(out, 5, values.len());
            out.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        }
    }
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

fn number(out: &mut Vec<u8>, number: u32) {
    out.extend(number.to_le_bytes());
}
