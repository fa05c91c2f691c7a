//! The numbers in which devices compute products as values of keys.

use toml::Value;
use trainyard_plan::Precision;

use super::{Choice, KeyType, Show, ValueContext, choice_schema, read_choice};

impl Show for Precision {
    fn show(&self) -> String {
        format!("{:?}", self.text())
    }
}

impl KeyType for Precision {
    type Item = Self;

    fn read(value: &Value, _: ValueContext<'_>) -> Result<Self, String> {
        read_choice(value, &Self::ALL.map(|precision| (precision.text(), precision)))
    }

    fn write(&self) -> Result<Option<Value>, String> {
        Ok(Some(Value::String(self.text().to_owned())))
    }

    fn items(&self) -> Vec<&Self> {
        vec![self]
    }

    fn words() -> String {
        "one of a few words".to_owned()
    }

    fn schema() -> serde_json::Value {
        choice_schema(&Self::choices())
    }

    fn choices() -> Vec<Choice> {
        let choice = |precision: Self| Choice {
            name: precision.text().to_owned(),
            doc: match precision {
                Self::F32 => "32-bit floats.",
                Self::F16 => "Half the bits: 11 significant ones, sizes from 6e-8 to 65504.",
                Self::Bf16 => "Half the bits: 8 significant ones, all sizes.",
            }
            .to_owned(),
        };
        Self::ALL.map(choice).to_vec()
    }
}
