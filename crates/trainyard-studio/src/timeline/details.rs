//! Beside the rows: the selected action, the range's statistics, and what is live at the cursor.

use eframe::egui::{Frame as Card, Grid, Margin, RichText, ScrollArea, Sense, Ui, vec2};
use trainyard_plan::compare::Pair;
use trainyard_plan::memory::human_bytes;
use trainyard_plan::{ActionKind, Lane, TraceEvent};

use super::keys::Walk;
use super::layout::Side;
use super::quad::Quad;
use super::selection::{Selected, Selection};
use super::state::{Frame, Known, OfRange, Timeline};
use super::statistics::{DeviceStatistics, Statistics, statistics};
use super::{ForeignScene, Live, live_at, span_details};
use crate::human_time::human_ns;
use crate::prediction_error;
use crate::theme::{Category, Idle, Theme, size};

/// With more events than these, statistics are not worked out while a range is dragged.
const QUICK: usize = 200_000;
/// More tensors than these are counted, not listed.
const LISTED: usize = 14;

const LIVE: &str = "what is live then";
const FLOW: &str = "along the flow";

/// What can be done, while nothing is selected.
const HINTS: [(&str, &str); 10] = [
    ("click", "details of an action"),
    ("drag", "statistics of a range"),
    ("click the ruler", LIVE),
    ("wheel, W, S", "zoom"),
    ("Shift-drag, A, D", "move"),
    ("Page Up, Page Down", "scroll the rows"),
    ("F", "fit"),
    ("[  ]", FLOW),
    (",  .", "along the row"),
    ("M, Esc", "mark, clear"),
];

/// Whether there is anything to say but how to get at it.
pub(super) fn is_asked(timeline: &Timeline) -> bool {
    timeline.selected.is_some() || timeline.range.is_some() || timeline.pinned.is_some()
}

pub(super) fn show(timeline: &mut Timeline, ui: &mut Ui, frame: &Frame, cursor: Option<f64>) {
    let shows = is_asked(timeline);
    Card::new().inner_margin(Margin::same(8)).show(ui, |ui| {
        if !shows {
            return hints(ui, frame);
        }
        ScrollArea::vertical().id_salt("details").auto_shrink(false).show(ui, |ui| {
            match timeline.selected.clone() {
                Some(Selection::Action(selected)) => action(timeline, ui, frame, &selected),
                Some(Selection::Span(span)) => span_details::show(timeline, ui, frame, span),
                None => {}
            }
            if timeline.selected.is_some() {
                ui.add_space(size::SPACE);
            }
            if let Some(range) = timeline.range {
                range_statistics(timeline, ui, frame, range);
                ui.add_space(size::SPACE);
            }
            if timeline.pinned.is_some()
                && let Some(ns) = cursor.or(timeline.pinned)
            {
                live(ui, frame, ns);
            }
        });
    });
}

fn hints(ui: &mut Ui, frame: &Frame) {
    let small = |text: &str| RichText::new(text).size(size::SMALL);
    // A trace of another program may have neither.
    let ours = frame.scenes.sides().count() > 0;
    let foreign = frame.scenes.foreign.map(ForeignScene::trace);
    let has_live = ours || foreign.is_some_and(|trace| !trace.counters.is_empty());
    let has_flow = ours || foreign.is_some_and(|trace| !trace.flows.is_empty());
    Grid::new("hints").num_columns(2).show(ui, |ui| {
        for (hand, what) in HINTS {
            if (what == LIVE && !has_live) || (what == FLOW && !has_flow) {
                continue;
            }
            ui.label(small(hand));
            ui.label(small(what).weak());
            ui.end_row();
        }
    });
}

/// What an action does, in words.
fn in_words(event: &TraceEvent) -> String {
    let what = match event.action.kind {
        ActionKind::Forward => "forward",
        ActionKind::Backward => "backward",
        ActionKind::InputGrad => "input gradient",
        ActionKind::WeightGrad => "weight gradient",
        ActionKind::SendForward => "sends the output",
        ActionKind::RecvForward => "receives the input",
        ActionKind::SendBackward => "sends the input's gradient",
        ActionKind::RecvBackward => "receives the output's gradient",
        ActionKind::Optimizer => return "optimizer step".to_owned(),
    };
    format!("{what}, stage {}, micro-batch {}", event.action.stage, event.action.micro_batch)
}

/// A tooltip of an action.
pub(super) fn brief(ui: &mut Ui, frame: &Frame, selected: &Selected) {
    let Some((_, _, event)) = selected.event(&frame.scenes) else { return };
    ui.horizontal(|ui| {
        ui.strong(event.action.to_string());
        ui.label(human_ns(event.duration_ns() as f64));
    });
    ui.weak(in_words(event));
    if event.lane != Lane::Compute {
        ui.weak(human_bytes(event.bytes));
    }
}

