//! The lists of a GGUF file's metadata that a tokenizer is made of; [`Gguf`](super::Gguf) leaves lists out.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use super::read::Reader;
use super::{MAGIC, Value};
use crate::error::PretrainedError;

/// A value of the metadata that is a list.
const LIST: u32 = 9;
/// A text.
const TEXT: u32 = 8;

/// Some lists of a file by their keys.
#[derive(Debug, Default)]
pub(crate) struct Lists {
    texts: BTreeMap<String, Vec<String>>,
    numbers: BTreeMap<String, Vec<f64>>,
}

impl Lists {
    /// Reads the lists of some keys.
    ///
    /// # Errors
    /// As [`Gguf::open`](super::Gguf::open).
    pub(crate) fn read(path: &Path, wanted: &[&str]) -> Result<Self, PretrainedError> {
        let file = File::open(path).map_err(PretrainedError::io(path))?;
        let bytes = file.metadata().map_err(PretrainedError::io(path))?.len();
        let reader = &mut Reader::new(BufReader::new(file), bytes);
        Self::of(reader, wanted).map_err(|reason| PretrainedError::bad_file(path, reason))
    }

    fn of(reader: &mut Reader<impl Read>, wanted: &[&str]) -> Result<Self, String> {
        if reader.bytes::<4>()? != MAGIC {
            return Err("it is no GGUF file: it does not begin with GGUF".to_owned());
        }
        let (_version, _tensors, pairs) = (reader.u32()?, reader.u64()?, reader.u64()?);
        let mut lists = Self::default();
        for _ in 0..pairs {
            let key = reader.text()?;
            let kind = reader.u32()?;
            if kind != LIST || !wanted.contains(&key.as_str()) {
                reader.value_of(kind, 0)?;
                continue;
            }
            let (kind, length) = (reader.u32()?, reader.u64()?);
            if kind == TEXT {
                let texts = (0..length).map(|_| reader.text()).collect::<Result<_, _>>()?;
                lists.texts.insert(key, texts);
            } else {
                let number = |value| match value {
                    Value::Number(number) => Ok(number as f64),
                    Value::Float(number) => Ok(number),
                    other => Err(format!("{key} has {other:?} where a number should be")),
                };
                let mut next = || reader.value_of(kind, 1).and_then(number);
                let numbers = (0..length).map(|_| next()).collect::<Result<_, _>>()?;
                lists.numbers.insert(key, numbers);
            }
        }
        Ok(lists)
    }

    /// A list of texts; empty where there is none.
    pub(crate) fn texts(&self, key: &str) -> &[String] {
        self.texts.get(key).map_or(&[], Vec::as_slice)
    }

    /// A list of numbers; empty where there is none.
    pub(crate) fn numbers(&self, key: &str) -> &[f64] {
        self.numbers.get(key).map_or(&[], Vec::as_slice)
    }
}
