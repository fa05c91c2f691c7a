//! What `trainyard bench pipeline` prints.

use std::io::Write;

use trainyard_plan::memory::human_bytes;

use super::blocks::{BLOCKS, MICRO_BATCHES};
use super::figures::{Figures, LinksFigures, TorchFigures};
use super::stepper::STEPS;

pub(super) fn print(out: &mut impl Write, figures: &Figures) -> std::io::Result<()> {
    let Figures { bound, interference, speed_up, width, inner, rows, devices, .. } = figures;
    let on_all = format!("{} on {} devices", figures.schedule, devices.len());
    writeln!(
        out,
        "{BLOCKS} residual blocks {width}→{inner}→{width}, {MICRO_BATCHES} micro-batches of {rows} rows, on \
         {};\nmedians of {} rounds of {STEPS} steps, ratios within a round\n\n\
         plain Burn loop             {:8.1} ms a step\n\
         one stage on one device     {:8.1} ms   {:+.1} % beside that; tracing costs {:+.1} %, \
         splitting the backward {:+.1} %\n\
         to_device in one graph      {:8.1} ms\n\
         {on_all:<27} {:8.1} ms   {speed_up:.2}× one device, {:.2}× to_device in one graph, \
         {:.2}× 1f1b; {:.0} rows/s",
        devices.join(", "),
        figures.rounds,
        figures.plain_burn_ms,
        figures.one_device_ms,
        100.0 * (figures.overhead - 1.0),
        100.0 * (figures.tracing - 1.0),
        100.0 * (figures.splitting - 1.0),
        figures.naive_ms,
        figures.all_devices_ms,
        figures.over_naive,
        figures.over_1f1b,
        figures.rows_per_s,
    )?;
    if let Some(links) = &figures.links {
        print_links(out, links, figures)?;
    }
    print_torch(out, &figures.torch, devices.len())?;
    writeln!(
        out,
        "\nthe bound of {} is {bound:.2}× (p·m/(m+p−1) is {:.2}×): {:.0} % of it are reached\n\
         side by side, a device has {:.0} % of its speed alone: {:.0} % of the bound with that",
        figures.schedule,
        figures.closed_form,
        100.0 * speed_up / bound,
        100.0 * interference,
        100.0 * speed_up / (bound * interference),
    )
}

fn print_links(
    out: &mut impl Write,
    links: &LinksFigures,
    figures: &Figures,
) -> std::io::Result<()> {
    let LinksFigures { free_ms, transfers, not_hidden } = links;
    let (low, high) = figures.intervals.get("not_hidden").copied().unwrap_or_default();
    let hidden = if high - low > 1.0 {
        "what of that does not hide is less than the noise".to_owned()
    } else {
        let [low, high] = [low, high].map(|bound| 100.0 * bound);
        format!("{:.0} % of that do not hide (95 %: {low:.0} to {high:.0} %)", 100.0 * not_hidden)
    };
    writeln!(
        out,
        "the same with free links    {free_ms:8.1} ms   its {} transfers of {} take {:.1} ms alone; {hidden}",
        transfers.count,
        human_bytes(transfers.bytes as u64),
        transfers.alone_ms,
    )
}

fn print_torch(out: &mut impl Write, torch: &TorchFigures, ranks: usize) -> std::io::Result<()> {
    match torch {
        TorchFigures::Skipped { skipped } => writeln!(out, "PyTorch: skipped, {skipped}"),
        TorchFigures::Measured {
            version,
            plain_ms,
            pipeline_ms,
            rows_per_s,
            speed_up,
            over_one_device,
            over_all_devices,
        } => {
            let on_all = format!("its 1F1B, {ranks} processes");
            writeln!(
                out,
                "PyTorch {version}, one thread a process:\n\
                 its loop on one device      {plain_ms:8.1} ms   one stage on one device is \
                 {over_one_device:.2}× as fast\n\
                 {on_all:<27} {pipeline_ms:8.1} ms   {speed_up:.2}× its loop; {rows_per_s:.0} rows/s; \
                 ours on all devices is {over_all_devices:.2}× as fast",
            )
        }
    }
}
