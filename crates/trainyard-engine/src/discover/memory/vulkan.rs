//! Memory of a Vulkan adapter: its device-local heaps, and the budget `VK_EXT_memory_budget` gives.

use ash::vk;
use trainyard_plan::{MemoryInfo, MemorySource};

/// NVIDIA's PCI number.
const NVIDIA: u32 = 0x10de;

/// A heap of device-local memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Heap {
    size: u64,
    /// What may still be allocated; nothing if the driver does not say.
    free: Option<u64>,
}

/// What the driver reports; nothing if the adapter is not one of Vulkan.
pub(super) fn memory(adapter: &wgpu::Adapter, vendor: u32) -> Option<MemoryInfo> {
    total(&heaps(adapter)?, vendor)
}

/// The device-local heaps.
#[expect(unsafe_code, reason = "wgpu does not report memory, so the driver is asked directly")]
fn heaps(adapter: &wgpu::Adapter) -> Option<Vec<Heap>> {
    // SAFETY: the raw adapter is only asked for properties and dropped before `adapter`.
    let raw = unsafe { adapter.as_hal::<wgpu::hal::api::Vulkan>() }?;
    let capabilities = raw.physical_device_capabilities();
    let shared = raw.shared_instance();
    let instance = shared.raw_instance();
    let device = raw.raw_physical_device();

    let version_1_1 = vk::API_VERSION_1_1;
    let budgeted = shared.instance_api_version() >= version_1_1
        && capabilities.properties().api_version >= version_1_1
        && capabilities.supports_extension(ash::ext::memory_budget::NAME);
    let mut budget = vk::PhysicalDeviceMemoryBudgetPropertiesEXT::default();
    let properties = if budgeted {
        let mut properties = vk::PhysicalDeviceMemoryProperties2::default().push_next(&mut budget);
        // SAFETY: `device` belongs to `instance`, both are alive as long as `adapter`; instance and
        // device are of Vulkan 1.1, which has this function; the budget structure in the chain is
        // of an extension the device supports.
        unsafe { instance.get_physical_device_memory_properties2(device, &mut properties) };
        properties.memory_properties
    } else {
        // SAFETY: `device` belongs to `instance`, and both are alive as long as `adapter`.
        unsafe { instance.get_physical_device_memory_properties(device) }
    };
    Some(
        properties
            .memory_heaps_as_slice()
            .iter()
            .zip(budget.heap_budget.iter().zip(budget.heap_usage))
            .filter(|(heap, _)| heap.flags.contains(vk::MemoryHeapFlags::DEVICE_LOCAL))
            .map(|(heap, (budget, usage))| Heap {
                size: heap.size,
                free: budgeted.then(|| budget.saturating_sub(usage)),
            })
            .collect(),
    )
}

/// What the heaps come to.
///
/// NVIDIA lists the window through which the CPU sees the card as a second device-local heap,
/// though it is a part of the first: there the largest heap is all there is.
fn total(heaps: &[Heap], vendor: u32) -> Option<MemoryInfo> {
    let largest = heaps.iter().max_by_key(|heap| heap.size)?;
    let heaps = if vendor == NVIDIA { std::slice::from_ref(largest) } else { heaps };
    let free: Option<u64> = heaps
        .iter()
        .map(|heap| heap.free)
        .try_fold(0_u64, |sum, free| Some(sum.saturating_add(free?)));
    let size = heaps.iter().fold(0_u64, |sum, heap| sum.saturating_add(heap.size));
    Some(MemoryInfo {
        total_bytes: Some(size),
        free_bytes: free.map(|free| free.min(size)),
        source: MemorySource::Reported,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heap(size: u64, free: Option<u64>) -> Heap {
        Heap { size, free }
    }

    #[test]
    fn device_local_heaps_are_added_up() {
        let sum = total(&[heap(8_000, Some(7_000)), heap(256, Some(200))], 0x1002).unwrap();
        assert_eq!((sum.total_bytes, sum.free_bytes), (Some(8_256), Some(7_200)));
        assert_eq!(sum.source, MemorySource::Reported);
    }

    #[test]
    fn nvidias_window_is_not_counted_twice() {
        let sum = total(&[heap(12_000, Some(11_000)), heap(246, Some(240))], NVIDIA).unwrap();
        assert_eq!((sum.total_bytes, sum.free_bytes), (Some(12_000), Some(11_000)));
    }

    #[test]
    fn without_the_extension_only_the_total_is_known() {
        let sum = total(&[heap(8_000, None)], 0).unwrap();
        assert_eq!((sum.total_bytes, sum.free_bytes), (Some(8_000), None));
        assert_eq!(total(&[], 0), None);
    }

    #[test]
    fn the_adapters_of_this_machine_report_their_heaps() {
        use super::super::super::adapters::{instance, loader};
        let _loader = loader();
        let (_instance, adapters) = instance(wgpu::Backend::Vulkan);
        for adapter in adapters {
            let reported = memory(&adapter, adapter.get_info().vendor).unwrap();
            assert!(reported.total_bytes > Some(0));
            assert!(reported.free_bytes <= reported.total_bytes);
        }
    }
}
