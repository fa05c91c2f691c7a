//! GGUF files (llama.cpp's `docs/gguf.md`, versions 2 and 3): metadata, and where each tensor lies.

mod element;
mod lists;
mod names;
mod read;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use crate::error::PretrainedError;
use crate::weight::{Element, Weight};
#[cfg(test)]
pub(crate) use element::element;
pub(crate) use element::number_of;
use lists::Lists;
pub(crate) use names::{InGguf, ROPE_FACTORS, in_gguf, is_derived};
use read::{LIST, Reader};

/// The first bytes of every such file.
pub(crate) const MAGIC: [u8; 4] = *b"GGUF";
/// No tensor that is read beside the metadata is larger, bytes.
const LARGEST_SMALL: u64 = 1 << 20;

/// What a GGUF file says before its numbers.
#[derive(Debug)]
pub(crate) struct Gguf {
    metadata: BTreeMap<String, Value>,
    /// Lists that were asked for.
    pub(crate) lists: Lists,
    /// In the file's order.
    pub(crate) weights: Vec<Weight>,
}

/// A value of the metadata, as far as anybody asks for it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Number(i128),
    Float(f64),
    Flag(bool),
    Text(String),
    /// How many there are.
    List(u64),
}

impl Gguf {
    /// Reads all but the numbers of weights, and but for lists.
    ///
    /// # Errors
    /// As [`Self::open_with_lists`].
    pub(crate) fn open(path: &Path) -> Result<Self, PretrainedError> {
        Self::open_with_lists(path, &[])
    }

    /// The same with the lists of some keys.
    ///
    /// # Errors
    /// [`PretrainedError::Io`]; [`PretrainedError::BadFile`] for a file that is damaged or cut.
    pub(crate) fn open_with_lists(path: &Path, lists: &[&str]) -> Result<Self, PretrainedError> {
        let file = File::open(path).map_err(PretrainedError::io(path))?;
        let bytes = file.metadata().map_err(PretrainedError::io(path))?.len();
        let mut reader = Reader::new(BufReader::new(file), bytes);
        let read = Self::read(&mut reader, lists);
        let read = read.map_err(|reason| PretrainedError::bad_file(path, reason))?;
        let file = path.file_name().map(Into::into);
        let weights =
            read.weights.into_iter().map(|weight| Weight { file: file.clone(), ..weight });
        Ok(Self { weights: weights.collect(), ..read })
    }

    fn read(reader: &mut Reader<impl Read>, wanted: &[&str]) -> Result<Self, String> {
        if reader.bytes::<4>()? != MAGIC {
            return Err("it is no GGUF file: it does not begin with GGUF".to_owned());
        }
        let version = reader.u32()?;
        if !(2..=3).contains(&version) {
            return Err(format!("it is a GGUF file of version {version}; 2 and 3 can be read"));
        }
        let (tensors, pairs) = (reader.u64()?, reader.u64()?);
        let (mut metadata, mut lists) = (BTreeMap::new(), Lists::default());
        for _ in 0..pairs {
            let (key, kind) = (reader.text()?, reader.u32()?);
            let value = if kind == LIST && wanted.contains(&key.as_str()) {
                lists.keep(&key, reader)
            } else {
                reader.value_of(kind, 0)
            };
            let value = value.map_err(|reason| format!("{key}: {reason}"))?;
            metadata.insert(key, value);
        }
        let mut weights = Vec::new();
        for _ in 0..tensors {
            let weight = reader.tensor()?;
            weights.push(weight);
        }
        let alignment = match metadata.get("general.alignment") {
            Some(Value::Number(alignment)) => u64::try_from(*alignment).unwrap_or(0),
            _ => 32,
        };
        if !alignment.is_power_of_two() {
            return Err(format!("general.alignment is {alignment}, but must be a power of two"));
        }
        let start = reader.position().next_multiple_of(alignment);
        for weight in &mut weights {
            weight.offset = weight.offset.saturating_add(start);
            let end = weight.offset.saturating_add(weight.bytes);
            if end > reader.size() {
                let (name, has) = (&weight.name, reader.size());
                return Err(format!(
                    "it is cut off: {name} ends at byte {end}, and the file has {has}"
                ));
            }
        }
        Ok(Self { metadata, lists, weights })
    }

