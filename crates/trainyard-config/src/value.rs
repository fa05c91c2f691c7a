//! The types a key can have: how each is read from TOML, written, checked and described.

use std::path::{Path, PathBuf};

use serde_json::json;
use toml::Value;

use crate::key::Choice;
use crate::names::did_you_mean;

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

/// A value as a message names it.
pub trait Show {
    /// The text after `is`.
    fn show(&self) -> String;
}

macro_rules! whole_numbers {
    ($words:literal: $($number:ty),*) => {$(
        impl KeyType for $number {
            type Item = Self;

            fn read(value: &Value, _: ValueContext<'_>) -> Result<Self, String> {
                let number = value.as_integer().ok_or_else(Self::words)?;
                Self::try_from(number).map_err(|_| match number {
                    ..0 if Self::MIN == 0 => Self::words(),
                    ..0 => format!("at least {}", Self::MIN),
                    0.. => format!("at most {}", Self::MAX),
                })
            }

            fn write(&self) -> Result<Option<Value>, String> {
                let number = i64::try_from(*self);
                let number = number.map_err(|_| format!("{self} is above {}", i64::MAX))?;
                Ok(Some(Value::Integer(number)))
            }

            fn items(&self) -> Vec<&Self> {
                vec![self]
            }

            fn words() -> String {
                $words.to_owned()
            }

            fn schema() -> serde_json::Value {
                let mut schema = json!({"type": "integer"});
                if Self::MIN == 0 {
                    schema["minimum"] = json!(0);
                }
                schema
            }
        }

        impl Show for $number {
            fn show(&self) -> String {
                self.to_string()
            }
        }
    )*};
}

whole_numbers!("a whole number, 0 or more": u8, u16, u32, u64, usize);
whole_numbers!("a whole number": i32, i64);

impl KeyType for f64 {
    type Item = Self;

    fn read(value: &Value, _: ValueContext<'_>) -> Result<Self, String> {
        let number = value.as_float().or_else(|| value.as_integer().map(|number| number as Self));
        number.ok_or_else(Self::words)
    }

    fn write(&self) -> Result<Option<Value>, String> {
        Ok(Some(Value::Float(*self)))
    }

    fn items(&self) -> Vec<&Self> {
        vec![self]
    }

    fn words() -> String {
        "a number".to_owned()
    }

    fn schema() -> serde_json::Value {
        json!({"type": "number"})
    }
}

impl Show for f64 {
    fn show(&self) -> String {
        self.to_string()
    }
}

impl KeyType for bool {
    type Item = Self;

    fn read(value: &Value, _: ValueContext<'_>) -> Result<Self, String> {
        value.as_bool().ok_or_else(Self::words)
    }

    fn write(&self) -> Result<Option<Value>, String> {
        Ok(Some(Value::Boolean(*self)))
    }

    fn items(&self) -> Vec<&Self> {
        vec![self]
    }

    fn words() -> String {
        "true or false".to_owned()
    }

    fn schema() -> serde_json::Value {
        json!({"type": "boolean"})
    }
}

impl Show for bool {
    fn show(&self) -> String {
        self.to_string()
    }
}

impl KeyType for String {
    type Item = Self;

    fn read(value: &Value, context: ValueContext<'_>) -> Result<Self, String> {
        value.as_str().or(context.typed).map(str::to_owned).ok_or_else(Self::words)
    }

    fn write(&self) -> Result<Option<Value>, String> {
        Ok(Some(Value::String(self.clone())))
    }

    fn items(&self) -> Vec<&Self> {
        vec![self]
    }

    fn words() -> String {
        "a text in quotes".to_owned()
    }

    fn schema() -> serde_json::Value {
        json!({"type": "string"})
    }
}

impl Show for String {
    fn show(&self) -> String {
        if self.trim().is_empty() { "empty".to_owned() } else { format!("{self:?}") }
    }
}

impl KeyType for PathBuf {
    type Item = Self;

    fn read(value: &Value, context: ValueContext<'_>) -> Result<Self, String> {
        let text = String::read(value, context)?;
        let path = context.folder.map_or_else(|| Self::from(&text), |folder| folder.join(&text));
        let absolute = std::path::absolute(path).ok().filter(|_| !text.is_empty());
        absolute.ok_or_else(|| "the name of a file or folder".to_owned())
    }

    fn write(&self) -> Result<Option<Value>, String> {
        let text = self.to_str().ok_or_else(|| format!("{} is not UTF-8", self.display()))?;
        Ok(Some(Value::String(text.to_owned())))
    }

    fn items(&self) -> Vec<&Self> {
        vec![self]
    }

    fn words() -> String {
        "a file or folder, in quotes".to_owned()
    }

    fn schema() -> serde_json::Value {
        json!({"type": "string", "minLength": 1})
    }
}

impl Show for PathBuf {
    fn show(&self) -> String {
        format!("'{}'", self.display())
    }
}

/// A number of bytes, which a run file may also write with a unit: `"6 GiB"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(
    /// The bytes.
    pub u64,
);

impl KeyType for ByteSize {
    type Item = u64;

    fn read(value: &Value, context: ValueContext<'_>) -> Result<Self, String> {
        if value.is_integer() {
            return u64::read(value, context).map(Self).map_err(|_| Self::words());
        }
        let text = String::read(value, context).map_err(|_| Self::words())?;
        trainyard_plan::memory::parse_bytes(&text).map(Self).map_err(|_| Self::words())
    }

    /// Whole MiB the way people write them, and anything else as a number of bytes.
    fn write(&self) -> Result<Option<Value>, String> {
        const MIB: u64 = 1 << 20;
        if self.0 > 0 && self.0.is_multiple_of(MIB) {
            return Ok(Some(Value::String(format!("{} MiB", self.0 / MIB))));
        }
        self.0.write()
    }

    fn items(&self) -> Vec<&u64> {
        vec![&self.0]
    }

    fn words() -> String {
        "a size such as \"6 GiB\", or a whole number of bytes".to_owned()
    }

    fn schema() -> serde_json::Value {
        json!({"type": ["string", "integer"], "minimum": 0})
    }
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
                    return alone.map(|item| vec![item]).map_err(|_| Self::words());
                };
                // What was typed is the whole list.
                let context = ValueContext { typed: None, ..context };
                let items: Result<Self, String> =
                    values.iter().map(|value| <$item>::read(value, context)).collect();
                items.map_err(|_| Self::words())
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

lists!(String: "a list of texts in quotes", PathBuf: "a list of files or folders, in quotes");

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
