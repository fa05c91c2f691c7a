//! Sizes in bytes as values of keys.

use serde_json::json;
use toml::Value;
use trainyard_plan::memory::{SIZE_UNITS, exact_bytes, parse_bytes};

use super::{KeyType, ValueContext};

/// A number of bytes, which a run file writes with a unit: `"6 GiB"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(
    /// The bytes.
    pub u64,
);

/// A number without a unit is bytes from here on. Below it was meant in another unit: no device has
/// so little memory.
const LEAST_WITHOUT_UNIT: u64 = 1 << 20;

impl KeyType for ByteSize {
    type Item = u64;

    fn read(value: &Value, context: ValueContext<'_>) -> Result<Self, String> {
        let text = match value {
            Value::Integer(number) => number.to_string(),
            other => String::read(other, context).map_err(|_| refusal(""))?,
        };
        let bytes = parse_bytes(&text).map_err(|_| refusal(&text))?;
        let has_unit = text.contains(|c: char| c.is_ascii_alphabetic());
        if has_unit || bytes == 0 || bytes >= LEAST_WITHOUT_UNIT {
            return Ok(Self(bytes));
        }
        let number = text.trim();
        Err(format!(
            "a size with its unit, such as \"{number} MiB\" or \"{number} GiB\"; {SIZE_UNITS}"
        ))
    }

    fn write(&self) -> Result<Option<Value>, String> {
        Ok(Some(Value::String(exact_bytes(self.0))))
    }

    fn items(&self) -> Vec<&u64> {
        vec![&self.0]
    }

    fn words() -> String {
        "a size such as \"6 GiB\" or \"512 MB\"".to_owned()
    }

    fn schema() -> serde_json::Value {
        json!({"type": ["string", "integer"], "minimum": 0})
    }
}

fn refusal(text: &str) -> String {
    let no_share = if text.contains('%') { ", not a share" } else { "" };
    format!("{}{no_share}; {SIZE_UNITS}", ByteSize::words())
}
