//! What was predicted beside what is measured.

use eframe::egui::{Align, Color32, Grid, Layout, RichText, Ui};
use trainyard_plan::compare::{Comparison, Pair};

use super::{title, words};
use crate::theme::{Theme, size};

/// A prediction this close is a good one, in percent.
const CLOSE_PERCENT: f64 = 10.0;
/// One further off than this is wrong.
const FAR_PERCENT: f64 = 25.0;

/// Draws the table. Whether the person wants to calibrate.
pub(super) fn show(ui: &mut Ui, theme: &Theme, comparison: Option<&Comparison>) -> bool {
    title(ui, "Predicted beside measured");
    let Some(comparison) = comparison else {
        ui.weak("After the first steps, what was predicted stands here beside what is measured.");
        return false;
    };
    let source = if comparison.estimated { " The prediction is from estimated times." } else { "" };
    let text = match comparison.steps {
        1 => format!("Of the newest step.{source}"),
        steps => format!("Medians of the newest {steps} steps.{source}"),
    };
    ui.label(RichText::new(text).size(size::SMALL).weak());
    Grid::new("beside").num_columns(4).striped(true).min_col_width(60.0).show(ui, |ui| {
        for head in ["", "predicted", "measured", "error"] {
            right(ui, RichText::new(head).weak());
        }
        ui.end_row();
        row(ui, theme, "step", comparison.step_us, words::time_us);
        row(ui, theme, "bubble", comparison.bubble_fraction, words::percent);
        for device in &comparison.devices {
            let id = &device.id;
            row(ui, theme, &format!("{id}: busy"), device.busy_us, words::time_us);
            row(ui, theme, &format!("{id}: wait"), device.wait_us, words::time_us);
            row(ui, theme, &format!("{id}: peak memory"), device.peak_bytes, words::bytes);
        }
    });
    ui.add_space(size::GAP);
    ui.button("Calibrate")
        .on_hover_text("Take the measured times as the new profile, and plan again")
        .clicked()
}

fn row(ui: &mut Ui, theme: &Theme, name: &str, pair: Pair, text: fn(f64) -> String) {
    ui.add(eframe::egui::Label::new(name).truncate());
    right(ui, RichText::new(text(pair.predicted)));
    right(ui, RichText::new(text(pair.measured)));
    let error = pair.error_percent();
    let words = error.map_or_else(|| "–".to_owned(), |percent| format!("{percent:+.0} %"));
    right(ui, RichText::new(words).color(colour(theme, error)));
    ui.end_row();
}

fn colour(theme: &Theme, error: Option<f64>) -> Color32 {
    match error.map(f64::abs) {
        None => theme.weak,
        Some(error) if error <= CLOSE_PERCENT => theme.good,
        Some(error) if error <= FAR_PERCENT => theme.warn,
        Some(_) => theme.bad,
    }
}

fn right(ui: &mut Ui, text: RichText) {
    ui.with_layout(Layout::right_to_left(Align::Center), |ui| ui.label(text));
}
