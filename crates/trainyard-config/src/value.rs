//! The types a key can have: how each is read from TOML, written, checked and described.

mod byte_size;
mod plain;
mod precision;
mod slice_count;

use std::path::{Path, PathBuf};

use serde_json::json;
use toml::Value;

use crate::names::did_you_mean;
pub use byte_size::ByteSize;
pub use slice_count::SliceCount;

/// Where a value comes from, as far as its reading depends on it.
#[derive(Clone, Copy, Debug, Default)]
pub struct ValueContext<'a> {
    /// Its text as it was typed, where it comes from a `--set`: there are no quotes on a command
    /// line, so `--set device.0.adapter=1` means the text "1".
    pub typed: Option<&'a str>,
    /// What a relative path is relative to; the working directory where it is not given.
    pub folder: Option<&'a Path>,
}

/// A type a key can have.
///
/// An entry of a list, or the value inside an `Option`, is an item: checks look at items.
pub trait KeyType: Sized + Clone + PartialEq {
    /// What a check looks at.
    type Item: Show;
    /// Reads a value.
    ///
    /// # Errors
    /// What the value must be, as the end of `… is 3, but must be`.
    fn read(value: &Value, context: ValueContext<'_>) -> Result<Self, String>;
    /// The value as TOML; `None` for one that is left out.
    ///
    /// # Errors
    /// Why TOML cannot hold it.
    fn write(&self) -> Result<Option<Value>, String>;
    /// The items, in order.
    fn items(&self) -> Vec<&Self::Item>;
    /// The type in words, such as "a whole number, 0 or more".
    fn words() -> String;
    /// The type as a piece of JSON Schema.
    fn schema() -> serde_json::Value;
    /// The words that a value can be, where there are only a few.
    fn choices() -> Vec<Choice> {
        Vec::new()
    }
}

/// One of the words that a key can be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The word.
    pub name: String,
    /// What it means; may be empty.
    pub doc: String,
}

/// A value as a message names it.
pub trait Show {
    /// The text after `is`.
    fn show(&self) -> String;
}

impl<T: KeyType> KeyType for Option<T> {
    type Item = T::Item;

    fn read(value: &Value, context: ValueContext<'_>) -> Result<Self, String> {
        T::read(value, context).map(Some)
    }

    fn write(&self) -> Result<Option<Value>, String> {
        self.as_ref().map_or(Ok(None), KeyType::write)
    }

    fn items(&self) -> Vec<&T::Item> {
        self.as_ref().map_or_else(Vec::new, KeyType::items)
    }

    fn words() -> String {
        T::words()
    }

    fn schema() -> serde_json::Value {
        T::schema()
    }

    fn choices() -> Vec<Choice> {
        T::choices()
    }
}

/// A list may also be written as its one entry.
macro_rules! lists {
    ($($item:ty: $words:literal),*) => {$(
        impl KeyType for Vec<$item> {
            type Item = $item;

            fn read(value: &Value, context: ValueContext<'_>) -> Result<Self, String> {
                let Value::Array(values) = value else {
                    let alone = <$item>::read(value, context);
                    return alone.map(|item| vec![item]).map_err(|must| {
                        if must == <$item>::words() { Self::words() } else { must }
                    });
                };
                // What was typed is the whole list.
                let context = ValueContext { typed: None, ..context };
                let items: Result<Self, String> =
                    values.iter().map(|value| <$item>::read(value, context)).collect();
                items.map_err(|must| match must == <$item>::words() {
                    true => Self::words(),
                    false => format!("{}, each {must}", Self::words()),
                })
            }

            fn write(&self) -> Result<Option<Value>, String> {
                if self.is_empty() {
                    return Ok(None);
                }
                let written: Result<Vec<_>, _> = self.iter().map(KeyType::write).collect();
                Ok(Some(Value::Array(written?.into_iter().flatten().collect())))
            }

            fn items(&self) -> Vec<&$item> {
                self.iter().collect()
            }

            fn words() -> String {
                $words.to_owned()
            }

            fn schema() -> serde_json::Value {
                let item = <$item>::schema();
                json!({"anyOf": [item.clone(), {"type": "array", "items": item}]})
            }
        }
    )*};
}

lists!(
    String: "a list of texts in quotes",
    PathBuf: "a list of files or folders, in quotes",
    u32: "a list of whole numbers"
);

/// Reads one of a few words; for [`choices!`](crate::choices).
///
/// # Errors
/// The words, and the one that is nearest.
pub fn read_choice<T: Copy>(value: &Value, choices: &[(&str, T)]) -> Result<T, String> {
    let word = value.as_str().unwrap_or_default();
    choices.iter().find(|(name, _)| *name == word).map(|(_, choice)| *choice).ok_or_else(|| {
        let quoted: Vec<String> = choices.iter().map(|(name, _)| format!("\"{name}\"")).collect();
        let hint = if word.is_empty() {
            String::new()
        } else {
            did_you_mean(word, choices.iter().map(|(name, _)| *name))
        };
        format!("{}{hint}", quoted.join(" or "))
    })
}

/// The schema of a few words; for [`choices!`](crate::choices).
pub fn choice_schema(choices: &[Choice]) -> serde_json::Value {
    let names: Vec<&str> = choices.iter().map(|choice| choice.name.as_str()).collect();
    json!({"type": "string", "enum": names})
}
