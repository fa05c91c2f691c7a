//! Memory of a Direct3D 12 adapter: the budget Windows gives this process.
//!
//! Type-checked by `scripts/long.sh cross`; never run, for want of a Windows machine.

use trainyard_plan::{MemoryInfo, MemorySource};
use windows::Win32::Graphics::Dxgi::{
    DXGI_MEMORY_SEGMENT_GROUP_LOCAL, DXGI_QUERY_VIDEO_MEMORY_INFO,
};

/// What the driver reports; nothing if the adapter is not one of Direct3D 12.
#[expect(unsafe_code, reason = "wgpu does not report memory, so the driver is asked directly")]
pub(super) fn memory(adapter: &wgpu::Adapter) -> Option<MemoryInfo> {
    // SAFETY: the raw adapter is only asked for properties and dropped before `adapter`.
    let listed = unsafe { adapter.as_hal::<wgpu::hal::api::Dx12>() }?;
    let dxgi = listed.as_raw();
    let mut local = DXGI_QUERY_VIDEO_MEMORY_INFO::default();
    // SAFETY: `local` is a valid place for the answer, and node 0 always exists.
    unsafe { dxgi.QueryVideoMemoryInfo(0, DXGI_MEMORY_SEGMENT_GROUP_LOCAL, &raw mut local) }
        .ok()?;
    // SAFETY: `GetDesc2` only fills the description it returns.
    let description = unsafe { dxgi.GetDesc2() }.ok()?;
    let dedicated = description.DedicatedVideoMemory as u64;
    // A unit that shares the system's memory has little or none of its own: its budget says more.
    let total = dedicated.max(local.Budget);
    Some(MemoryInfo {
        total_bytes: Some(total),
        free_bytes: Some(local.Budget.saturating_sub(local.CurrentUsage)),
        source: MemorySource::Reported,
    })
}
