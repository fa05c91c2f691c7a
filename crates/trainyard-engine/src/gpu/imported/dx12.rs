//! Host memory that Direct3D 12 devices have as buffers of theirs (`OpenExistingHeapFromAddress`).

use std::sync::Arc;

use wgpu::Buffer;
use wgpu::hal::api::Dx12;
use windows::Win32::Graphics::Direct3D12::{
    D3D12_FEATURE_DATA_EXISTING_HEAPS, D3D12_FEATURE_EXISTING_HEAPS, D3D12_RESOURCE_DESC,
    D3D12_RESOURCE_DIMENSION_BUFFER, D3D12_RESOURCE_FLAG_ALLOW_CROSS_ADAPTER,
    D3D12_RESOURCE_STATE_COMMON, D3D12_TEXTURE_LAYOUT_ROW_MAJOR, ID3D12Device3, ID3D12Heap,
    ID3D12Resource,
};
use windows::Win32::Graphics::Dxgi::Common::{DXGI_FORMAT_UNKNOWN, DXGI_SAMPLE_DESC};
use windows::core::{GUID, Interface};

use super::super::Gpu;
use super::super::host_memory::HostMemory;
use super::described;
use crate::EngineError;

/// Under which a buffer holds the heap that it lies in.
static HEAP: GUID = GUID::from_u128(0x6d1f_52f0_35c1_4d0b_9a54_7f0c_2f5c_8e11);

/// Whether a device can have host memory as a buffer of its own.
#[expect(unsafe_code, reason = "wgpu has no function for it, so the driver is asked directly")]
pub(super) fn can_import(gpu: &Gpu) -> bool {
    // SAFETY: the raw device is only asked for a feature and dropped before `gpu`.
    let Some(device) = (unsafe { gpu.device.as_hal::<Dx12>() }) else { return false };
    let mut heaps = D3D12_FEATURE_DATA_EXISTING_HEAPS::default();
    let size = size_of_val(&heaps) as u32;
    // SAFETY: `heaps` is a valid place for the answer, of the size that is said.
    let asked = unsafe {
        let answer = (&raw mut heaps).cast();
        device.raw_device().CheckFeatureSupport(D3D12_FEATURE_EXISTING_HEAPS, answer, size)
    };
    asked.is_ok() && heaps.Supported.as_bool()
}

/// Makes host memory a buffer of the device's, which the device can copy to and from.
///
/// # Errors
/// [`EngineError::Driver`] for a driver that refuses.
#[expect(unsafe_code, reason = "wgpu has no function for it, so the driver is asked directly")]
pub(super) fn import(gpu: &Gpu, memory: &Arc<HostMemory>) -> Result<Buffer, EngineError> {
    // SAFETY: what is made of the raw device is given to wgpu, which drops it before the device.
    let device = unsafe { gpu.device.as_hal::<Dx12>() };
    let device = device.ok_or_else(|| EngineError::driver("it is not a Direct3D 12 device"))?;
    let device: ID3D12Device3 = device.raw_device().cast().map_err(EngineError::driver)?;
    let about = D3D12_RESOURCE_DESC {
        Dimension: D3D12_RESOURCE_DIMENSION_BUFFER,
        Alignment: 0,
        Width: memory.bytes(),
        Height: 1,
        DepthOrArraySize: 1,
        MipLevels: 1,
        Format: DXGI_FORMAT_UNKNOWN,
        SampleDesc: DXGI_SAMPLE_DESC { Count: 1, Quality: 0 },
        Layout: D3D12_TEXTURE_LAYOUT_ROW_MAJOR,
        // Such heaps are of this kind, and take no other buffers.
        Flags: D3D12_RESOURCE_FLAG_ALLOW_CROSS_ADAPTER,
    };
    // SAFETY: the memory is one allocation of `VirtualAlloc`, which lives as long as the program (below);
    // heap, description and the place for the answer are valid.
    let made = unsafe {
        let mut made: Option<ID3D12Resource> = None;
        let heap = device.OpenExistingHeapFromAddress::<ID3D12Heap>(memory.address());
        heap.and_then(|heap| {
            let state = D3D12_RESOURCE_STATE_COMMON;
            device.CreatePlacedResource(&heap, 0, &raw const about, state, None, &raw mut made)?;
            match &made {
                Some(made) => made.SetPrivateDataInterface(&raw const HEAP, &heap),
                None => Ok(()),
            }
        })
        .map(|()| made)
    };
    let made = made.map_err(EngineError::driver)?;
    let made = made.ok_or_else(|| EngineError::driver("it made no buffer"))?;
    // Nobody says when the device has let go of the memory. There are few of these, of few sizes.
    std::mem::forget(Arc::clone(memory));
    // SAFETY: the buffer is of this device and as described, and its bytes were set to 0.
    Ok(unsafe {
        let buffer = wgpu::hal::dx12::Device::buffer_from_raw(made, memory.bytes());
        gpu.device.create_buffer_from_hal::<Dx12>(buffer, &described(memory))
    })
}
