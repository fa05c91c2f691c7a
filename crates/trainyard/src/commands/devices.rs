//! `trainyard devices`: what this machine has, and what a run file calls it.

use std::io::Write;
use std::process::ExitCode;

use clap::Args;
use trainyard_engine::discover::{self, ListOptions, Survey};
use trainyard_plan::memory::human_bytes;
use trainyard_plan::{ComputeProbe, DeviceInfo, DeviceLink, DeviceList, MemoryInfo, MemorySource};

use super::device_links::{links, print_links};
use super::run_command::RunCommand;
use crate::app::App;
use crate::error::RunError;

/// List the devices of this machine
#[derive(Debug, Args)]
pub struct Devices {
    /// Print JSON for machines
    #[arg(long)]
    json: bool,
    /// Do not try whether compute works
    #[arg(long)]
    no_probe: bool,
    /// Open them all, and measure the ways between them
    #[arg(long, conflicts_with = "no_probe")]
    links: bool,
}

impl RunCommand for Devices {
    /// Lists the devices.
    ///
    /// # Errors
    /// If the terminal cannot be written to, or a device whose links are asked for fails.
    fn run(&self, _: &App) -> Result<ExitCode, RunError> {
        let probe = !self.no_probe;
        let survey = discover::survey(&ListOptions { probe, ..ListOptions::default() });
        let links = if self.links { links(&survey.devices)? } else { Vec::new() };
        list(&mut std::io::stdout(), self.json, survey, links)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Lists the devices on `out`: as JSON ([`DeviceList`]) for machines, as a few lines each for people.
///
/// # Errors
///
/// If `out` cannot be written to.
fn list(
    out: &mut impl Write,
    json: bool,
    survey: Survey,
    links: Vec<DeviceLink>,
) -> Result<(), RunError> {
    let written = if json {
        // The warnings of a failing driver are in the log.
        let list = DeviceList { links, ..DeviceList::new(survey.devices) };
        serde_json::to_writer_pretty(&mut *out, &list)
            .map_err(std::io::Error::from)
            .and_then(|()| writeln!(out))
    } else {
        print(out, &survey).and_then(|()| print_links(out, &links))
    };
    written.map_err(RunError::io("write to", "the terminal"))
}

/// Writes the devices for people.
///
/// # Errors
/// If `out` cannot be written to.
pub fn print(out: &mut impl Write, survey: &Survey) -> std::io::Result<()> {
    for device in &survey.devices {
        print_device(out, device)?;
        writeln!(out)?;
    }
    for trouble in &survey.troubles {
        writeln!(out, "{}: {}", trouble.api.text(), trouble.reason)?;
        writeln!(out)?;
    }
    // The last is the CPU, which everybody has: the first shows more.
    if let Some(device) = survey.devices.first() {
        writeln!(
            out,
            "A run file names a device by the text in quotes, by its number or by a part of its name: adapter = \"{}\"",
            device.adapter
        )?;
    }
    Ok(())
}

/// Writes one device in three or four lines.
fn print_device(out: &mut impl Write, device: &DeviceInfo) -> std::io::Result<()> {
    writeln!(out, "{:>2}  {}", device.index, device.name)?;

    let also: Vec<_> = device.also.iter().map(|api| api.text()).collect();
    let also = if also.is_empty() { String::new() } else { format!(" (also {})", also.join(", ")) };
    let mut facts = vec![format!("\"{}\"", device.adapter), device.kind.text().to_owned()];
    // "cpu, cpu" would say nothing more.
    if device.api.text() != device.kind.text() {
        facts.push(format!("{}{also}", device.api.text()));
    }
    facts.push(device.vendor.clone());
    if !device.driver.is_empty() {
        facts.push(format!("driver {}", device.driver));
    }
    if !device.pci_bus_id.is_empty() {
        facts.push(format!("PCI {}", device.pci_bus_id));
    }
    writeln!(out, "    {}", facts.join(", "))?;

    writeln!(
        out,
        "    memory {}; largest buffer {}{}; f16 {}; timestamps {}",
        memory(&device.memory),
        human_bytes(device.max_buffer_bytes),
        tensor_limit(device),
        yes(device.f16),
        yes(device.timestamps),
    )?;
    match &device.compute {
        ComputeProbe::Works => writeln!(out, "    compute works"),
        ComputeProbe::Fails { reason } => writeln!(out, "    compute fails: {reason}"),
        ComputeProbe::NotProbed => writeln!(out, "    compute not tried"),
    }
}

/// The largest tensor, where it is less than the largest buffer.
fn tensor_limit(device: &DeviceInfo) -> String {
    let less = device.max_tensor_bytes().filter(|bytes| *bytes < device.max_buffer_bytes);
    less.map_or_else(String::new, |bytes| format!(", tensor {}", human_bytes(bytes)))
}

/// A device's memory and who says so.
fn memory(memory: &MemoryInfo) -> String {
    let amount = match (memory.free_bytes, memory.total_bytes) {
        (Some(free), Some(total)) => {
            format!("{} free of {}", human_bytes(free), human_bytes(total))
        }
        (None, Some(total)) => format!("{}, free unknown", human_bytes(total)),
        (Some(free), None) => format!("{} free", human_bytes(free)),
        (None, None) => return "unknown".to_owned(),
    };
    match memory.source {
        MemorySource::Reported => format!("{amount} (reported)"),
        MemorySource::Estimated => format!("{amount} (estimated: the system's)"),
        MemorySource::Unknown => amount,
    }
}

/// Yes or no.
fn yes(it: bool) -> &'static str {
    if it { "yes" } else { "no" }
}

#[cfg(test)]
mod tests {
    use trainyard_engine::discover::Trouble;
    use trainyard_plan::{Api, DeviceKind};

