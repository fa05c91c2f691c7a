//! The adapters of one graphics API, described.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use trainyard_plan::{Api, ComputeProbe, DeviceInfo, DeviceKind};

use super::{caught, memory};
use crate::gpu;

/// An adapter as its API lists it, before entries of one card are folded together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FoundAdapter {
    /// Its position in its API's own list.
    pub(crate) position: usize,
    /// The vendor's PCI number, or 0.
    pub(crate) vendor_id: u32,
    /// The model's PCI number, or 0.
    pub(crate) device_id: u32,
    /// What is known of it.
    pub(crate) info: DeviceInfo,
}

/// The APIs this build can ask, the better first.
pub(crate) fn apis() -> Vec<Api> {
    let built = wgpu::Instance::enabled_backend_features();
    [Api::Vulkan, Api::Metal, Api::Dx12, Api::Gl]
        .into_iter()
        .filter(|api| backend(*api).is_some_and(|backend| built.contains(backend.into())))
        .collect()
}

/// wgpu's word for an API.
pub(crate) fn backend(api: Api) -> Option<wgpu::Backend> {
    match api {
        Api::Vulkan => Some(wgpu::Backend::Vulkan),
        Api::Metal => Some(wgpu::Backend::Metal),
        Api::Dx12 => Some(wgpu::Backend::Dx12),
        Api::Gl => Some(wgpu::Backend::Gl),
        Api::Cpu => None,
    }
}

/// Locked while an instance is created or dropped: the Vulkan loader crashes when instances come
/// and go on several threads at once.
pub(crate) fn loader() -> MutexGuard<'static, ()> {
    static LOADER: Mutex<()> = Mutex::new(());
    LOADER.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A fresh instance of one API and the adapters it lists. Hold [`loader`] around this call and
/// around the drop of what it returns.
pub(crate) fn instance(backend: wgpu::Backend) -> (wgpu::Instance, Vec<wgpu::Adapter>) {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor {
        backends: backend.into(),
        ..wgpu::InstanceDescriptor::new_without_display_handle()
    });
    let adapters = pollster::block_on(instance.enumerate_adapters(backend.into()));
    (instance, adapters)
}

/// The adapters of one API, in its own order, listed in this process.
pub(crate) fn enumerate(api: Api) -> Result<Vec<FoundAdapter>, String> {
    let Some(backend) = backend(api) else { return Ok(Vec::new()) };
    caught(|| {
        let _loader = loader();
        let (_instance, adapters) = instance(backend);
        Ok(adapters
            .iter()
            .enumerate()
            .map(|(position, adapter)| describe(adapter, api, position))
            .collect())
    })
}

/// What is known of one adapter.
pub(crate) fn describe(adapter: &wgpu::Adapter, api: Api, position: usize) -> FoundAdapter {
    let raw = adapter.get_info();
    let limits = adapter.limits();
    let features = adapter.features();
    let kind = kind(raw.device_type, &raw.name);
    let driver: Vec<_> = [raw.driver.trim(), raw.driver_info.trim()]
        .into_iter()
        .filter(|it| !it.is_empty())
        .collect();
    FoundAdapter {
        position,
        vendor_id: raw.vendor,
        device_id: raw.device,
        info: DeviceInfo {
            index: position,
            adapter: String::new(),
            kind,
            api,
            also: Vec::new(),
            driver: driver.join(" "),
            vendor: vendor(raw.vendor),
            pci_bus_id: raw.device_pci_bus_id,
            memory: memory::of(adapter, api, kind, raw.vendor),
            max_buffer_bytes: limits.max_buffer_size,
            max_binding_bytes: Some(limits.max_storage_buffer_binding_size),
            buffer_alignment_bytes: Some(gpu::alignment(&limits)),
            f16: features.contains(wgpu::Features::SHADER_F16),
            timestamps: features.contains(wgpu::Features::TIMESTAMP_QUERY),
            compute: ComputeProbe::NotProbed,
            name: raw.name,
        },
    }
}

/// What sort of device it is. OpenGL does not say, and wgpu guesses it from the name; it misses
/// some software renderers.
fn kind(reported: wgpu::DeviceType, name: &str) -> DeviceKind {
    let name = name.to_lowercase();
    let software = ["llvmpipe", "softpipe", "swiftshader", "swrast", "basic render driver"];
    if software.iter().any(|it| name.contains(it)) {
        return DeviceKind::Software;
    }
    match reported {
        wgpu::DeviceType::DiscreteGpu => DeviceKind::Discrete,
        wgpu::DeviceType::IntegratedGpu => DeviceKind::Integrated,
        wgpu::DeviceType::VirtualGpu => DeviceKind::Virtual,
        wgpu::DeviceType::Cpu => DeviceKind::Software,
        wgpu::DeviceType::Other => DeviceKind::Other,
    }
}

/// The vendor in words; its number in hexadecimal where it has no word here.
fn vendor(id: u32) -> String {
    let word = match id {
        0 => "unknown",
        0x1002 | 0x1022 => "AMD",
        0x1010 => "Imagination",
        0x106b => "Apple",
        0x10de => "NVIDIA",
        0x13b5 => "Arm",
        0x1414 => "Microsoft",
        0x144d => "Samsung",
        0x14e4 => "Broadcom",
        0x15ad => "VMware",
        0x1ae0 => "Google",
        0x1af4 => "Red Hat",
        0x1ed5 => "Moore Threads",
        0x5143 => "Qualcomm",
        0x8086 => "Intel",
        0x1_0001 => "Vivante",
        0x1_0002 => "VeriSilicon",
        0x1_0003 => "Kazan",
        0x1_0004 => "Codeplay",
        0x1_0005 => "Mesa",
        0x1_0006 => "PoCL",
        _ => return format!("0x{id:04x}"),
    };
    word.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn software_renderers_are_known_by_name() {
        assert_eq!(kind(wgpu::DeviceType::Other, "softpipe"), DeviceKind::Software);
        assert_eq!(kind(wgpu::DeviceType::Cpu, "something"), DeviceKind::Software);
        assert_eq!(kind(wgpu::DeviceType::DiscreteGpu, "GeForce"), DeviceKind::Discrete);
    }

    #[test]
    fn vendors_have_words_or_numbers() {
        assert_eq!(vendor(0x10de), "NVIDIA");
        assert_eq!(vendor(0x1_0005), "Mesa");
        assert_eq!(vendor(0xabcd), "0xabcd");
    }

    #[test]
    fn every_api_of_this_build_can_be_asked() {
        for api in apis() {
            assert!(backend(api).is_some());
        }
    }
}
