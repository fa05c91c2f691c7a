//! How much memory an adapter has. One file an API, because each has its own way to ask.

#[cfg(windows)]
mod dx12;
#[cfg(target_vendor = "apple")]
mod metal;
#[cfg(not(target_vendor = "apple"))]
mod vulkan;

use trainyard_plan::{Api, DeviceKind, MemoryInfo, MemorySource};

use super::cpu::system_memory;

/// An adapter's memory: from its driver, from the system's memory where it shares that, or unknown.
///
/// OpenGL has no portable way to ask, so a card that is reached through it alone stays unknown.
pub(super) fn of(adapter: &wgpu::Adapter, api: Api, kind: DeviceKind, vendor: u32) -> MemoryInfo {
    if kind == DeviceKind::Software {
        // Drivers of software adapters report made-up figures; what they use is the system's.
        return system_memory(MemorySource::Estimated);
    }
    reported(adapter, api, vendor).unwrap_or_else(|| match kind {
        DeviceKind::Integrated => system_memory(MemorySource::Estimated),
        _ => MemoryInfo { total_bytes: None, free_bytes: None, source: MemorySource::Unknown },
    })
}

/// What the driver says, where there is a way to ask.
#[cfg_attr(
    target_vendor = "apple",
    expect(unused_variables, reason = "the vendor matters to Vulkan alone")
)]
fn reported(adapter: &wgpu::Adapter, api: Api, vendor: u32) -> Option<MemoryInfo> {
    match api {
        #[cfg(not(target_vendor = "apple"))]
        Api::Vulkan => vulkan::memory(adapter, vendor),
        #[cfg(target_vendor = "apple")]
        Api::Metal => metal::memory(adapter),
        #[cfg(windows)]
        Api::Dx12 => dx12::memory(adapter),
        _ => None,
    }
}