fn action(timeline: &mut Timeline, ui: &mut Ui, frame: &Frame, selected: &Selected) {
    let Some((side, index, event)) = selected.event(&frame.scenes) else {
        ui.weak(format!("{} is no longer there", selected.action));
        return;
    };
    ui.horizontal(|ui| {
        ui.heading(event.action.to_string());
        ui.weak(match side {
            Side::Measured | Side::Foreign => format!("measured, step {}", event.step),
            Side::Preview => "as it would be".to_owned(),
            Side::Predicted => "predicted".to_owned(),
        });
    });
    ui.label(in_words(event));
    let (start, _) = frame.range(side, event.start_ns, event.end_ns);
    Grid::new("action").num_columns(2).show(ui, |ui| {
        let row = |ui: &mut Ui, name: &str, value: String| {
            ui.weak(name);
            ui.label(value);
            ui.end_row();
        };
        row(ui, "device", selected.device.clone());
        row(ui, "starts at", human_ns(start));
        row(ui, "takes", human_ns(event.duration_ns() as f64));
        if let Some((name, other)) = other_side(frame, selected, side) {
            let (ns, against) = (other.duration_ns() as f64, event.duration_ns() as f64);
            let (predicted, measured) =
                if side == Side::Measured { (ns, against) } else { (against, ns) };
            row(ui, name, human_ns(ns));
            ui.weak("error");
            prediction_error::label(ui, Pair { predicted, measured });
            ui.end_row();
        }
        if event.lane != Lane::Compute {
            row(ui, "moves", human_bytes(event.bytes));
        }
    });
    ui.horizontal(|ui| {
        let turn = |walk: Walk| walk.from(&frame.scenes, side, index);
        let (back, ahead) = (turn(Walk::Previous), turn(Walk::Next));
        let turns = [
            ("[ Comes from", back, "Previous along the flow ([)"),
            ("Leads to ]", ahead, "Next along the flow (])"),
        ];
        for (text, to, hint) in turns {
            let button = ui.add_enabled(to.is_some(), eframe::egui::Button::new(text));
            if button.on_hover_text(hint).clicked()
                && let Some(event) = to
            {
                timeline.select(frame.scenes, side, event);
            }
        }
    });
}

/// The same action predicted, where it was measured, or measured where it is predicted.
fn other_side<'a>(
    frame: &Frame<'a>,
    selected: &Selected,
    side: Side,
) -> Option<(&'static str, &'a TraceEvent)> {
    if side == Side::Measured {
        let prediction = frame.scenes.prediction();
        let step = frame.scenes.scene(prediction)?.steps().first()?.number;
        return Some(("predicted", selected.counterpart(&frame.scenes, prediction, step)?));
    }
    Some(("measured", selected.counterpart(&frame.scenes, Side::Measured, frame.step?)?))
}

fn range_statistics(timeline: &mut Timeline, ui: &mut Ui, frame: &Frame, range: (f64, f64)) {
    let of = (frame.scenes.revisions(), [range.0.to_bits(), range.1.to_bits()], frame.step);
    let of_sides = frame.scenes.sides().map(|(_, scene)| scene.events().len());
    let of_others = frame.scenes.foreign.map(|scene| scene.trace().spans.len());
    let events = of_sides.chain(of_others).max().unwrap_or(0);
    if timeline.drag.is_some() && events > QUICK {
        ui.heading(format!("Range of {}", human_ns(range.1 - range.0)));
        ui.weak("Release for statistics");
        return;
    }
    if timeline.statistics.as_ref().is_none_or(|known| known.of != of) {
        let sides = frame.scenes.sides();
        let shown =
            sides.filter(|(side, _)| *side != Side::Predicted || frame.scenes.preview.is_none());
        let work_out = |(side, scene)| {
            let (from, to) = (frame.clock(side, range.0), frame.clock(side, range.1));
            (side, statistics(scene, from, to))
        };
        let names = frame.scenes.foreign.map(|scene| {
            let [from, to] = [range.0, range.1].map(|ns| frame.clock(Side::Foreign, ns));
            span_details::totals(scene, from, to)
        });
        let sides = shown.map(work_out).collect();
        timeline.statistics = Some(Known { of, is: OfRange { sides, names } });
    }
    ui.heading(format!("Range of {}", human_ns(range.1 - range.0)));
    let Some(Known { is: OfRange { sides, names }, .. }) = &timeline.statistics else { return };
    for (side, of_side) in sides {
        if sides.len() > 1 {
            ui.strong(match side {
                Side::Measured | Side::Foreign => "measured",
                Side::Preview => "would be",
                Side::Predicted => "predicted",
            });
        }
        for device in &of_side.devices {
            device_statistics(ui, of_side, device);
        }
    }
    if let (Some(scene), Some(totals)) = (frame.scenes.foreign, names) {
        span_details::totals_ui(ui, scene, totals);
    }
}

