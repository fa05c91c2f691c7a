//! Memory of a Metal adapter: the working set it recommends to stay under.
//!
//! Type-checked by `scripts/long.sh cross`; never run, for want of a Mac.

use objc2_metal::MTLDevice;
use trainyard_plan::{MemoryInfo, MemorySource};

/// What the driver reports; nothing if the adapter is not one of Metal.
#[expect(unsafe_code, reason = "wgpu does not report memory, so the driver is asked directly")]
pub(super) fn memory(adapter: &wgpu::Adapter) -> Option<MemoryInfo> {
    // SAFETY: the raw adapter is only asked for properties and dropped before `adapter`.
    let raw = unsafe { adapter.as_hal::<wgpu::hal::api::Metal>() }?;
    let device = raw.raw_device();
    let total = device.recommendedMaxWorkingSetSize();
    let used = device.currentAllocatedSize() as u64;
    (total > 0).then_some(MemoryInfo {
        total_bytes: Some(total),
        // Metal tells this process's share alone: what other programs took is not known.
        free_bytes: Some(total.saturating_sub(used)),
        source: MemorySource::Reported,
    })
}
