//! Between layers, and as weights, there are 32-bit floats: backends compute with others beside these without a
//! word, and wrongly.

use burn::tensor::DType;

use crate::{EngineError, ErasedLayer, Value};

/// Refuses weights of another type, before anything is computed with them.
///
/// # Errors
/// [`EngineError::Layer`] with the path of the first.
pub(super) fn check_weights(name: &str, layer: &ErasedLayer) -> Result<(), EngineError> {
    let values = layer.weight_values();
    let of_another = |dtype: DType| dtype.is_float() && dtype != DType::F32;
    let mut weights = layer.weights().iter().zip(&values);
    match weights.find(|(_, value)| of_another(value.dtype())) {
        None => Ok(()),
        Some((weight, value)) => Err(EngineError::Layer {
            layer: name.to_owned(),
            reason: format!(
                "its weight '{}' is {:?}, but weights are 32-bit floats: cast it where it is used",
                weight.path,
                value.dtype()
            ),
        }),
    }
}

/// Refuses what a layer gives of another type.
///
/// # Errors
/// [`EngineError::WrongTensor`] with its name.
pub(super) fn check_given(name: &str, value: &Value) -> Result<(), EngineError> {
    if !value.is_float() || value.dtype() == DType::F32 {
        return Ok(());
    }
    Err(EngineError::WrongTensor {
        expected: format!("32-bit floats as '{name}' (cast what a layer computes in others)"),
        found: value.describe(),
    })
}
