//! Where a tensor lies in the memory of a wgpu device.

use burn::backend::{BackendTensor, DispatchKindConversion, DispatchTensor};
use burn_cubecl::Cube;
use burn_cubecl::cubecl::wgpu::{AutoCompiler, WgpuResource, WgpuServer};
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use wgpu::{Buffer, BufferAddress};

use crate::EngineError;
use resolved::bools;
pub(crate) use resolved::{floats, ints};

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
    let kind = tensor.name();
    computed(tensor).ok_or_else(|| EngineError::driver(format!("a tensor of kind {kind}")))
}

fn computed(tensor: BackendTensor<Cube>) -> Option<CubeTensor> {
    match tensor {
        BackendTensor::Float(tensor) => Some(floats(tensor)),
        BackendTensor::Int(tensor) => Some(ints(tensor)),
        BackendTensor::Bool(tensor) => Some(bools(tensor)),
        _ => None,
    }
}

/// Where tensors are, computed: without fusion Burn does so when it is asked to.
#[cfg(not(feature = "fusion"))]
mod resolved {
    use super::{Cube, CubeTensor};
    use burn::backend::tensor::{BoolTensor, FloatTensor, IntTensor};

    pub(crate) fn floats(tensor: FloatTensor<Cube>) -> CubeTensor {
        tensor
    }

    pub(crate) fn ints(tensor: IntTensor<Cube>) -> CubeTensor {
        tensor
    }

    pub(super) fn bools(tensor: BoolTensor<Cube>) -> CubeTensor {
        tensor
    }
}

/// With fusion Burn collects operations until a tensor is needed.
#[cfg(feature = "fusion")]
mod resolved {
    use super::{Cube, CubeTensor};
    use burn::backend::tensor::{BoolTensor, FloatTensor, IntTensor};
    use burn_cubecl::CubeBackend;

    pub(crate) fn floats(tensor: FloatTensor<Cube>) -> CubeTensor {
        tensor.client.clone().resolve_tensor_float::<CubeBackend>(tensor)
    }

    pub(crate) fn ints(tensor: IntTensor<Cube>) -> CubeTensor {
        tensor.client.clone().resolve_tensor_int::<CubeBackend>(tensor)
    }

    pub(super) fn bools(tensor: BoolTensor<Cube>) -> CubeTensor {
        tensor.client.clone().resolve_tensor_bool::<CubeBackend>(tensor)
    }
}
