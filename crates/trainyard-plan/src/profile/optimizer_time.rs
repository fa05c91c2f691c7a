//! The time of a device's optimizer step: one number, or a number a layer.

use serde::de::value::SeqAccessDeserializer;
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::json::{checked_micros, many_micros};

/// The time of a device's optimizer step, µs.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum OptimizerTime {
    /// One time, however many layers it holds.
    Device(f64),
    /// Layer by layer; a device's step takes the sum over its layers.
    Layers(Vec<f64>),
}

impl Default for OptimizerTime {
    fn default() -> Self {
        Self::Device(0.0)
    }
}

impl<'de> Deserialize<'de> for OptimizerTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneTimeOrMany)
    }
}

struct OneTimeOrMany;

impl<'de> Visitor<'de> for OneTimeOrMany {
    type Value = OptimizerTime;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a time, or one for each layer")
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<OptimizerTime, E> {
        checked_micros(value).map(OptimizerTime::Device)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<OptimizerTime, E> {
        self.visit_f64(value as f64)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<OptimizerTime, E> {
        self.visit_f64(value as f64)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, sequence: A) -> Result<OptimizerTime, A::Error> {
        many_micros(SeqAccessDeserializer::new(sequence)).map(OptimizerTime::Layers)
    }
}
