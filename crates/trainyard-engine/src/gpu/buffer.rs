//! Where a tensor lies in the memory of a wgpu device.

use burn::backend::{BackendTensor, DispatchKindConversion, DispatchTensor};
use burn_cubecl::Cube;
use burn_cubecl::cubecl::wgpu::{AutoCompiler, WgpuResource, WgpuServer};
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use wgpu::{Buffer, BufferAddress};

use crate::EngineError;

/// The elements of a tensor, side by side in a buffer of its device.
pub(crate) struct TensorBuffer {
    resource: WgpuResource,
    /// Keeps the place from being given to other tensors.
    _held: Box<dyn Send>,
}

impl TensorBuffer {
    /// Those of some tensors. All that Burn was asked for on this thread is then in the device's queue
    /// (`get_resource` submits it), so that what is submitted next comes behind.
    ///
    /// # Errors
    /// [`EngineError::Driver`] for tensors that are not on a wgpu device, or could not be computed.
    pub(crate) fn of_all(
        tensors: impl IntoIterator<Item = DispatchTensor>,
    ) -> Result<Vec<Self>, EngineError> {
        let contiguous = |tensor| cube_tensor(tensor).map(into_contiguous);
        // Before the first submission: each brings its own.
        let tensors = tensors.into_iter().map(contiguous).collect::<Result<Vec<_>, _>>()?;
        tensors.iter().map(Self::of).collect()
    }

    fn of(tensor: &CubeTensor) -> Result<Self, EngineError> {
        let held = tensor
            .client
            .get_resource::<WgpuServer<AutoCompiler>>(tensor.handle.clone())
            .map_err(EngineError::driver)?;
        Ok(Self { resource: held.resource().clone(), _held: Box::new(held) })
    }

    /// The buffer, which holds other tensors too.
    pub(crate) fn buffer(&self) -> &Buffer {
        &self.resource.buffer
    }

    /// Where in the buffer the tensor begins.
    pub(crate) fn offset(&self) -> BufferAddress {
        self.resource.offset
    }

    /// Bytes it has there, at least.
    pub(crate) fn bytes(&self) -> u64 {
        self.resource.size
    }
}

fn cube_tensor(tensor: DispatchTensor) -> Result<CubeTensor, EngineError> {
    let tensor = <DispatchTensor as DispatchKindConversion<Cube>>::try_into_backend(tensor)
        .map_err(EngineError::driver)?;
    match tensor {
        BackendTensor::Float(tensor) => Ok(resolved::float(tensor)),
        BackendTensor::Int(tensor) => Ok(resolved::int(tensor)),
        BackendTensor::Bool(tensor) => Ok(resolved::bool(tensor)),
        other => Err(EngineError::driver(format!("a tensor of kind {}", other.name()))),
    }
}

#[cfg(not(feature = "fusion"))]
mod resolved {
    //! Without fusion Burn computes a tensor when it is asked to.

    use burn_cubecl::tensor::CubeTensor;

    pub(super) fn float(tensor: CubeTensor) -> CubeTensor {
        tensor
    }

    pub(super) fn int(tensor: CubeTensor) -> CubeTensor {
        tensor
    }

    pub(super) fn bool(tensor: CubeTensor) -> CubeTensor {
        tensor
    }
}

#[cfg(feature = "fusion")]
mod resolved {
    //! With fusion Burn collects operations until a tensor is needed.

    use burn::backend::BackendTypes;
    use burn_cubecl::tensor::CubeTensor;
    use burn_cubecl::{Cube, CubeBackend};

    type Float = <Cube as BackendTypes>::FloatTensorPrimitive;
    type Int = <Cube as BackendTypes>::IntTensorPrimitive;
    type Bool = <Cube as BackendTypes>::BoolTensorPrimitive;

    pub(super) fn float(tensor: Float) -> CubeTensor {
        tensor.client.clone().resolve_tensor_float::<CubeBackend>(tensor)
    }

    pub(super) fn int(tensor: Int) -> CubeTensor {
        tensor.client.clone().resolve_tensor_int::<CubeBackend>(tensor)
    }

    pub(super) fn bool(tensor: Bool) -> CubeTensor {
        tensor.client.clone().resolve_tensor_bool::<CubeBackend>(tensor)
    }
}
