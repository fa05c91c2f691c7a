//! Launching a shader on a tensor's device, in Burn's own queue.

use burn::backend::ops::FloatTensorOps;
use burn::backend::{TensorMetadata, Wgpu};
use burn::tensor::{FloatDType, Int, Shape, Tensor};
use burn_cubecl::cubecl::ir::{ElemType, UIntKind, metadata::Info};
use burn_cubecl::cubecl::prelude::{
    AddressType, CubeCount, CubeDim, ExecutionMode, KernelDefinition, KernelId, KernelMetadata,
    KernelSettings, Scope,
};
use burn_cubecl::cubecl::server::{KernelArguments, MetadataBindingInfo};
use burn_cubecl::cubecl::{CubeKernel, PrecompiledSource};
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;

use super::template::{Constant, Constants, expand};
use super::{GpuIntTensor, GpuTensor, fit};
use crate::EngineError;
use crate::gpu::{floats, ints};

/// Lanes of a workgroup whose lanes have nothing to do with each other.
pub(super) const LANES: u32 = 64;
/// The most workgroups that a device takes in one direction.
const MOST_GROUPS: u32 = 65_535;

/// Whether this program's devices compile shaders of ours.
pub fn are_compiled() -> bool {
    !cfg!(feature = "native-shaders")
}

/// A shader with its constants.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Program {
    text: &'static str,
    constants: Constants,
    /// Of a workgroup.
    lanes: u32,
}

impl Program {
    pub(super) fn new<const N: usize>(
        text: &'static str,
        lanes: u32,
        constants: [(&'static str, Constant); N],
    ) -> Self {
        Self { text, constants: constants.into_iter().collect(), lanes }
    }

    /// Runs it on some tensors, which are its bindings in their order, and then its numbers.
    pub(super) fn launch<'a>(
        self,
        groups: [u32; 3],
        tensors: impl IntoIterator<Item = &'a CubeTensor>,
        numbers: &[u32],
    ) {
        let mut tensors = tensors.into_iter().peekable();
        let Some(client) = tensors.peek().map(|tensor| tensor.client.clone()) else { return };
        let words = numbers.chunks(2);
        let words = words.map(|pair| pair.iter().rev().fold(0, |all, &n| all << 32 | u64::from(n)));
        let arguments = KernelArguments {
            info: MetadataBindingInfo::custom(words.collect()),
            ..KernelArguments::default()
        };
        let arguments =
            tensors.fold(arguments, |all, tensor| all.with_buffer(tensor.handle.clone().binding()));
        let [x, y, z] = groups;
        client.launch(Box::new(self), CubeCount::Static(x, y, z), arguments);
    }

    fn settings(&self) -> KernelSettings {
        let dimensions = CubeDim::new_1d(self.lanes).0;
        KernelSettings::new(dimensions, ExecutionMode::Unchecked, AddressType::U32)
    }
}

impl KernelMetadata for Program {
    fn id(&self) -> KernelId {
        let dimensions = CubeDim::new_1d(self.lanes).0;
        let id = KernelId::new::<Self>().info(self.clone());
        id.cube_dim(dimensions).mode(ExecutionMode::Unchecked)
    }

    fn address_type(&self) -> ElemType {
        UIntKind::U32.into()
    }
}

impl CubeKernel for Program {
    /// Stands for the text, which is not compiled from it.
    fn define(&self) -> KernelDefinition {
        let settings = self.settings();
        KernelDefinition { body: Scope::root(settings.clone()), settings, info: Info::default() }
    }

    fn source(&self) -> Option<PrecompiledSource> {
        Some(PrecompiledSource {
            source: expand(self.text, &self.constants),
            entrypoint_name: "main".to_owned(),
            lang: "wgsl",
        })
    }
}

/// A tensor of a wgpu device as kernels take it.
///
/// # Errors
/// [`EngineError::Internal`] for one that is elsewhere.
pub(crate) fn gpu_tensor<const D: usize>(tensor: Tensor<D>) -> Result<GpuTensor, EngineError> {
    let elsewhere = |_| EngineError::internal("a kernel of wgpu devices got a tensor of another");
    tensor.try_into_primitive::<Wgpu>().map_err(elsewhere)
}

/// The same of integers.
///
/// # Errors
/// As [`gpu_tensor`].
pub(crate) fn gpu_ints(tensor: Tensor<1, Int>) -> Result<GpuIntTensor, EngineError> {
    let elsewhere = |_| EngineError::internal("a kernel of wgpu devices got a tensor of another");
    tensor.try_into_primitive::<Wgpu>().map_err(elsewhere)
}

/// Where the elements of a tensor lie, one behind the other.
pub(super) fn place(tensor: &GpuTensor) -> CubeTensor {
    into_contiguous(floats(tensor.clone()))
}

/// The same of integers.
pub(super) fn place_of_ints(tensor: &GpuIntTensor) -> CubeTensor {
    into_contiguous(ints(tensor.clone()))
}

/// A new tensor on the device of another. Its elements are whatever lay there.
pub fn room(like: &GpuTensor, shape: impl Into<Shape>) -> GpuTensor {
    Wgpu::float_empty(shape.into(), &like.device(), FloatDType::F32)
}

/// Elements that are read by fours where a length allows it: its type in shaders, and how many make up
/// the length.
pub(super) fn by_fours(length: usize) -> (&'static str, usize) {
    if length.is_multiple_of(4) { ("vec4<f32>", length / 4) } else { ("f32", length) }
}

/// Workgroups for so much work, `of_group` each.
pub(super) fn groups(work: usize, of_group: u32) -> [u32; 3] {
    let groups = u32_of(work).div_ceil(of_group);
    let x = groups.clamp(1, MOST_GROUPS);
    [x, groups.div_ceil(x), 1]
}

/// How many lanes share a row of a kernel that goes by rows, and how many rows a workgroup has.
pub(super) fn lanes_and_rows(width: usize) -> (u32, u32) {
    if fit().is_software {
        (1, 8)
    } else if width <= 128 {
        (32, 2)
    } else {
        (LANES, 1)
    }
}

/// A size as shaders take it; no device has room for more.
pub(super) fn u32_of(size: usize) -> u32 {
    u32::try_from(size).unwrap_or(u32::MAX)
}

/// The size of the last dimension.
pub(super) fn width(tensor: &GpuTensor) -> usize {
    tensor.shape().as_slice().last().copied().unwrap_or(1)
}

/// A tensor that may be changed in place: itself, where nobody else holds it, or else a copy.
pub fn own(tensor: GpuTensor) -> GpuTensor {
    if is_alone(&tensor) { tensor } else { Wgpu::float_mul_scalar(tensor, 1.0_f32.into()) }
}

/// Whether nobody else holds a tensor, and its elements lie one behind the other.
#[cfg(not(feature = "fusion"))]
fn is_alone(tensor: &GpuTensor) -> bool {
    tensor.can_mut() && tensor.is_contiguous()
}

/// With fusion that is not known before all that holds it was computed.
#[cfg(feature = "fusion")]
fn is_alone(_: &GpuTensor) -> bool {
    false
}
