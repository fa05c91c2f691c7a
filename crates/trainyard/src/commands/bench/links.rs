//! `trainyard bench links`: what it takes to move a tensor between devices.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::io::Write;
use std::time::Instant;

use clap::Args;
use serde::Serialize;
use trainyard_engine::measure::{hidden_share, link_times, to_device_times};
use trainyard_engine::{Device, EngineError, LinkWay};
use trainyard_plan::DeviceInfo;
use trainyard_plan::compare::median;
use trainyard_plan::memory::human_bytes;

use super::devices::{hardware, open};
use super::progress;
use crate::commands::table::{Align, table, time};
use crate::config::WireFormat;
use crate::error::RunError;

/// `trainyard bench links`
#[derive(Debug, Args)]
pub(super) struct LinksBench {
    /// The devices, by adapter; every ordered pair is measured
    #[arg(long, value_name = "ADAPTER,…", value_delimiter = ',', default_value = "cpu,cpu")]
    devices: Vec<String>,
    /// Lets Vulkan devices copy over host memory that both have as their own, or forbids it
    #[arg(long, value_name = "true|false")]
    import_memory: Option<bool>,
    /// The numbers in which tensors travel: f32, f16, bf16 or q8
    #[arg(long, value_name = "FORMAT", default_value = "f32", value_parser = wire)]
    wire: WireFormat,
    /// Print JSON for machines
    #[arg(long)]
    json: bool,
}

fn wire(name: &str) -> Result<WireFormat, String> {
    WireFormat::named(name).map_err(|known| format!("there are {known}"))
}

/// Sizes of the transfers: 4 KiB to 256 MiB.
const SIZES: [usize; 9] =
    [4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20, 16 << 20, 64 << 20, 256 << 20];

/// Size of the transfer beside which the receiver computes.
const HIDDEN_BYTES: usize = 4 << 20;

/// What was measured.
#[derive(Serialize)]
struct Figures {
    format: &'static str,
    version: u64,
    /// What one thread copies within the host's memory, bytes a second.
    memory_copy_bytes_per_s: f64,
    links: Vec<Link>,
}

/// One direction of one pair.
#[derive(Serialize)]
struct Link {
    from: String,
    to: String,
    /// How the link moves tensors.
    way: &'static str,
    /// Of a transfer of [`HIDDEN_BYTES`], the share that the receiver does not notice while it computes.
    hidden_share: f64,
    transfers: Vec<Transfer>,
}

/// A transfer of one size.
#[derive(Serialize)]
struct Transfer {
    bytes: usize,
    /// Through the link that pipelines use.
    link_us: f64,
    /// Burn's own `to_device`; none between CPU devices, where it moves nothing.
    to_device_us: Option<f64>,
}

/// Measures and prints.
///
/// # Errors
/// When there is no such device, or one fails.
pub(super) fn run(bench: &LinksBench) -> Result<(), RunError> {
    let hardware = hardware(&bench.devices)?;
    let as_asked = |device: Device| {
        let device = device.with_imported_memory(bench.import_memory);
        device.with_wires(bench.wire, BTreeMap::new())
    };
    let devices: Vec<Device> = open(&hardware)?.into_iter().map(as_asked).collect();
    let mut links = Vec::new();
    let progress = progress(devices.len() * devices.len().saturating_sub(1));
    for (at, (from, of_from)) in devices.iter().zip(&hardware).enumerate() {
        for (other, (to, of_to)) in devices.iter().zip(&hardware).enumerate() {
            if at != other {
                let largest = largest(of_from).min(largest(of_to));
                let name = |at: usize, adapter: &str| format!("{adapter} ({at})");
                let (of_from, of_to) = (name(at, &of_from.adapter), name(other, &of_to.adapter));
                progress.set_message(format!("{of_from} → {of_to}"));
                links.push(Link {
                    from: of_from,
                    to: of_to,
                    way: LinkWay::between(from, to).text(),
                    hidden_share: hidden_share(from, to, HIDDEN_BYTES)?,
                    transfers: transfers(from, to, largest)?,
                });
                progress.inc(1);
            }
        }
    }
    progress.finish_and_clear();
    let figures = Figures {
        format: "trainyard-bench-links",
        version: 1,
        memory_copy_bytes_per_s: memory_copy(),
        links,
    };
    print(&figures, bench.json).map_err(RunError::io("write to", "the terminal"))
}

/// Bytes a second that one thread copies, where both places are in memory and not in a cache.
fn memory_copy() -> f64 {
    const BYTES: usize = 64 << 20;
    let from = vec![1_u8; BYTES];
    let mut to = from.clone();
    let times = (0..9).map(|_| {
        let started = Instant::now();
        to.copy_from_slice(black_box(&from));
        black_box(&mut to);
        started.elapsed().as_secs_f64()
    });
    BYTES as f64 / median(times.collect())
}

/// The largest tensor that a device can have, bytes.
fn largest(device: &DeviceInfo) -> u64 {
    device.max_tensor_bytes().unwrap_or(device.max_buffer_bytes)
}

fn transfers(from: &Device, to: &Device, largest: u64) -> Result<Vec<Transfer>, EngineError> {
    let sizes: Vec<usize> = SIZES.into_iter().filter(|size| *size as u64 <= largest).collect();
    let link = link_times(from, to, &sizes)?;
    let burn = if from.is_cpu() && to.is_cpu() {
        vec![None; sizes.len()]
    } else {
        to_device_times(from, to, &sizes)?.into_iter().map(Some).collect()
    };
    let transfer = |((bytes, link_us), to_device_us)| Transfer { bytes, link_us, to_device_us };
    Ok(sizes.into_iter().zip(link).zip(burn).map(transfer).collect())
}

fn print(figures: &Figures, json: bool) -> std::io::Result<()> {
    let out = &mut std::io::stdout();
    if json {
        serde_json::to_writer_pretty(&mut *out, figures)?;
        return writeln!(out);
    }
    let copy = figures.memory_copy_bytes_per_s;
    writeln!(out, "one thread copies {}/s within the host's memory", human_bytes(copy as u64))?;
    for Link { from, to, way, hidden_share, transfers } in &figures.links {
        writeln!(out, "\n{from} → {to}: {way}")?;
        let mut rows =
            vec![["size", "link", "rate", "to_device", "link is"].map(str::to_owned).to_vec()];
        for Transfer { bytes, link_us, to_device_us } in transfers {
            let rate = *bytes as f64 / link_us * 1e6;
            rows.push(vec![
                human_bytes(*bytes as u64),
                time(*link_us),
                format!("{}/s, {:.0} % of a copy", human_bytes(rate as u64), 100.0 * rate / copy),
                to_device_us.map_or_else(|| "moves nothing".to_owned(), time),
                to_device_us.map_or_else(String::new, |us| format!("{:.2}× as fast", us / link_us)),
            ]);
        }
        table(out, &rows, &[Align::Right; 5])?;
        let (size, share) = (human_bytes(HIDDEN_BYTES as u64), 100.0 * hidden_share);
        writeln!(
            out,
            "{share:.0} % of a transfer of {size} hides behind what the receiver computes"
        )?;
    }
    Ok(())
}
