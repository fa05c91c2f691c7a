//! The devices a run file names: found, and given threads and a budget.

use std::collections::BTreeMap;

use serde::Serialize;
use trainyard_engine::Precision;
use trainyard_engine::discover::{self, ListOptions, select};
use trainyard_plan::memory::{exact_bytes, human_bytes, human_bytes_at_most};
use trainyard_plan::{Api, DeviceInfo, DeviceKind, DeviceProfile, MemorySource};

use super::precisions::precision_of;
use super::wires::Wires;
use crate::cli::say;
use crate::config::{DeviceSection, PipelineSection, RunConfig, WireFormat};
use crate::error::RunError;

/// A device of the run, not yet opened.
#[derive(Clone, Debug)]
pub struct SetupDevice {
    /// Its id.
    pub id: String,
    /// The hardware.
    pub hardware: DeviceInfo,
    /// Its budget, bytes.
    pub budget_bytes: u64,
    /// Threads of a CPU device.
    pub threads: usize,
    /// What of the budget a plan must leave free, bytes.
    pub reserve_bytes: u64,
    /// As the run file gives it.
    pub speed: Option<f64>,
    /// How many times slower than it is the device shall be.
    pub throttle: f64,
    /// Whether its links may use host memory that another device has too; the device decides where it is
    /// not given.
    pub import_memory: Option<bool>,
    /// The numbers in which it computes products.
    pub precision: Precision,
    /// The format in which what it sends travels, and those to some devices, by id.
    pub wires: (WireFormat, BTreeMap<String, WireFormat>),
}

/// The devices to choose adapters from. Drivers are not woken for those who do not use them.
pub(crate) fn machine_for<'a>(mut adapters: impl Iterator<Item = &'a str>) -> Vec<DeviceInfo> {
    if adapters.all(|adapter| adapter.eq_ignore_ascii_case("cpu")) {
        return vec![discover::cpu()];
    }
    discover::list(&ListOptions::default())
}

/// The devices of the run file; without any, what the machine has. Where nothing trains, all compute in f32.
pub(super) fn devices(config: &RunConfig, trains: bool) -> Result<Vec<SetupDevice>, RunError> {
    let sections = if config.devices.is_empty() {
        let devices = default_devices();
        let named = devices.iter().map(|device| format!("{} ({})", device.id, device.adapter));
        let named = named.collect::<Vec<_>>().join(", ");
        say(format_args!("note: the run file names no [[device]]; these are taken: {named}"));
        devices
    } else {
        config.devices.clone()
    };
    let precision = trains.then_some(config.train.precision);
    let devices = chosen(sections, &config.pipeline, precision)?;
    if !config.run.overcommit {
        check_together(&devices)?;
    }
    Ok(devices)
}

/// What the machine has, as for a run file that names no devices.
pub(super) fn devices_of_machine() -> Result<Vec<SetupDevice>, RunError> {
    chosen(default_devices(), &PipelineSection::default(), None)
}

/// Devices with their adapters, and a share of the machine each. `precision` is that of devices that do not say,
/// where they train.
fn chosen(
    sections: Vec<DeviceSection>,
    pipeline: &PipelineSection,
    precision: Option<Precision>,
) -> Result<Vec<SetupDevice>, RunError> {
    let wires = Wires::of(pipeline, &sections)?;
    let machine = machine_for(sections.iter().map(|section| section.adapter.as_str()));
    let chosen = sections.iter().map(|section| select(&machine, &section.adapter));
    let chosen = chosen.collect::<Result<Vec<_>, _>>()?;
    for (section, hardware) in sections.iter().zip(&chosen) {
        check_budget(section, hardware)?;
        check_threads(section, hardware)?;
    }
    let precisions = sections.iter().zip(&chosen).map(|(section, hardware)| match precision {
        Some(precision) => precision_of(section, hardware, precision),
        None => Ok(Precision::F32),
    });
    let precisions = precisions.collect::<Result<Vec<_>, _>>()?;
    let ids: Vec<String> = sections.iter().map(|section| section.id.clone()).collect();
    let cpus = chosen.iter().filter(|hardware| hardware.api == Api::Cpu).count().max(1);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let memories: Vec<String> = chosen.iter().map(memory_of).collect();
    let device = |((section, hardware), precision): ((DeviceSection, DeviceInfo), &Precision)| {
        let memory = memory_of(&hardware);
        let sharing = memories.iter().filter(|other| **other == memory).count() as u64;
        SetupDevice {
            wires: wires.of_sender((&section.id, *precision), ids.iter().zip(&precisions)),
            precision: *precision,
            id: section.id,
            budget_bytes: section
                .memory
                .map_or_else(|| default_budget(&hardware, sharing), |memory| memory.0),
            threads: section.threads.unwrap_or(cores / cpus).max(1),
            reserve_bytes: section.reserve.map_or(0, |reserve| reserve.0),
            speed: section.speed,
            throttle: section.throttle.unwrap_or(1.0),
            import_memory: section.import_memory,
            hardware,
        }
    };
    Ok(sections.into_iter().zip(chosen).zip(&precisions).map(device).collect())
}

