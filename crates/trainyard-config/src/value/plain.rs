//! Numbers, truth values, texts and paths as values of keys.

use std::path::PathBuf;

use serde_json::json;
use toml::Value;

use super::{KeyType, Show, ValueContext};

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
        let text = String::read(value, context).map_err(|_| Self::words())?;
        let path = context.folder.map_or_else(|| Self::from(&text), |folder| folder.join(&text));
        let absolute = std::path::absolute(path).ok().filter(|_| !text.is_empty());
        let path = absolute.ok_or_else(|| "the name of a file or folder".to_owned())?;
        // `"C:\\temp"` is TOML, and its `\\t` a tab.
        if text.contains(char::is_control) && std::fs::symlink_metadata(&path).is_err() {
            let must = "a path without control characters: in double quotes a backslash begins an \
                        escape, so write single quotes or forward slashes";
            return Err(must.to_owned());
        }
        Ok(path)
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
