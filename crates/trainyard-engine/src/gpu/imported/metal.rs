//! Host memory that Metal devices have as buffers of theirs (`newBufferWithBytesNoCopy`).

use std::ffi::c_void;
use std::ptr::NonNull;
use std::sync::Arc;

use block2::RcBlock;
use objc2_metal::{MTLDevice, MTLResourceOptions};
use wgpu::Buffer;
use wgpu::hal::api::Metal;

use super::super::Gpu;
use super::super::host_memory::HostMemory;
use super::described;
use crate::EngineError;

/// Makes host memory a buffer of the device's, which the device can copy to and from.
///
/// # Errors
/// [`EngineError::Driver`] for a driver that refuses.
#[expect(unsafe_code, reason = "wgpu has no function for it, so the driver is asked directly")]
pub(super) fn import(gpu: &Gpu, memory: &Arc<HostMemory>) -> Result<Buffer, EngineError> {
    // SAFETY: what is made of the raw device is given to wgpu, which drops it before the device.
    let device = unsafe { gpu.device.as_hal::<Metal>() };
    let device = device.ok_or_else(|| EngineError::driver("it is not a Metal device"))?;
    let refused = || EngineError::driver("it takes no memory of the host's as a buffer");
    let address = NonNull::new(memory.address()).ok_or_else(refused)?;
    let held = Arc::clone(memory);
    // The device lets go of the block, and with it of the memory, when it has let go of the buffer.
    let let_go = RcBlock::new(move |_: NonNull<c_void>, _: usize| {
        let _ = &held;
    });
    let bytes = usize::try_from(memory.bytes()).map_err(EngineError::driver)?;
    let mode = MTLResourceOptions::StorageModeShared;
    // SAFETY: address and size are whole pages of memory that the block keeps.
    let buffer = unsafe {
        device.raw_device().newBufferWithBytesNoCopy_length_options_deallocator(
            address,
            bytes,
            mode,
            Some(&let_go),
        )
    };
    let buffer = buffer.ok_or_else(refused)?;
    // SAFETY: the buffer is of this device and as described, and its bytes were set to 0.
    Ok(unsafe {
        let buffer = wgpu::hal::metal::Device::buffer_from_raw(buffer, memory.bytes());
        gpu.device.create_buffer_from_hal::<Metal>(buffer, &described(memory))
    })
}