/// Budgets of devices that share one memory may each fit it and together not: CPU devices, software
/// adapters and integrated graphics share that of the machine, logical devices that of their card.
fn check_together(devices: &[SetupDevice]) -> Result<(), RunError> {
    let mut groups: BTreeMap<String, Vec<&SetupDevice>> = BTreeMap::new();
    for device in devices {
        groups.entry(memory_of(&device.hardware)).or_default().push(device);
    }
    let shared = groups.into_iter().filter(|(_, devices)| devices.len() > 1);
    for (name, sharing) in shared {
        let reported = |device: &&SetupDevice| {
            let memory = &device.hardware.memory;
            memory.total_bytes.filter(|_| memory.source == MemorySource::Reported)
        };
        let Some(total) = sharing.iter().filter_map(reported).max() else { continue };
        let free = sharing.iter().filter_map(|device| device.hardware.memory.free_bytes).max();
        let sum = sharing.iter().fold(0_u64, |sum, it| sum.saturating_add(it.budget_bytes));
        let keys: Vec<String> =
            sharing.iter().map(|device| format!("device.{}.memory", device.id)).collect();
        let parts: Vec<String> =
            sharing.iter().map(|device| human_bytes(device.budget_bytes)).collect();
        let value = format!("{} = {}", parts.join(" + "), human_bytes(sum));
        if sum > total {
            return Err(RunError::BadValue {
                key: keys.join(" + "),
                value,
                must: format!(
                    "together at most {}, all that {name} has; --overcommit allows more",
                    human_bytes_at_most(total)
                ),
            });
        }
        if let Some(free) = free.filter(|free| sum > *free) {
            let (keys, free) = (keys.join(" + "), human_bytes(free));
            say(format_args!("{keys} is {value}, and of {name} only {free} are free now"));
        }
    }
    Ok(())
}

/// Which memory a device computes in, in words.
fn memory_of(hardware: &DeviceInfo) -> String {
    let is_machine = hardware.api == Api::Cpu
        || matches!(hardware.kind, DeviceKind::Cpu | DeviceKind::Software | DeviceKind::Integrated);
    if is_machine { "this machine's memory".to_owned() } else { hardware.adapter.clone() }
}

/// A budget larger than the memory there is would end in the system's hands, not in ours.
fn check_budget(section: &DeviceSection, hardware: &DeviceInfo) -> Result<(), RunError> {
    let known = hardware.memory.source == MemorySource::Reported;
    let total = hardware.memory.total_bytes.filter(|_| known);
    match (section.memory.map(|memory| memory.0), total) {
        (Some(budget), Some(total)) if budget > total => Err(RunError::BadValue {
            key: format!("device.{}.memory", section.id),
            value: exact_bytes(budget),
            must: format!("at most {}, all that {} has", human_bytes_at_most(total), hardware.name),
        }),
        _ => Ok(()),
    }
}

/// Which adapter is a CPU is known once it is found: its name in a run file may be a number.
fn check_threads(section: &DeviceSection, hardware: &DeviceInfo) -> Result<(), RunError> {
    match section.threads {
        Some(threads) if hardware.api != Api::Cpu => Err(RunError::BadValue {
            key: format!("device.{}.threads", section.id),
            value: threads.to_string(),
            must: "left out: only CPU devices have threads".to_owned(),
        }),
        _ => Ok(()),
    }
}

/// Nine tenths of what is free now, shared among the devices that live in the same memory.
fn default_budget(hardware: &DeviceInfo, sharing: u64) -> u64 {
    // Where nobody says, two gigabytes: what the smallest cards in use have.
    const UNKNOWN: u64 = 2 << 30;
    let known = hardware.memory.free_bytes.or(hardware.memory.total_bytes);
    known.map_or(UNKNOWN, |bytes| bytes / 10 * 9) / sharing.max(1)
}

/// Every GPU of the machine; two halves of the CPU where there is none.
pub fn default_devices() -> Vec<DeviceSection> {
    let is_gpu = |device: &&DeviceInfo| {
        matches!(device.kind, DeviceKind::Discrete | DeviceKind::Integrated | DeviceKind::Virtual)
    };
    let machine = discover::list(&ListOptions::default());
    let gpus: Vec<_> = machine.iter().filter(is_gpu).collect();
    let section = |id: String, adapter: &str| DeviceSection {
        id,
        adapter: adapter.to_owned(),
        ..DeviceSection::default()
    };
    if gpus.is_empty() {
        return ["left", "right"].map(|id| section(id.to_owned(), "cpu")).to_vec();
    }
    gpus.iter().enumerate().map(|(i, gpu)| section(format!("gpu{i}"), &gpu.adapter)).collect()
}

/// Who a device is, without costs.
pub(super) fn described(device: &SetupDevice) -> DeviceProfile {
    DeviceProfile {
        id: device.id.clone(),
        name: device.hardware.name.clone(),
        kind: Some(device.hardware.kind),
        api: Some(device.hardware.api),
        precision: device.precision,
        memory_bytes: device.budget_bytes,
        reserve_bytes: device.reserve_bytes,
        max_tensor_bytes: device.hardware.max_tensor_bytes(),
        ..DeviceProfile::default()
    }
}

/// Which adapter a device is, and with which driver.
pub(super) fn adapter_key(device: &SetupDevice) -> impl Serialize + use<> {
    adapter_key_of(&device.hardware)
}

pub(super) fn adapter_key_of(hardware: &DeviceInfo) -> impl Serialize + use<> {
    [&hardware.adapter, &hardware.name, &hardware.driver].map(Clone::clone)
}

pub(super) fn device_key(device: &SetupDevice) -> impl Serialize + use<> {
    let who = adapter_key(device);
    let (wire, wires) = &device.wires;
    let wires: Vec<_> = wires.iter().map(|(to, format)| (to.clone(), format.text())).collect();
    let computes = (device.threads, device.throttle.to_bits(), device.precision);
    (who, computes, device.import_memory, wire.text(), wires)
}
