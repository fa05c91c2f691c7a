//! Numbers of slices as values of keys.

use serde_json::json;
use toml::Value;

use super::{KeyType, Show, ValueContext};

/// Slices of a context: a number, or the planner's choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SliceCount {
    /// The planner picks.
    Auto,
    /// This number, at least 1.
    Number(usize),
}

/// The most slices: a mistyped number is an error.
const MOST: usize = 1 << 16;
/// The word for [`SliceCount::Auto`].
const AUTO: &str = "auto";

impl Default for SliceCount {
    fn default() -> Self {
        Self::Number(1)
    }
}

impl Show for SliceCount {
    fn show(&self) -> String {
        match self {
            Self::Auto => format!("{AUTO:?}"),
            Self::Number(number) => number.to_string(),
        }
    }
}

impl KeyType for SliceCount {
    type Item = Self;

    fn read(value: &Value, _: ValueContext<'_>) -> Result<Self, String> {
        match value {
            Value::String(text) if text == AUTO => Ok(Self::Auto),
            Value::Integer(number) => match usize::try_from(*number) {
                Ok(number) if (1..=MOST).contains(&number) => Ok(Self::Number(number)),
                _ => Err(Self::words()),
            },
            _ => Err(Self::words()),
        }
    }

    fn write(&self) -> Result<Option<Value>, String> {
        Ok(Some(match self {
            Self::Auto => Value::String(AUTO.to_owned()),
            Self::Number(number) => {
                Value::Integer(i64::try_from(*number).map_err(|error| error.to_string())?)
            }
        }))
    }

    fn items(&self) -> Vec<&Self> {
        vec![self]
    }

    fn words() -> String {
        format!("a whole number from 1 to {MOST}, or \"{AUTO}\"")
    }

    fn schema() -> serde_json::Value {
        json!({"anyOf": [{"type": "integer", "minimum": 1, "maximum": MOST}, {"const": AUTO}]})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_or_auto() {
        let read = |value| SliceCount::read(&value, ValueContext::default());
        assert_eq!(read(Value::Integer(4)), Ok(SliceCount::Number(4)));
        assert_eq!(read(Value::String("auto".into())), Ok(SliceCount::Auto));
        for bad in [Value::Integer(0), Value::Integer(-1), Value::Integer(65_537)] {
            assert_eq!(read(bad), Err(SliceCount::words()));
        }
        assert_eq!(read(Value::String("many".into())), Err(SliceCount::words()));
        for count in [SliceCount::Auto, SliceCount::Number(3)] {
            assert_eq!(read(count.write().unwrap().unwrap()), Ok(count), "{}", count.show());
        }
    }
}
