//! Charts over steps, and the curves in them.

use eframe::egui::{Color32, Id};
use egui_plot::{FilledArea, Line, MarkerShape, Plot, PlotPoints, PlotUi, Points};

use super::labels;
use crate::run::Point;
use crate::theme::Theme;

/// Height of a chart, points.
const HEIGHT: f32 = 200.0;

/// A chart over steps. All charts are read at the same step and zoomed together.
pub(super) fn plot<'a>(theme: &Theme, name: &'a str) -> Plot<'a> {
    let group = Id::unique("run charts");
    Plot::new(name)
        .height(HEIGHT)
        .link_axis(group, [true, false])
        .link_cursor(group, [true, false])
        // The wheel scrolls the panel; a chart is zoomed with Ctrl or by a box.
        .allow_scroll(false)
        .show_background(false)
        .grid_color(theme.line)
        .y_axis_formatter(|mark, _| labels::on_axis(mark.value, mark.step_size))
        .x_axis_formatter(|mark, _| {
            // There is no step before the first, and no half step.
            let is_step = mark.value >= 0.0 && mark.value.fract() == 0.0;
            if is_step { labels::whole(mark.value) } else { String::new() }
        })
}

/// A curve with the range of the steps that became one point.
pub(super) fn curve(plot: &mut PlotUi<'_>, name: &str, points: &[Point], colour: Color32) {
    if points.iter().any(|point| point.low < point.high) {
        let steps: Vec<f64> = points.iter().map(|point| point.step as f64).collect();
        let low: Vec<f64> = points.iter().map(|point| point.low).collect();
        let high: Vec<f64> = points.iter().map(|point| point.high).collect();
        let fill = colour.gamma_multiply(0.25);
        plot.add(FilledArea::new(name, &steps, &low, &high).fill_color(fill).allow_hover(false));
    }
    let means: PlotPoints<'_> = points.iter().map(|p| [p.step as f64, p.mean]).collect();
    plot.line(Line::new(name, means).color(colour).width(1.0));
}

/// Draws values on validation data.
pub(super) fn validation(plot: &mut PlotUi<'_>, points: &[Point], colour: Color32) {
    let means: Vec<[f64; 2]> = points.iter().map(|p| [p.step as f64, p.mean]).collect();
    if means.is_empty() {
        return;
    }
    plot.line(Line::new("validation", means.clone()).color(colour).width(1.5));
    // Points as well: at first there is but one, and one makes no line.
    let points = Points::new("validation", means).shape(MarkerShape::Diamond);
    plot.points(points.color(colour).radius(3.5));
}
