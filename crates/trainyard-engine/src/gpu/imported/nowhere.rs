//! Where no device can have host memory as a buffer of its own.

use std::sync::Arc;

use wgpu::{Adapter, Buffer, Device, DeviceDescriptor, Queue};

use super::Gpu;
use super::host_memory::HostMemory;
use crate::EngineError;

/// Opens a device that can have host memory as buffers of its own: nothing.
pub(crate) fn open_with_imports(
    _adapter: &Adapter,
    _descriptor: &DeviceDescriptor<'_>,
) -> Option<(Device, Queue)> {
    None
}

/// Whether a device can have host memory as a buffer of its own.
pub(super) fn can_import(_gpu: &Gpu) -> bool {
    false
}

/// Makes host memory a buffer of the device's.
///
/// # Errors
/// [`EngineError::Driver`], always.
pub(super) fn import(_gpu: &Gpu, memory: &Arc<HostMemory>) -> Result<Buffer, EngineError> {
    let bytes = memory.bytes();
    Err(EngineError::driver(format!("{bytes} bytes of the host's cannot be a device's")))
}
