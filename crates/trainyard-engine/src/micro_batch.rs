//! A slice of the batch, on the host.

use std::sync::Arc;

use burn::tensor::TensorData;

use crate::{EngineError, HostTensors};

/// A slice of the batch, on the host.
#[derive(Clone, Debug, Default)]
pub struct MicroBatch {
    /// Its tensors by name; the first dimension of each is rows.
    pub tensors: HostTensors,
    /// How many rows.
    pub rows: usize,
}

impl MicroBatch {
    /// A micro-batch of `rows` rows without tensors.
    pub fn new(rows: usize) -> Self {
        Self { tensors: Vec::new(), rows }
    }

    /// One tensor more.
    #[must_use]
    pub fn with(mut self, name: &str, data: TensorData) -> Self {
        self.tensors.push((name.into(), data));
        self
    }

    /// A tensor, if there is one of that name.
    pub fn tensor(&self, name: &str) -> Option<&TensorData> {
        self.tensors.iter().find(|(known, _)| &**known == name).map(|(_, data)| data)
    }

    /// Copies of some tensors.
    pub(crate) fn tensors_of(&self, names: &[Arc<str>]) -> Result<HostTensors, EngineError> {
        let find = |name: &Arc<str>| {
            let data = self.tensor(name).ok_or_else(|| self.missing(name))?;
            Ok((Arc::clone(name), data.clone()))
        };
        names.iter().map(find).collect()
    }

    fn missing(&self, name: &str) -> EngineError {
        let held: Vec<&str> = self.tensors.iter().map(|(name, _)| &**name).collect();
        EngineError::WrongTensor {
            expected: format!("a tensor '{name}' in the batch"),
            found: if held.is_empty() { "none".to_owned() } else { held.join(", ") },
        }
    }
}
