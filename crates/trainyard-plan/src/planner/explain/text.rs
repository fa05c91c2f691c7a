//! An explanation as text for a terminal.

use std::fmt::Write;

use super::explanation::{ExplainedStage, Explanation, IfLarger, SingleDevice};
use crate::Recompute;
use crate::memory::human_bytes;

/// The text that `trainyard plan` prints below its plan.
#[must_use]
pub fn text(explanation: &Explanation) -> String {
    let Explanation { schedule, micro_batches, slices, step_us, bubble_fraction, .. } = explanation;
    let in_slices = match slices {
        1 => String::new(),
        _ => format!(" in {} times {slices} slices", micro_batches / slices),
    };
    // Writing to a String cannot fail.
    let mut text = format!(
        "{schedule}, {micro_batches} micro-batch{}{in_slices}: {} a step, bubble {:.0} %\n\n",
        if *micro_batches == 1 { "" } else { "es" },
        time(*step_us),
        bubble_fraction * 100.0
    );
    text += &table(&stage_rows(explanation));
    text.push('\n');
    text += &table(&device_rows(explanation));
    text.push('\n');
    for device in explanation.devices.iter().filter(|device| !device.precision.is_f32()) {
        let _ =
            writeln!(text, "{} computes products in {}", device.device, device.precision.text());
    }
    match (&explanation.single, explanation.speed_up) {
        (Some(single), Some(speed_up)) => {
            let recompute = match single.recompute {
                Recompute::Full => ", with recompute",
                Recompute::None => "",
            };
            let (device, alone) = (&single.device, time(single.step_us));
            let _ = writeln!(
                text,
                "{device} alone takes {alone}{recompute}: this plan is {speed_up:.2} times as fast"
            );
        }
        _ => text.push_str("the model fits on no single device\n"),
    }
    if let Some(SingleDevice { device, step_us, short_bytes, .. }) = &explanation.too_small {
        let (alone, short) = (time(*step_us), human_bytes(*short_bytes));
        let _ = writeln!(text, "{device} alone would take {alone}, and is {short} too small");
    }
    let (bound, full) = (explanation.ideal_speed_up, explanation.full_speed_up);
    if full > 1.0 {
        let _ = writeln!(
            text,
            "bound: {full:.2} times as fast as the fastest device alone if none ever waited, {bound:.2} \
             times with the waits that 1F1B cannot avoid (its bubble)"
        );
    }
    if !explanation.unused.is_empty() {
        let _ = writeln!(text, "left idle: {}", explanation.unused.join(", "));
    }
    if explanation.estimated {
        text.push_str("times are estimates; `trainyard measure` makes them measured\n");
    }
    if !explanation.exact {
        text.push_str(
            "the model is too large for an exact search; layers were joined into groups\n",
        );
    }
    section(&mut text, "what limits it:", explanation.limits.iter().cloned());
    section(&mut text, "what would help:", explanation.if_larger.iter().map(if_larger));
    section(&mut text, "notes:", explanation.notes.iter().cloned());
    text
}

fn stage_rows(explanation: &Explanation) -> Vec<Vec<String>> {
    let header = ["stage", "device", "layers", "recompute", "micro-batch", "of step"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    for (index, stage) in explanation.stages.iter().enumerate() {
        let recompute = match stage.recompute {
            Recompute::Full => "full",
            Recompute::None => "none",
        };
        rows.push(vec![
            index.to_string(),
            stage.device.clone(),
            layers(stage),
            recompute.to_owned(),
            time(stage.time_us),
            format!("{:.0} %", stage.share_of_step * 100.0),
        ]);
    }
    rows
}

/// A stage's layers by name and number.
fn layers(stage: &ExplainedStage) -> String {
    let (first, end) = stage.layers;
    match end.saturating_sub(first) {
        1 => format!("{} ({first})", stage.names.0),
        _ => format!("{} … {} ({first}–{})", stage.names.0, stage.names.1, end.saturating_sub(1)),
    }
}

fn device_rows(explanation: &Explanation) -> Vec<Vec<String>> {
    let header = [
        "device",
        "weights",
        "gradients",
        "optimizer",
        "activations",
        "buffers",
        "all",
        "budget",
        "busy",
    ];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    for device in &explanation.devices {
        let peak = device.peak_bytes;
        let parts = [peak.weights, peak.gradients, peak.optimizer, peak.activations, peak.buffers];
        let sizes = parts.into_iter().chain([peak.total(), device.budget_bytes]).map(human_bytes);
        let busy = format!("{:.0} %", device.busy_share * 100.0);
        rows.push([device.device.clone()].into_iter().chain(sizes).chain([busy]).collect());
    }
    rows
}

fn if_larger(what: &IfLarger) -> String {
    let change = -what.change * 100.0;
    match what.more_bytes {
        Some(bytes) => {
            format!("with {} more on {}: −{change:.0} %", human_bytes(bytes), what.device)
        }
        None => format!("with as much memory on {} as it could use: −{change:.0} %", what.device),
    }
}

fn section(text: &mut String, title: &str, lines: impl Iterator<Item = String>) {
    let lines: Vec<String> = lines.collect();
    if !lines.is_empty() {
        let _ = write!(text, "\n{title}\n");
    }
    for line in lines {
        let _ = writeln!(text, "  {line}");
    }
}

/// Columns as wide as their widest cell, two spaces apart.
fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths);
        let line: Vec<String> = cells.map(|(cell, width)| format!("{cell:<width$}")).collect();
        text += line.join("  ").trim_end();
        text.push('\n');
    }
    text
}

/// µs as people read them.
fn time(us: f64) -> String {
    match us {
        us if us < 1e3 => format!("{us:.0} µs"),
        us if us < 1e6 => format!("{:.1} ms", us / 1e3),
        us => format!("{:.2} s", us / 1e6),
    }
}
