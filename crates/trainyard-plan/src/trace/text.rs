//! One step as a text timeline: a row a device, a character a slice of time.

use std::fmt::Write;

use super::{Lane, Trace, TraceEvent};
use crate::ActionKind;

const IDLE: char = '·';
const NAME_WIDTH: usize = 16;

/// Draws one step over `width` characters (at least 10, at most 1000). A forward is the last digit
/// of its micro-batch (0–9), a backward or input gradient the letter of the same place (a–j), a
/// weight gradient that letter in capitals. With `color` the kinds are told apart by ANSI colours
/// too. An event shorter than half a character may not be seen.
#[must_use]
pub fn timeline(trace: &Trace, step: u64, width: usize, color: bool) -> String {
    let Some((start, end)) = trace.step_range(step) else {
        return format!("step {step} is not in the trace\n");
    };
    let width = width.clamp(10, 1000);
    let length = end.saturating_sub(start).max(1);
    let mut rows = vec![vec![(IDLE, Style::Idle); width]; trace.devices.len()];
    let column = |ns: u64| {
        let passed = u128::from(ns.saturating_sub(start).min(length));
        ((passed * width as u128 + u128::from(length) / 2) / u128::from(length)) as usize
    };
    for event in &trace.events {
        let Some(row) = rows.get_mut(event.device) else { continue };
        if event.step == step && event.lane == Lane::Compute {
            let (from, to) = (column(event.start_ns), column(event.end_ns));
            if let (Some(cells), Some(cell)) = (row.get_mut(from..to), cell(event)) {
                cells.fill(cell);
            }
        }
    }

    let milliseconds = end.saturating_sub(start) as f64 / 1e6;
    let mut text = format!("step {step}: {milliseconds:.3} ms");
    // Writing to a String cannot fail.
    if let Some(bubble) = trace.bubble_fraction(step) {
        let percent = bubble * 100.0;
        let _ = write!(text, ", bubble {percent:.1} % (idle ÷ (devices × step time))");
    }
    text.push('\n');
    let names: Vec<String> = trace.devices.iter().map(|device| short(&device.id)).collect();
    let name_width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    for (name, row) in names.iter().zip(&rows) {
        let _ = writeln!(text, "{name:<name_width$} |{}|", paint(row, color));
    }
    let legend = [
        ("0-9 forward", Style::Forward),
        ("a-j backward", Style::Backward),
        ("A-J weight gradient", Style::WeightGrad),
        ("# optimizer", Style::Optimizer),
        ("· idle", Style::Idle),
    ];
    let used = |style: &Style| {
        *style != Style::WeightGrad || rows.iter().flatten().any(|(_, used)| used == style)
    };
    let legend: Vec<String> = legend
        .iter()
        .filter(|(_, style)| used(style))
        .map(|(words, style)| styled(words, *style, color))
        .collect();
    let _ = writeln!(text, "{} (by micro-batch, last digit)", legend.join("  "));
    text
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    Forward,
    Backward,
    WeightGrad,
    Optimizer,
    Idle,
}

fn cell(event: &TraceEvent) -> Option<(char, Style)> {
    let digit = (event.action.micro_batch % 10) as u8;
    Some(match event.action.kind {
        ActionKind::Forward => (char::from(b'0' + digit), Style::Forward),
        ActionKind::Backward | ActionKind::InputGrad => (char::from(b'a' + digit), Style::Backward),
        ActionKind::WeightGrad => (char::from(b'A' + digit), Style::WeightGrad),
        ActionKind::Optimizer => ('#', Style::Optimizer),
        _ => return None,
    })
}

/// Device ids come from files: cut to length, and nothing that a terminal would obey.
fn short(id: &str) -> String {
    id.chars().map(|c| if c.is_control() { '?' } else { c }).take(NAME_WIDTH).collect()
}

/// A row's text, with one escape sequence a run of one style rather than one a character.
fn paint(row: &[(char, Style)], color: bool) -> String {
    row.chunk_by(|(_, a), (_, b)| a == b)
        .map(|run| {
            let text: String = run.iter().map(|(c, _)| *c).collect();
            styled(&text, run[0].1, color)
        })
        .collect()
}

fn styled(text: &str, style: Style, color: bool) -> String {
    let code = match style {
        Style::Forward => "34",
        Style::Backward => "38;5;208",
        Style::WeightGrad => "32",
        Style::Optimizer => "35",
        Style::Idle => "90",
    };
    if color { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
}
