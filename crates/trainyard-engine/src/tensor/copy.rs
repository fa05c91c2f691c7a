//! Copies in host memory, which whoever makes them owns.
//!
//! Burn copies host tensors byte by byte, and once more where the copy must begin at a multiple of the
//! elements' size. A copy of elements does at once.

use burn::backend::flex::FlexTensor;
use burn::backend::{BackendTensor, DispatchKindConversion, DispatchTensor, Flex};
use burn::tensor::{DType, Shape, TensorData};

use super::Value;
use crate::EngineError;

impl Value {
    /// A copy, on the same device.
    ///
    /// # Errors
    /// [`EngineError::WrongTensor`] for a tensor that is not on a CPU device.
    pub(crate) fn copied(self) -> Result<Self, EngineError> {
        let found = self.describe();
        let copy = |tensor| {
            let expected = "a CPU tensor".to_owned();
            host_copy(tensor).ok_or(EngineError::WrongTensor { expected, found })
        };
        Ok(match self {
            Self::Float(tensor) => Self::Float(copy(tensor)?),
            Self::Int(tensor) => Self::Int(copy(tensor)?),
            Self::Bool(tensor) => Self::Bool(copy(tensor)?),
        })
    }
}

/// None for a tensor that is elsewhere.
fn host_copy(tensor: DispatchTensor) -> Option<DispatchTensor> {
    let copy =
        match <DispatchTensor as DispatchKindConversion<Flex>>::try_into_backend(tensor).ok()? {
            BackendTensor::Float(tensor) => BackendTensor::Float(copy_of(&tensor)),
            BackendTensor::Int(tensor) => BackendTensor::Int(copy_of(&tensor)),
            BackendTensor::Bool(tensor) => BackendTensor::Bool(copy_of(&tensor)),
            _ => return None,
        };
    Some(<DispatchTensor as DispatchKindConversion<Flex>>::from_backend(copy))
}

fn copy_of(tensor: &FlexTensor) -> FlexTensor {
    // Elements that do not lie side by side are gathered, which makes a copy.
    if !tensor.layout().is_contiguous() {
        return tensor.to_contiguous();
    }
    let shape = tensor.layout().shape().clone();
    if tensor.dtype() == DType::F32
        && let Some(elements) = tensor.as_slice::<f32>()
    {
        return FlexTensor::from_data(TensorData::new(elements.to_vec(), shape));
    }
    // What two hold is copied.
    FlexTensor::from_data(tensor.clone().into_data())
}

/// A copy of host data.
pub(crate) fn copied_data(data: &TensorData) -> TensorData {
    data_of(data.as_bytes(), data.shape().clone(), data.dtype())
}

/// A copy of the bytes of a tensor.
pub(crate) fn data_of(bytes: &[u8], shape: Shape, dtype: DType) -> TensorData {
    if dtype == DType::F32 {
        let (words, _) = bytes.as_chunks::<4>();
        let numbers: Vec<f32> = words.iter().map(|word| f32::from_ne_bytes(*word)).collect();
        return TensorData::new(numbers, shape);
    }
    TensorData::from_bytes_vec(bytes.to_vec(), shape, dtype)
}
