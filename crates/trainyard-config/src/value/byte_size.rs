//! Sizes in bytes as values of keys.

use serde_json::json;
use toml::Value;

use super::{KeyType, ValueContext};

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