    use super::*;

    fn card() -> DeviceInfo {
        DeviceInfo {
            index: 0,
            adapter: "vulkan:NVIDIA GeForce RTX 3060".into(),
            name: "NVIDIA GeForce RTX 3060".into(),
            kind: DeviceKind::Discrete,
            api: Api::Vulkan,
            also: vec![Api::Gl],
            driver: "NVIDIA 550.54".into(),
            vendor: "NVIDIA".into(),
            pci_bus_id: "0000:01:00.0".into(),
            memory: MemoryInfo {
                total_bytes: Some(12 << 30),
                free_bytes: Some(11 << 30),
                source: MemorySource::Reported,
            },
            max_buffer_bytes: 2 << 30,
            max_binding_bytes: Some((1 << 30) + 100),
            buffer_alignment_bytes: Some(256),
            f16: true,
            timestamps: true,
            compute: ComputeProbe::Fails { reason: "its driver crashed (signal 11)".into() },
        }
    }

    fn printed(survey: &Survey) -> String {
        let mut out = Vec::new();
        print(&mut out, survey).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_card_is_shown_with_all_that_matters() {
        let trouble = Trouble { api: Api::Gl, reason: "its driver crashed".into() };
        let text = printed(&Survey { devices: vec![card()], troubles: vec![trouble] });
        for part in [
            " 0  NVIDIA GeForce RTX 3060\n",
            "discrete, vulkan (also gl), NVIDIA, driver NVIDIA 550.54, PCI 0000:01:00.0\n",
            "(reported); largest buffer 2.00 GiB, tensor 1.00 GiB",
            "; f16 yes; timestamps yes\n",
            "compute fails: its driver crashed (signal 11)\n",
            "gl: its driver crashed\n",
            "adapter = \"vulkan:NVIDIA GeForce RTX 3060\"\n",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
    }

    #[test]
    fn memory_that_nobody_tells_is_unknown() {
        let unknown =
            MemoryInfo { total_bytes: None, free_bytes: None, source: MemorySource::Unknown };
        assert_eq!(memory(&unknown), "unknown");
        let total = MemoryInfo { total_bytes: Some(1 << 30), ..unknown };
        assert!(memory(&total).ends_with(", free unknown"));
    }

    #[test]
    fn json_is_a_device_list() {
        let mut out = Vec::new();
        let survey = discover::survey(&ListOptions { probe: false, ..ListOptions::default() });
        list(&mut out, true, survey, Vec::new()).unwrap();
        let list: DeviceList = serde_json::from_slice(&out).unwrap();
        assert_eq!((list.format.as_str(), list.version), (DeviceList::FORMAT, DeviceList::VERSION));
        assert_eq!(list.devices.last().unwrap().kind, DeviceKind::Cpu);
    }
}
