//! `trainyard devices --links`: the ways between the devices of this machine.

use std::io::Write;

use trainyard_engine::measure::link;
use trainyard_engine::{Device, EngineError, LinkWay};
use trainyard_plan::memory::human_bytes;
use trainyard_plan::{ComputeProbe, DeviceInfo, DeviceLink};

use super::bench::progress;
use super::table::{Align, table, time};

/// Budget of a device that is opened for its links alone, bytes.
const BUDGET: u64 = 1 << 30;

/// Measures every ordered pair of the devices that compute.
///
/// # Errors
/// If a device cannot be opened, or fails.
pub(super) fn links(devices: &[DeviceInfo]) -> Result<Vec<DeviceLink>, EngineError> {
    let works = |info: &&DeviceInfo| info.compute == ComputeProbe::Works;
    let open = |info: &DeviceInfo| Device::open(&info.adapter, info, BUDGET, 1);
    let opened: Vec<Device> =
        devices.iter().filter(works).map(open).collect::<Result<_, EngineError>>()?;
    let pairs = || {
        let others = |from| opened.iter().filter(move |to: &&Device| !std::ptr::eq(from, *to));
        opened.iter().flat_map(move |from| others(from).map(move |to| (from, to)))
    };
    let progress = progress(pairs().count());
    let mut links = Vec::new();
    for (from, to) in pairs() {
        progress.set_message(format!("{} → {}", from.id(), to.id()));
        let cost = link(from, to)?;
        links.push(DeviceLink {
            from: from.id().to_owned(),
            to: to.id().to_owned(),
            way: LinkWay::between(from, to).text().to_owned(),
            latency_ns: (cost.latency_us * 1e3) as u64,
            bytes_per_s: (cost.bytes_per_us * 1e6) as u64,
        });
        progress.inc(1);
    }
    progress.finish_and_clear();
    Ok(links)
}

/// Writes them for people.
///
/// # Errors
/// If `out` cannot be written to.
pub(super) fn print_links(out: &mut impl Write, links: &[DeviceLink]) -> std::io::Result<()> {
    if links.is_empty() {
        return Ok(());
    }
    let mut rows = vec![["link", "latency", "rate", "way"].map(str::to_owned).to_vec()];
    rows.extend(links.iter().map(|link| {
        let rate = format!("{}/s", human_bytes(link.bytes_per_s));
        let ends = format!("{} → {}", link.from, link.to);
        vec![ends, time(link.latency_ns as f64 / 1e3), rate, link.way.clone()]
    }));
    writeln!(out)?;
    table(out, &rows, &[Align::Left, Align::Right, Align::Right, Align::Left])
}
