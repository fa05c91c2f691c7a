//! Copies in host memory, which whoever makes them owns.
//!
//! Burn copies host tensors byte by byte, and once more where the copy must begin at a multiple of the
//! elements' size. A copy of elements does at once.

use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use burn::tensor::{Bool, DType, Int, Tensor, TensorData};

use super::Value;
use crate::EngineError;

impl Value {
    /// A copy, on the same device.
    ///
    /// # Errors
    /// [`EngineError::WrongTensor`] for a tensor that is not on a CPU device.
    pub(crate) fn copied(self) -> Result<Self, EngineError> {
        let found = self.describe();
        let elsewhere = |_| EngineError::WrongTensor { expected: "a CPU tensor".to_owned(), found };
        Ok(match self {
            Self::Float(tensor) => {
                let host = Tensor::<1>::from_dispatch(tensor).try_into_primitive::<Flex>();
                let copy = copy_of(&host.map_err(elsewhere)?);
                Self::Float(Tensor::<1>::from_primitive::<Flex>(copy).into_dispatch())
            }
            Self::Int(tensor) => {
                let host = Tensor::<1, Int>::from_dispatch(tensor).try_into_primitive::<Flex>();
                let copy = copy_of(&host.map_err(elsewhere)?);
                Self::Int(Tensor::<1, Int>::from_primitive::<Flex>(copy).into_dispatch())
            }
            Self::Bool(tensor) => {
                let host = Tensor::<1, Bool>::from_dispatch(tensor).try_into_primitive::<Flex>();
                let copy = copy_of(&host.map_err(elsewhere)?);
                Self::Bool(Tensor::<1, Bool>::from_primitive::<Flex>(copy).into_dispatch())
            }
        })
    }
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
    let shape = data.shape().clone();
    match data.as_slice::<f32>() {
        Ok(elements) => TensorData::new(elements.to_vec(), shape),
        Err(_) => TensorData::from_bytes_vec(data.as_bytes().to_vec(), shape, data.dtype()),
    }
}