fn device_statistics(ui: &mut Ui, all: &Statistics, device: &DeviceStatistics) {
    let theme = Theme::of(ui.ctx());
    let length = all.length_ns.max(1) as f64;
    ui.horizontal(|ui| {
        ui.label(&device.id);
        ui.weak(format!(
            "busy {:.0} %, {}; {} actions",
            100.0 * device.busy_ns as f64 / length,
            human_ns(device.busy_ns as f64),
            device.actions
        ));
    });
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), 10.0), Sense::hover());
    ui.painter().rect_filled(rect, 2.0, theme.background);
    let mut left = rect.left();
    let mut part = |ns: u64, quad: Quad| {
        let width = (ns as f64 / length) as f32 * rect.width();
        let area = eframe::egui::Rect::from_min_size(
            eframe::egui::pos2(left, rect.top()),
            vec2(width, rect.height()),
        );
        quad.paint(ui.painter(), area);
        left += width;
    };
    part(device.busy_ns, Quad::solid([0.0; 4], theme.accent));
    for cause in Idle::ALL {
        let quad = Quad::patterned([0.0; 4], theme.raised, theme.idle, cause.pattern());
        part(device.idle(cause), quad);
    }
    let idle: Vec<String> = Idle::ALL
        .into_iter()
        .filter(|cause| device.idle(*cause) > 0)
        .map(|cause| format!("{} {}", cause.name(), human_ns(device.idle(cause) as f64)))
        .collect();
    let idle = if idle.is_empty() { "never idle".to_owned() } else { idle.join(", ") };
    response.on_hover_text(&idle);
    ui.label(RichText::new(idle).size(size::SMALL).color(theme.weak));
    let bytes = format!(
        "in {}, out {}",
        human_bytes(device.received_bytes),
        human_bytes(device.sent_bytes)
    );
    ui.label(RichText::new(bytes).size(size::SMALL).color(theme.weak));
}

/// What is live on every device at an instant.
fn live(ui: &mut Ui, frame: &Frame, ns: f64) {
    ui.heading(format!("Live at {}", human_ns(ns)));
    span_details::counters_ui(ui, frame, ns);
    let prediction = frame.scenes.prediction();
    let side = if frame.scenes.scene(prediction).is_some() { prediction } else { Side::Measured };
    let Some(scene) = frame.scenes.scene(side) else { return };
    for (index, device) in scene.devices().iter().enumerate() {
        let live = live_at(scene, index, frame.clock(side, ns));
        let total = live.bytes.map_or_else(|| "unknown".to_owned(), human_bytes);
        ui.horizontal(|ui| {
            ui.label(&device.info.id);
            ui.weak(total);
        });
        tensors(ui, &live);
    }
}

fn tensors(ui: &mut Ui, live: &Live) {
    let theme = Theme::of(ui.ctx());
    for category in Category::ALL {
        let of_category: Vec<_> = live.tensors.iter().filter(|t| t.category == category).collect();
        let total = live.by_category.as_ref().map(|all| category.bytes(all));
        if of_category.is_empty() && total.unwrap_or(0) == 0 {
            continue;
        }
        ui.horizontal(|ui| {
            let (rect, _) = ui.allocate_exact_size(vec2(9.0, 9.0), Sense::hover());
            ui.painter().rect_filled(rect, 1.0, theme.memory(category));
            ui.label(RichText::new(category.name()).size(size::SMALL));
            if let Some(bytes) = total {
                ui.label(RichText::new(human_bytes(bytes)).size(size::SMALL).color(theme.weak));
            }
        });
        let fixed =
            matches!(category, Category::Weights | Category::Gradients | Category::Optimizer);
        if fixed && of_category.len() == 1 {
            continue;
        }
        let small = |text: String| RichText::new(text).size(size::SMALL).color(theme.weak);
        for tensor in of_category.iter().take(LISTED) {
            let bytes = tensor.bytes.map_or_else(String::new, |b| format!(", {}", human_bytes(b)));
            ui.label(small(format!("    {}{bytes}", tensor.what)));
        }
        if of_category.len() > LISTED {
            ui.label(small(format!("    and {} more", of_category.len() - LISTED)));
        }
    }
}
