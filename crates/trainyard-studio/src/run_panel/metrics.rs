//! The objective's metrics, such as accuracy: a chart for each, by its name.

use eframe::egui::{Label, RichText, Role, Ui, WidgetInfo};
use egui_plot::{Corner, Legend};

use super::parts::TWO_COLUMNS;
use super::{labels, plots};
use crate::run::{Metric, RunState};
use crate::theme::{Theme, size};

/// Draws the charts, two beside each other where there is room.
pub(super) fn show(ui: &mut Ui, theme: &Theme, state: &RunState) {
    let columns = if ui.available_width() < TWO_COLUMNS { 1 } else { 2 };
    let metrics: Vec<(&String, &Metric)> = state.metrics().iter().collect();
    for row in metrics.chunks(columns) {
        ui.columns(columns, |columns| {
            for (ui, (name, metric)) in columns.iter_mut().zip(row) {
                chart(ui, theme, name, metric);
            }
        });
    }
}

fn chart(ui: &mut Ui, theme: &Theme, name: &str, metric: &Metric) {
    ui.add(Label::new(RichText::new(name).strong().size(size::BODY)).truncate());
    let now = |what: &str, value: Option<f64>| {
        value.map(|value| format!(", {what} {}", labels::small(value))).unwrap_or_default()
    };
    let (training, validation) = (metric.training.last(), metric.validation.last());
    let says = format!("{name} chart{}{}", now("now", training), now("validation", validation));
    // Another name than those of the charts above, whatever the metric is called.
    let id = format!("metric {name}");
    let plot = plots::plot(theme, &id)
        .legend(Legend::default().position(Corner::RightTop).background_alpha(0.6));
    let response = plot.show(ui, |plot| {
        plots::curve(plot, "each step", metric.training.points(), theme.accent);
        plots::validation(plot, metric.validation.points(), theme.backward);
    });
    response.response.widget_info(|| WidgetInfo::labeled(Role::Image, true, &says));
}
