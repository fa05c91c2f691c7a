//! Host memory that Vulkan devices have as buffers of theirs (`VK_EXT_external_memory_host`).

use std::ffi::CStr;
use std::sync::Arc;

use ash::ext::external_memory_host;
use ash::vk;
use wgpu::hal::api::Vulkan;
use wgpu::{Adapter, Buffer, Device, DeviceDescriptor, Queue};

use super::super::Gpu;
use super::super::host_memory::{HostMemory, PAGE_BYTES};
use super::described;
use crate::EngineError;

const EXTENSION: &CStr = external_memory_host::NAME;

const HOST_MEMORY: vk::ExternalMemoryHandleTypeFlags =
    vk::ExternalMemoryHandleTypeFlags::HOST_ALLOCATION_EXT;

/// Opens a device that can have host memory as buffers of its own; nothing where the driver has no such
/// devices, or refuses this one.
#[expect(unsafe_code, reason = "wgpu opens no device with an extension that it does not know")]
pub(super) fn open_with_imports(
    adapter: &Adapter,
    descriptor: &DeviceDescriptor<'_>,
) -> Option<(Device, Queue)> {
    // SAFETY: the raw adapter only opens a device, and is dropped before `adapter`.
    let raw = unsafe { adapter.as_hal::<Vulkan>() }?;
    if !raw.physical_device_capabilities().supports_extension(EXTENSION) {
        return None;
    }
    let with_extension = |args: wgpu::hal::vulkan::CreateDeviceCallbackArgs<'_, '_, '_>| {
        args.extensions.push(EXTENSION);
    };
    // SAFETY: features and limits are the adapter's own, and so is the extension.
    let opened = unsafe {
        raw.open_with_callback(
            descriptor.required_features,
            &descriptor.required_limits,
            &descriptor.memory_hints,
            Some(Box::new(with_extension)),
        )
    };
    let opened = opened.inspect_err(|error| tracing::debug!("with {EXTENSION:?}: {error}")).ok()?;
    // SAFETY: the device was opened from this adapter, with these features.
    unsafe { adapter.create_device_from_hal(opened, descriptor) }.ok()
}

/// Whether a device can have host memory as a buffer of its own.
#[expect(unsafe_code, reason = "wgpu has no function for it, so the driver is asked directly")]
pub(super) fn can_import(gpu: &Gpu) -> bool {
    // SAFETY: the raw device is only asked for properties and dropped before `gpu`.
    let Some(device) = (unsafe { gpu.device.as_hal::<Vulkan>() }) else { return false };
    if !device.enabled_device_extensions().contains(&EXTENSION) {
        return false;
    }
    let mut host = vk::PhysicalDeviceExternalMemoryHostPropertiesEXT::default();
    let mut properties = vk::PhysicalDeviceProperties2::default().push_next(&mut host);
    let instance = device.shared_instance().raw_instance();
    // SAFETY: the physical device belongs to the instance, and both live as long as `device`; the
    // structure in the chain is of an extension that the device has.
    unsafe {
        instance.get_physical_device_properties2(device.raw_physical_device(), &mut properties);
    }
    let alignment = host.min_imported_host_pointer_alignment;
    (1..=PAGE_BYTES as u64).contains(&alignment)
}

