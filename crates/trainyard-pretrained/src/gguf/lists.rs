//! Lists of a GGUF file's metadata, which are long: those that somebody asks for are kept.

use std::collections::BTreeMap;
use std::io::Read;

use super::Value;
use super::read::Reader;

/// A text.
const TEXT: u32 = 8;

/// Some lists of a file by their keys.
#[derive(Debug, Default)]
pub(crate) struct Lists {
    texts: BTreeMap<String, Vec<String>>,
    numbers: BTreeMap<String, Vec<f64>>,
}

impl Lists {
    /// Reads a list, and keeps it under its key.
    pub(super) fn keep(
        &mut self,
        key: &str,
        reader: &mut Reader<impl Read>,
    ) -> Result<Value, String> {
        let (kind, length) = (reader.u32()?, reader.u64()?);
        if kind == TEXT {
            let texts = (0..length).map(|_| reader.text()).collect::<Result<_, _>>()?;
            self.texts.insert(key.to_owned(), texts);
        } else {
            let number = |value| match value {
                Value::Number(number) => Ok(number as f64),
                Value::Float(number) => Ok(number),
                other => Err(format!("{other:?} stands where a number should be")),
            };
            let mut next = || reader.value_of(kind, 1).and_then(number);
            let numbers = (0..length).map(|_| next()).collect::<Result<_, _>>()?;
            self.numbers.insert(key.to_owned(), numbers);
        }
        Ok(Value::List(length))
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
