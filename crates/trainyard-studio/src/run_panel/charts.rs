//! The curves: loss, and one of the other figures beside it.

use eframe::egui::{Color32, Id, Role, Slider, Ui, WidgetInfo};
use egui_plot::{Corner, FilledArea, Legend, Line, MarkerShape, Plot, PlotPoints, Points};

use super::labels;
use super::parts::{TWO_COLUMNS, title};
use crate::human_time::human_us;
use crate::run::RunState;
use crate::run::{Point, Series, smooth};
use crate::theme::{Theme, size};

/// Height of a chart, points.
const HEIGHT: f32 = 200.0;

/// What the person has set for the charts.
#[derive(Clone, Debug)]
pub(super) struct Charts {
    smoothing: f64,
    figure: Figure,
}

/// What the second chart shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Figure {
    StepTime,
    Rate,
    LearningRate,
    GradientNorm,
}

impl Default for Charts {
    fn default() -> Self {
        Self { smoothing: 0.6, figure: Figure::StepTime }
    }
}

impl Figure {
    const ALL: [Self; 4] = [Self::StepTime, Self::Rate, Self::LearningRate, Self::GradientNorm];

    fn name(self) -> &'static str {
        match self {
            Self::StepTime => "Step time",
            Self::Rate => "Tokens/s",
            Self::LearningRate => "Learning rate",
            Self::GradientNorm => "Gradient norm",
        }
    }

    fn of(self, state: &RunState) -> &Series {
        match self {
            Self::StepTime => state.step_ms(),
            Self::Rate => state.tokens_per_s(),
            Self::LearningRate => state.learning_rate(),
            Self::GradientNorm => state.grad_norm(),
        }
    }

    fn text(self, value: f64) -> String {
        match self {
            Self::StepTime => human_us(value * 1e3),
            Self::Rate => labels::count(value),
            Self::LearningRate | Self::GradientNorm => small(value),
        }
    }
}

/// A number of any size in few characters.
fn small(value: f64) -> String {
    match value.abs() {
        v if v == 0.0 || (1e-2..1e4).contains(&v) => format!("{value:.3}"),
        _ => format!("{value:.1e}"),
    }
}

impl Charts {
    pub(super) fn show(&mut self, ui: &mut Ui, theme: &Theme, state: &RunState) {
        if ui.available_width() < TWO_COLUMNS {
            self.loss(ui, theme, state);
            self.figure(ui, theme, state);
        } else {
            ui.columns_const(|[left, right]| {
                self.loss(left, theme, state);
                self.figure(right, theme, state);
            });
        }
    }

    fn loss(&mut self, ui: &mut Ui, theme: &Theme, state: &RunState) {
        ui.horizontal(|ui| {
            title(ui, "Loss");
            ui.add_space(size::SPACE);
            // Its number and name must have room beside it.
            ui.spacing_mut().slider_width = (ui.available_width() - 130.0).clamp(32.0, 100.0);
            let slider = Slider::new(&mut self.smoothing, 0.0..=0.99).text("smoothing");
            ui.add(slider.max_decimals(2)).on_hover_text(
                "Weight of the steps before in the drawn mean; the pale line is each step by itself",
            );
        });
        let points = state.loss().points();
        let name = state.loss().last().map_or_else(
            || "Loss chart, empty".to_owned(),
            |loss| format!("Loss chart, now {loss:.4} after step {}", state.step()),
        );
        let plot = plot(theme, "loss")
            .legend(Legend::default().position(Corner::RightTop).background_alpha(0.6));
        let response = plot.show(ui, |plot| {
            curve(plot, "each step", points, theme.forward.gamma_multiply(0.35));
            let smoothed: Vec<[f64; 2]> = smooth(points, self.smoothing).collect();
            plot.line(Line::new("smoothed", smoothed).color(theme.forward).width(2.0));
            let validation: Vec<[f64; 2]> =
                state.validation().points().iter().map(|p| [p.step as f64, p.mean]).collect();
            if !validation.is_empty() {
                plot.line(
                    Line::new("validation", validation.clone()).color(theme.backward).width(1.5),
                );
                // Points as well: at first there is but one, and one makes no line.
                let points = Points::new("validation", validation).shape(MarkerShape::Diamond);
                plot.points(points.color(theme.backward).radius(3.5));
            }
        });
        response.response.widget_info(|| WidgetInfo::labeled(Role::Image, true, &name));
    }

    fn figure(&mut self, ui: &mut Ui, theme: &Theme, state: &RunState) {
        ui.horizontal_wrapped(|ui| {
            for figure in Figure::ALL {
                ui.selectable_value(&mut self.figure, figure, figure.name());
            }
        });
        let figure = self.figure;
        let series = figure.of(state);
        let name = match series.last() {
            Some(last) => format!("{} chart, now {}", figure.name(), figure.text(last)),
            None => format!("{} chart, empty", figure.name()),
        };
        let plot =
            plot(theme, figure.name()).y_axis_formatter(move |mark, _| figure.text(mark.value));
        let response = plot.show(ui, |plot| {
            curve(plot, figure.name(), series.points(), theme.accent);
        });
        response.response.widget_info(|| WidgetInfo::labeled(Role::Image, true, &name));
    }
}

/// A chart over steps. Both charts are read at the same step and zoomed together.
fn plot<'a>(theme: &Theme, name: &'a str) -> Plot<'a> {
    let group = Id::unique("run charts");
    Plot::new(name)
        .height(HEIGHT)
        .link_axis(group, [true, false])
        .link_cursor(group, [true, false])
        // The wheel scrolls the panel; a chart is zoomed with Ctrl or by a box.
        .allow_scroll(false)
        .show_background(false)
        .grid_color(theme.line)
        .x_axis_formatter(|mark, _| {
            // There is no step before the first, and no half step.
            let is_step = mark.value >= 0.0 && mark.value.fract() == 0.0;
            if is_step { labels::whole(mark.value) } else { String::new() }
        })
}

/// A curve with the range of the steps that became one point.
fn curve(plot: &mut egui_plot::PlotUi<'_>, name: &str, points: &[Point], colour: Color32) {
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
