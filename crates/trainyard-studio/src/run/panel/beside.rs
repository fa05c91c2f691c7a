//! What was predicted beside what is measured.

use eframe::egui::{Align, Color32, Label, Layout, RichText, TextStyle, Ui, Vec2, vec2};
use trainyard_plan::compare::Pair;

use super::super::session::Session;
use super::{title, words};
use crate::theme::{Theme, size};

/// A prediction this close is a good one, in percent.
const CLOSE_PERCENT: f64 = 10.0;
/// One further off than this is wrong.
const FAR_PERCENT: f64 = 25.0;
/// Room for the names of the rows, points.
const NAME_WIDTH: f32 = 100.0;

/// Draws the table. Whether the person wants to calibrate.
pub(super) fn show(ui: &mut Ui, theme: &Theme, session: &Session) -> bool {
    title(ui, "Predicted beside measured");
    let Some(comparison) = session.comparison() else {
        ui.weak(if session.is_running() {
            "After the first steps, what was predicted stands here beside what is measured."
        } else {
            "The run has no plan and profile to predict from, or made no step to compare with."
        });
        return false;
    };
    let source = if comparison.estimated { " The prediction is from estimated times." } else { "" };
    let text = match comparison.steps {
        1 => format!("Of the newest step.{source}"),
        steps => format!("Medians of the newest {steps} steps.{source}"),
    };
    ui.label(RichText::new(text).size(size::SMALL).weak());
    cells(ui, ["", "predicted", "measured", "error"].map(|head| RichText::new(head).weak()));
    row(ui, theme, "step", comparison.step_us, words::time_us);
    row(ui, theme, "bubble", comparison.bubble_fraction, words::percent);
    for device in &comparison.devices {
        ui.add(Label::new(RichText::new(&device.id).strong()).truncate());
        row(ui, theme, "busy", device.busy_us, words::time_us);
        row(ui, theme, "wait", device.wait_us, words::time_us);
        row(ui, theme, "peak memory", device.peak_bytes, words::bytes);
    }
    ui.add_space(size::GAP);
    // In a row, for a column makes what is alone in it as wide as itself.
    ui.horizontal(|ui| {
        let tip = "Take the measured times as the new profile, and plan again";
        ui.button("Calibrate").on_hover_text(tip).clicked()
    })
    .inner
}

fn row(ui: &mut Ui, theme: &Theme, name: &str, pair: Pair, text: fn(f64) -> String) {
    let error = pair.error_percent();
    let words = error.map_or_else(|| "–".to_owned(), |percent| format!("{percent:+.0} %"));
    cells(
        ui,
        [
            RichText::new(name),
            RichText::new(text(pair.predicted)),
            RichText::new(text(pair.measured)),
            RichText::new(words).color(colour(theme, error)),
        ],
    );
}

/// A row of the table: what it is about at the left, three figures at the right.
fn cells(ui: &mut Ui, [name, figures @ ..]: [RichText; 4]) {
    let height = ui.text_style_height(&TextStyle::Body);
    let width = ((ui.available_width() - NAME_WIDTH) / 3.0).clamp(50.0, 110.0);
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 0.0;
        let name_width = (ui.available_width() - 3.0 * width).max(0.0);
        cell(ui, vec2(name_width, height), Layout::left_to_right(Align::Center), name);
        for figure in figures {
            cell(ui, vec2(width, height), Layout::right_to_left(Align::Center), figure);
        }
    });
}

fn cell(ui: &mut Ui, size: Vec2, layout: Layout, text: RichText) {
    ui.allocate_ui_with_layout(size, layout, |ui| {
        ui.set_min_size(size);
        ui.add(Label::new(text).truncate());
    });
}

fn colour(theme: &Theme, error: Option<f64>) -> Color32 {
    match error.map(f64::abs) {
        None => theme.weak,
        Some(error) if error <= CLOSE_PERCENT => theme.good,
        Some(error) if error <= FAR_PERCENT => theme.warn,
        Some(_) => theme.bad,
    }
}