/// Makes host memory a buffer of the device's, which the device can copy to and from.
///
/// # Errors
/// [`EngineError::Driver`] for a driver that refuses.
#[expect(unsafe_code, reason = "wgpu has no function for it, so the driver is asked directly")]
pub(super) fn import(gpu: &Gpu, memory: &Arc<HostMemory>) -> Result<Buffer, EngineError> {
    // SAFETY: what is made of the raw device is given to wgpu, which drops it before the device.
    let device = unsafe { gpu.device.as_hal::<Vulkan>() };
    let device = device.ok_or_else(|| EngineError::driver("it is not a Vulkan device"))?;
    let raw = device.raw_device().clone();
    let mut handles = vk::ExternalMemoryBufferCreateInfo::default().handle_types(HOST_MEMORY);
    let about = vk::BufferCreateInfo::default()
        .size(memory.bytes())
        .usage(vk::BufferUsageFlags::TRANSFER_SRC | vk::BufferUsageFlags::TRANSFER_DST)
        .sharing_mode(vk::SharingMode::EXCLUSIVE)
        .push_next(&mut handles);
    // SAFETY: all that is in `about` is valid for a device with the extension.
    let buffer = unsafe { raw.create_buffer(&about, None) }.map_err(EngineError::driver)?;
    let bound = bind(&device, buffer, memory);
    let bound = bound.inspect_err(|_| {
        // SAFETY: nobody else has the buffer.
        unsafe { raw.destroy_buffer(buffer, None) }
    })?;
    let held = Arc::clone(memory);
    let free = Box::new(move || {
        // SAFETY: wgpu calls this once, when the device no longer uses the buffer and still lives.
        unsafe {
            raw.destroy_buffer(buffer, None);
            raw.free_memory(bound, None);
        }
        drop(held);
    });
    // SAFETY: the buffer is destroyed by `free`, and no sooner.
    let buffer = unsafe { wgpu::hal::vulkan::Buffer::from_raw_externally_owned(buffer, free) };
    // SAFETY: the buffer is of this device and as described, and its bytes were set to 0.
    Ok(unsafe { gpu.device.create_buffer_from_hal::<Vulkan>(buffer, &described(memory)) })
}

/// Puts a buffer where host memory is.
#[expect(unsafe_code, reason = "wgpu has no function for it, so the driver is asked directly")]
fn bind(
    device: &wgpu::hal::vulkan::Device,
    buffer: vk::Buffer,
    memory: &HostMemory,
) -> Result<vk::DeviceMemory, EngineError> {
    let instance = device.shared_instance().raw_instance();
    let raw = device.raw_device();
    let functions = external_memory_host::Device::new(instance, raw);
    let mut pointer = vk::MemoryHostPointerPropertiesEXT::default();
    // SAFETY: the device has the extension, and the address is of memory that is there.
    let (asked, needs, types) = unsafe {
        let asked = (functions.fp().get_memory_host_pointer_properties_ext)(
            functions.device(),
            HOST_MEMORY,
            memory.address(),
            &raw mut pointer,
        );
        let physical = device.raw_physical_device();
        let types = instance.get_physical_device_memory_properties(physical);
        (asked, raw.get_buffer_memory_requirements(buffer), types)
    };
    asked.result().map_err(EngineError::driver)?;
    let possible = needs.memory_type_bits & pointer.memory_type_bits;
    // What is not coherent the host would have to flush.
    let coherent = |kind: &vk::MemoryType| {
        kind.property_flags.contains(vk::MemoryPropertyFlags::HOST_COHERENT)
    };
    let fits = |(at, kind): &(u32, &vk::MemoryType)| possible & (1 << at) != 0 && coherent(kind);
    let kinds = (0..).zip(types.memory_types_as_slice());
    let (kind, _) = kinds
        .into_iter()
        .find(fits)
        .filter(|_| needs.size <= memory.bytes())
        .ok_or_else(|| EngineError::driver("no kind of its memory can be the host's"))?;
    let mut import = vk::ImportMemoryHostPointerInfoEXT::default()
        .handle_type(HOST_MEMORY)
        .host_pointer(memory.address());
    let about = vk::MemoryAllocateInfo::default()
        .allocation_size(memory.bytes())
        .memory_type_index(kind)
        .push_next(&mut import);
    // SAFETY: address and size are whole pages of memory that lives until `free_memory`; the buffer
    // is of this device and bound to nothing.
    unsafe {
        let bound = raw.allocate_memory(&about, None).map_err(EngineError::driver)?;
        match raw.bind_buffer_memory(buffer, bound, 0) {
            Ok(()) => Ok(bound),
            Err(error) => {
                raw.free_memory(bound, None);
                Err(EngineError::driver(error))
            }
        }
    }
}
