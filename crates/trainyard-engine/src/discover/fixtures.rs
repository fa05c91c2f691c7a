//! Devices for tests.

use trainyard_plan::{Api, ComputeProbe, DeviceInfo, DeviceKind, MemoryInfo, MemorySource};

use super::adapters::FoundAdapter;

/// A device of which nothing is known but its API, its kind and its name.
pub(crate) fn device(api: Api, kind: DeviceKind, name: &str) -> DeviceInfo {
    DeviceInfo {
        index: 0,
        adapter: format!("{}:{name}", api.text()),
        name: name.to_owned(),
        kind,
        api,
        also: Vec::new(),
        driver: String::new(),
        vendor: String::new(),
        pci_bus_id: String::new(),
        memory: MemoryInfo { total_bytes: None, free_bytes: None, source: MemorySource::Unknown },
        max_buffer_bytes: 1 << 30,
        max_binding_bytes: None,
        buffer_alignment_bytes: None,
        f16: false,
        timestamps: false,
        compute: ComputeProbe::NotProbed,
    }
}

/// An adapter as its API lists it, with its PCI address and its vendor's and device's numbers.
pub(crate) fn adapter(
    (api, kind, name): (Api, DeviceKind, &str),
    pci_bus_id: &str,
    (vendor_id, device_id): (u32, u32),
) -> FoundAdapter {
    let info = DeviceInfo { pci_bus_id: pci_bus_id.to_owned(), ..device(api, kind, name) };
    FoundAdapter { position: 0, vendor_id, device_id, info }
}
