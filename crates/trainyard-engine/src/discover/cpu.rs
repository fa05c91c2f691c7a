//! The CPU as a device, and the system's memory.

use sysinfo::{CpuRefreshKind, MemoryRefreshKind, RefreshKind, System};
use trainyard_plan::{Api, ComputeProbe, DeviceInfo, DeviceKind, MemoryInfo, MemorySource};

/// The CPU, computing through Burn's `flex` backend. Always there, and it works.
pub(super) fn describe() -> DeviceInfo {
    let system =
        System::new_with_specifics(RefreshKind::nothing().with_cpu(CpuRefreshKind::nothing())).ok();
    let cpu = system.as_ref().and_then(|system| system.cpus().first());
    let memory = system_memory(MemorySource::Reported);
    DeviceInfo {
        index: 0,
        adapter: "cpu".to_owned(),
        name: cpu
            .map(|it| it.brand().trim())
            .filter(|it| !it.is_empty())
            .unwrap_or("CPU")
            .to_owned(),
        kind: DeviceKind::Cpu,
        api: Api::Cpu,
        also: Vec::new(),
        driver: "Burn flex".to_owned(),
        vendor: cpu.map_or("unknown", |it| vendor(it.vendor_id())).to_owned(),
        pci_bus_id: String::new(),
        // No limit of its own: a buffer may be as large as the memory.
        max_buffer_bytes: memory.total_bytes.unwrap_or(0),
        max_binding_bytes: None,
        buffer_alignment_bytes: None,
        memory,
        f16: false,
        timestamps: false,
        compute: ComputeProbe::Works,
    }
}

/// The system's memory, as far as this process may use it: a container's limit counts.
pub(crate) fn system_memory(source: MemorySource) -> MemoryInfo {
    let ram = RefreshKind::nothing().with_memory(MemoryRefreshKind::nothing().with_ram());
    let Some(system) = System::new_with_specifics(ram).ok().filter(|it| it.total_memory() > 0)
    else {
        return MemoryInfo { total_bytes: None, free_bytes: None, source: MemorySource::Unknown };
    };
    let (mut total, mut free) = (system.total_memory(), system.available_memory());
    if let Some(limits) = system.cgroup_limits().filter(|it| it.total_memory > 0) {
        total = total.min(limits.total_memory);
        free = free.min(limits.free_memory);
    }
    MemoryInfo { total_bytes: Some(total), free_bytes: Some(free.min(total)), source }
}

/// The vendor in words.
fn vendor(id: &str) -> &str {
    match id {
        "GenuineIntel" => "Intel",
        "AuthenticAMD" => "AMD",
        "" => "unknown",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_is_always_described() {
        let cpu = describe();
        assert_eq!((cpu.kind, cpu.api), (DeviceKind::Cpu, Api::Cpu));
        assert_eq!(cpu.compute, ComputeProbe::Works);
        assert!(!cpu.name.is_empty());
        assert!(cpu.memory.free_bytes <= cpu.memory.total_bytes);
    }
}
