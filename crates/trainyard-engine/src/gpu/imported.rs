//! Host memory that devices have as buffers of theirs, each by its driver's own means.
//!
//! Between two Vulkan devices this was run; the means of Metal and Direct3D 12 were only type-checked, and
//! are used where a run file asks for them.

#[cfg(windows)]
mod dx12;
#[cfg(target_vendor = "apple")]
mod metal;
#[cfg(not(target_vendor = "apple"))]
mod vulkan;

use std::sync::Arc;

use wgpu::{
    Adapter, Backend, Buffer, BufferDescriptor, BufferUsages, Device, DeviceDescriptor, Queue,
};

use super::Gpu;
use super::host_memory::HostMemory;
use crate::EngineError;

/// Opens a device that can have host memory as buffers of its own, where that takes more than wgpu asks
/// for; nothing where it does not, or the driver refuses.
pub(crate) fn open_with_imports(
    adapter: &Adapter,
    descriptor: &DeviceDescriptor<'_>,
) -> Option<(Device, Queue)> {
    match adapter.get_info().backend {
        #[cfg(not(target_vendor = "apple"))]
        Backend::Vulkan => vulkan::open_with_imports(adapter, descriptor),
        _ => {
            let _ = descriptor;
            None
        }
    }
}

/// Whether a device can have host memory as a buffer of its own.
pub(super) fn can_import(gpu: &Gpu) -> bool {
    match gpu.device.adapter_info().backend {
        #[cfg(not(target_vendor = "apple"))]
        Backend::Vulkan => vulkan::can_import(gpu),
        #[cfg(windows)]
        Backend::Dx12 => dx12::can_import(gpu),
        #[cfg(target_vendor = "apple")]
        Backend::Metal => true,
        _ => false,
    }
}

/// Makes host memory a buffer of the device's, which the device can copy to and from.
///
/// # Errors
/// [`EngineError::Driver`] for a driver that refuses, and one that has no means.
pub(super) fn import(gpu: &Gpu, memory: &Arc<HostMemory>) -> Result<Buffer, EngineError> {
    match gpu.device.adapter_info().backend {
        #[cfg(not(target_vendor = "apple"))]
        Backend::Vulkan => vulkan::import(gpu, memory),
        #[cfg(windows)]
        Backend::Dx12 => dx12::import(gpu, memory),
        #[cfg(target_vendor = "apple")]
        Backend::Metal => metal::import(gpu, memory),
        other => Err(EngineError::driver(format!("{other} has no buffers in the host's memory"))),
    }
}

/// What wgpu is told of such a buffer.
fn described(memory: &HostMemory) -> BufferDescriptor<'static> {
    BufferDescriptor {
        label: None,
        size: memory.bytes(),
        usage: BufferUsages::COPY_SRC | BufferUsages::COPY_DST,
        mapped_at_creation: false,
    }
}
