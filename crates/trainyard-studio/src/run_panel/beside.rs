//! Predicted and measured figures side by side.

use eframe::egui::{
    Align, CollapsingHeader, Label, Layout, Response, RichText, TextStyle, Ui, Vec2, vec2,
};
use trainyard_plan::compare::{ComparedDevice, Comparison, Corrected, Pair};

use super::labels;
use super::parts::title;
use crate::human_time::human_us;
use crate::prediction_error;
use crate::theme::{Theme, size};

const TITLE: &str = "Predicted beside measured";
/// Room for the names of the rows, points.
const NAME_WIDTH: f32 = 112.0;
/// A figure needs so much, points.
const FIGURE_WIDTH: f32 = 64.0;
/// Narrower than this, names and the button have lines of their own. Points.
const NARROW: f32 = NAME_WIDTH + 3.0 * FIGURE_WIDTH;

/// Why there is nothing to show yet.
pub(super) fn nothing(ui: &mut Ui, is_running: bool) {
    title(ui, TITLE);
    ui.weak(if is_running {
        "After the first steps, what was predicted stands here beside what is measured."
    } else {
        "The run has no plan and profile to predict from, or made no step to compare with."
    });
}

/// Draws the table. Whether the person wants to calibrate. Where there is not `room` for all of it,
/// the devices are folded away.
pub(super) fn show(ui: &mut Ui, theme: &Theme, comparison: &Comparison, room: bool) -> bool {
    let button = |ui: &mut Ui| {
        let tip = "Take the measured times as the new profile, and plan again";
        ui.button("Calibrate").on_hover_text(tip).clicked()
    };
    let calibrate = if ui.available_width() < NARROW {
        title(ui, TITLE);
        button(ui)
    } else {
        ui.horizontal(|ui| {
            title(ui, TITLE);
            ui.with_layout(Layout::right_to_left(Align::Center), button).inner
        })
        .inner
    };
    let source = if comparison.estimated { " The prediction is from estimated times." } else { "" };
    let text = match comparison.steps {
        1 => format!("Of the newest step.{source}"),
        steps => format!("Medians of the newest {steps} steps.{source}"),
    };
    ui.label(RichText::new(text).size(size::SMALL).weak());
    let heads = ["", "predicted", "measured", "error"]
        .map(|head| RichText::new(head).size(size::SMALL).weak());
    cells(ui, heads).on_hover_text(prediction_error::HINT);
    match &comparison.corrected {
        None => row(ui, theme, "step", comparison.step_us, human_us),
        Some(corrected) => {
            row(ui, theme, "step, planned", comparison.step_us, human_us);
            row(ui, theme, "step, corrected", corrected.step_us, human_us);
            let words = RichText::new(corrected_words(corrected)).size(size::SMALL).weak();
            ui.add(Label::new(words).wrap());
        }
    }
    row(ui, theme, "bubble", comparison.bubble_fraction, labels::percent);
    if room {
        devices(ui, theme, &comparison.devices);
    } else {
        CollapsingHeader::new("By device").show(ui, |ui| devices(ui, theme, &comparison.devices));
    }
    calibrate
}

/// From when on the prediction is corrected, and why.
fn corrected_words(corrected: &Corrected) -> String {
    let reason = corrected.reason.trim();
    let after = format!("Corrected after step {}", corrected.after_step);
    if reason.is_empty() { format!("{after}.") } else { format!("{after}: {reason}") }
}

fn devices(ui: &mut Ui, theme: &Theme, devices: &[ComparedDevice]) {
    for device in devices {
        ui.add(Label::new(RichText::new(&device.id).strong()).truncate());
        row(ui, theme, "busy", device.busy_us, human_us);
        row(ui, theme, "wait", device.wait_us, human_us);
        row(ui, theme, "peak memory", device.peak_bytes, labels::bytes);
    }
}

fn row(ui: &mut Ui, theme: &Theme, name: &str, pair: Pair, text: fn(f64) -> String) {
    let figures = [RichText::new(text(pair.predicted)), RichText::new(text(pair.measured))];
    let [predicted, measured] = figures;
    let error = prediction_error::text(theme, pair);
    cells(ui, [RichText::new(name), predicted, measured, error])
        .on_hover_text(prediction_error::HINT);
}

/// A row of the table: what it is about at the left, three figures at the right; below each other
/// where it is narrow. The last figure.
fn cells(ui: &mut Ui, [name, predicted, measured, error]: [RichText; 4]) -> Response {
    let height = ui.text_style_height(&TextStyle::Body);
    let narrow = ui.available_width() < NARROW;
    if narrow && !name.is_empty() {
        ui.add(Label::new(name.clone()).truncate());
    }
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 0.0;
        let all = ui.available_width();
        let width = if narrow { all } else { all - NAME_WIDTH } / 3.0;
        let width = width.min(110.0);
        if !narrow {
            let name_width = (all - 3.0 * width).max(0.0);
            cell(ui, vec2(name_width, height), Layout::left_to_right(Align::Center), name);
        }
        let figure = |ui: &mut Ui, text| {
            cell(ui, vec2(width, height), Layout::right_to_left(Align::Center), text)
        };
        figure(ui, predicted);
        figure(ui, measured);
        figure(ui, error)
    })
    .inner
}

fn cell(ui: &mut Ui, size: Vec2, layout: Layout, text: RichText) -> Response {
    ui.allocate_ui_with_layout(size, layout, |ui| {
        ui.set_min_size(size);
        ui.add(Label::new(text).truncate())
    })
    .inner
}
