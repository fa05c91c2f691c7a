//! What is said of spans of other programs: under the pointer, when one is selected, and of all in a
//! range.

use std::collections::HashMap;

use eframe::egui::{Button, Grid, Label, RichText, Ui};
use trainyard_plan::foreign::{Span, SpanKind};

use super::ForeignScene;
use super::keys::Walk;
use super::layout::Side;
use super::state::{Frame, Timeline};
use crate::human_time::human_ns;
use crate::theme::size;

/// No more arguments are shown under the pointer.
const FEW: usize = 8;
/// Arguments are shown to no more characters there.
const SHORT: usize = 60;
/// And beside the rows.
const LONG: usize = 2000;
/// How many names of a range are listed.
const LISTED: usize = 14;

/// What spans of one name took together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NameTotal {
    /// The name.
    name: u32,
    /// How many there are.
    count: usize,
    /// What of them lies in the range, ns.
    within_ns: u64,
}

/// The names whose spans took most of a range of the scene's clock, ns, the most first.
pub(super) fn totals(scene: &ForeignScene, from: u64, to: u64) -> Vec<NameTotal> {
    let mut totals: HashMap<u32, NameTotal> = HashMap::new();
    for span in scene.trace().spans.iter().filter(|it| it.start_ns < to && it.end_ns > from) {
        let none = NameTotal { name: span.name, count: 0, within_ns: 0 };
        let total = totals.entry(span.name).or_insert(none);
        total.count += 1;
        let within = span.end_ns.min(to).saturating_sub(span.start_ns.max(from));
        total.within_ns = total.within_ns.saturating_add(within);
    }
    let mut sorted: Vec<NameTotal> = totals.into_values().collect();
    sorted.sort_by_key(|total| (std::cmp::Reverse(total.within_ns), total.name));
    sorted.truncate(LISTED);
    sorted
}

/// The names whose spans took most of a range, in a table.
pub(super) fn totals_ui(ui: &mut Ui, scene: &ForeignScene, totals: &[NameTotal]) {
    if totals.is_empty() {
        ui.weak("Nothing of the other program is in it.");
        return;
    }
    Grid::new("names").num_columns(3).show(ui, |ui| {
        for head in ["time", "count", "name"] {
            ui.label(RichText::new(head).size(size::SMALL).weak());
        }
        ui.end_row();
        for total in totals {
            ui.label(human_ns(total.within_ns as f64));
            ui.label(total.count.to_string());
            let name = scene.trace().word(total.name);
            ui.add(Label::new(name).truncate()).on_hover_text(name);
            ui.end_row();
        }
    });
}

/// A tooltip of a span.
pub(super) fn brief(ui: &mut Ui, frame: &Frame, index: u32) {
    let Some((scene, span)) = find(frame, index) else { return };
    ui.add(Label::new(RichText::new(scene.name(span)).strong()).wrap());
    ui.label(time(span));
    let category = scene.trace().word(span.category);
    if !category.is_empty() {
        ui.weak(category);
    }
    let arguments = scene.trace().arguments(span);
    if arguments.is_empty() {
        return;
    }
    Grid::new("arguments under the pointer").num_columns(2).show(ui, |ui| {
        for (name, value) in arguments.iter().take(FEW) {
            ui.weak(name);
            ui.label(shortened(value, SHORT));
            ui.end_row();
        }
    });
    if arguments.len() > FEW {
        ui.weak(format!("and {} more", arguments.len() - FEW));
    }
}

/// A selected span, with its arguments and where its flows lead.
pub(super) fn show(timeline: &mut Timeline, ui: &mut Ui, frame: &Frame, index: u32) {
    let Some((scene, span)) = find(frame, index) else { return };
    let thread = scene.trace().threads.get(span.thread as usize);
    let process = thread.map_or(0, |thread| thread.process);
    let (start, _) = frame.range(Side::Foreign, span.start_ns, span.end_ns);
    ui.add(Label::new(RichText::new(scene.name(span)).heading()).wrap());
    Grid::new("span").num_columns(2).show(ui, |ui| {
        let mut row = |name: &str, value: &str| {
            if !value.is_empty() {
                ui.weak(name);
                ui.add(Label::new(value).wrap());
                ui.end_row();
            }
        };
        row("category", scene.trace().word(span.category));
        row("process", &scene.process_name(process));
        row("thread", &scene.thread_name(span.thread as usize));
        row("starts at", &human_ns(start));
        row("takes", &time(span));
        for (name, value) in scene.trace().arguments(span) {
            row(&name, &shortened(&value, LONG));
        }
    });
    ui.horizontal(|ui| {
        let turns = [
            ("[ Comes from", Walk::Previous, "Previous along the flow ([)"),
            ("Leads to ]", Walk::Next, "Next along the flow (])"),
        ];
        for (text, walk, hint) in turns {
            let to = walk.from(&frame.scenes, Side::Foreign, index);
            let button = ui.add_enabled(to.is_some(), Button::new(text));
            if button.on_hover_text(hint).clicked()
                && let Some(span) = to
            {
                timeline.select(frame.scenes, Side::Foreign, span);
            }
        }
    });
}

/// What the counters stand at, at an instant.
pub(super) fn counters_ui(ui: &mut Ui, frame: &Frame, ns: f64) {
    let Some(scene) = frame.scenes.foreign else { return };
    let at = frame.clock(Side::Foreign, ns);
    for counter in &scene.trace().counters {
        let after = counter.samples.partition_point(|(sampled, _)| *sampled <= at);
        let sample = after.checked_sub(1).and_then(|before| counter.samples.get(before));
        if let Some((_, number)) = sample {
            ui.horizontal(|ui| {
                ui.label(&counter.name);
                ui.weak(number.to_string());
            });
        }
    }
}

fn find<'a>(frame: &Frame<'a>, index: u32) -> Option<(&'a ForeignScene, &'a Span)> {
    let scene = frame.scenes.foreign?;
    Some((scene, scene.span(index)?))
}

/// How long a span took, in words.
fn time(span: &Span) -> String {
    let time = human_ns(span.duration_ns() as f64);
    match span.kind {
        SpanKind::Whole => time,
        SpanKind::Unfinished => format!("{time} or more: it has no end in the file"),
        SpanKind::Mark => "an instant".to_owned(),
    }
}

/// The start of a long text.
fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
