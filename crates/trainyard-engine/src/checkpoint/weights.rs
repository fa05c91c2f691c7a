//! The weights in a checkpoint, on the host, for other programs.

use std::collections::BTreeMap;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors};

use super::{LayerRecord, damaged};
use crate::EngineError;

/// Weights and buffers of one layer by their paths, each row by row. Those that the model makes anew each time
/// ([`Model::frozen_from`](crate::Model::frozen_from)) are not among them.
///
/// # Errors
/// [`EngineError::Checkpoint`] for a file that is not as it was written.
pub fn read_weights(
    folder: &Path,
    record: &LayerRecord,
) -> Result<BTreeMap<String, Vec<f32>>, EngineError> {
    let (path, bytes) = record.read(folder)?;
    let file =
        SafeTensors::deserialize(&bytes).map_err(|error| damaged(&path, error.to_string()))?;
    let weights = file.tensors().into_iter().filter(|(_, view)| view.dtype() == Dtype::F32);
    let named = weights.filter_map(|(name, view)| {
        let (numbers, _) = view.data().as_chunks();
        let numbers = numbers.iter().map(|bytes| f32::from_le_bytes(*bytes));
        Some((name.strip_prefix("weight/")?.to_owned(), numbers.collect()))
    });
    Ok(named.collect())
}