    /// What a file says whose tensors' numbers are not written yet, from all that comes before them, with the lists of
    /// some keys.
    ///
    /// # Errors
    /// In words, for what is no such beginning.
    pub(crate) fn of_head(head: &[u8], lists: &[&str]) -> Result<Self, String> {
        Self::read(&mut Reader::new(head, u64::MAX), lists)
    }

    /// Whether the metadata have a value of any kind under a key.
    pub(crate) fn says(&self, key: &str) -> bool {
        self.metadata.contains_key(key)
    }

    /// A text of the metadata.
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        match self.metadata.get(key) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// A whole number of the metadata.
    pub(crate) fn number(&self, key: &str) -> Option<u64> {
        match self.metadata.get(key) {
            Some(Value::Number(number)) => u64::try_from(*number).ok(),
            _ => None,
        }
    }

    /// A number of the metadata.
    pub(crate) fn float(&self, key: &str) -> Option<f64> {
        match self.metadata.get(key) {
            Some(Value::Float(number)) => Some(*number),
            Some(Value::Number(number)) => Some(*number as f64),
            _ => None,
        }
    }

    /// A yes or no of the metadata.
    pub(crate) fn flag(&self, key: &str) -> Option<bool> {
        match self.metadata.get(key) {
            Some(Value::Flag(flag)) => Some(*flag),
            _ => None,
        }
    }

    /// The numbers of a small tensor of 32-bit floats, where there is one of this name.
    ///
    /// # Errors
    /// [`PretrainedError::Io`]; [`PretrainedError::BadFile`] for one that is stored otherwise or is large.
    pub(crate) fn floats(
        &self,
        path: &Path,
        name: &str,
    ) -> Result<Option<Vec<f32>>, PretrainedError> {
        let Some(weight) = self.weights.iter().find(|weight| weight.name == name) else {
            return Ok(None);
        };
        if weight.element != Element::F32 || weight.bytes > LARGEST_SMALL {
            let reason = format!("{name} is {} bytes of {}", weight.bytes, weight.element.name());
            return Err(PretrainedError::bad_file(path, reason));
        }
        let read = || {
            let mut file = File::open(path)?;
            file.seek(SeekFrom::Start(weight.offset))?;
            let mut bytes = vec![0; weight.bytes as usize];
            file.read_exact(&mut bytes)?;
            Ok(bytes)
        };
        let bytes = read().map_err(PretrainedError::io(path))?;
        let (numbers, _) = bytes.as_chunks::<4>();
        Ok(Some(numbers.iter().map(|number| f32::from_le_bytes(*number)).collect()))
    }

    /// llama.cpp's name of its tokenizer; None where it has none.
    pub(crate) fn tokenizer_kind(&self) -> Option<&str> {
        self.text("tokenizer.ggml.model").filter(|kind| *kind != "no_vocab")
    }

    /// How many tokens its tokenizer has.
    pub(crate) fn tokens(&self) -> Option<u64> {
        match self.metadata.get("tokenizer.ggml.tokens") {
            Some(Value::List(tokens)) => Some(*tokens),
            _ => None,
        }
    }

    /// Whether there is a tensor of a name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.weights.iter().any(|weight| weight.name == name)
    }

    /// How most of the numbers are stored.
    pub(crate) fn most_common_element(&self) -> Option<Element> {
        let mut numbers = BTreeMap::<Element, u64>::new();
        for weight in &self.weights {
            let of_element = numbers.entry(weight.element).or_default();
            *of_element = of_element.saturating_add(weight.numbers());
        }
        numbers.into_iter().max_by_key(|(_, numbers)| *numbers).map(|(element, _)| element)
    }
}
