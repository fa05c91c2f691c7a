//! The curves: loss, and one of the other figures beside it.

use eframe::egui::{ComboBox, Role, Slider, Ui, WidgetInfo};
use egui_plot::{Corner, Legend, Line};

use super::labels;
use super::parts::{TWO_COLUMNS, title};
use super::plots;
use crate::human_time::human_us;
use crate::run::RunState;
use crate::run::{Series, smooth};
use crate::theme::{Theme, size};

/// The names of all figures need so much beside each other, points.
const TABS: f32 = 400.0;

/// Settings of the charts.
#[derive(Clone, Debug)]
pub(super) struct Charts {
    smoothing: f64,
    figure: Figure,
}

/// The figure in the second chart.
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

    fn name(self, state: &RunState) -> &'static str {
        match self {
            Self::StepTime => "Step time",
            Self::Rate if state.unit() == "rows" => "Rows/s",
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
            Self::LearningRate | Self::GradientNorm => labels::small(value),
        }
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
        let plot = plots::plot(theme, "loss")
            .legend(Legend::default().position(Corner::RightTop).background_alpha(0.6));
        let response = plot.show(ui, |plot| {
            plots::curve(plot, "each step", points, theme.forward.gamma_multiply(0.35));
            let smoothed: Vec<[f64; 2]> = smooth(points, self.smoothing).collect();
            plot.line(Line::new("smoothed", smoothed).color(theme.forward).width(2.0));
            plots::validation(plot, state.validation().points(), theme.backward);
        });
        response.response.widget_info(|| WidgetInfo::labeled(Role::Image, true, &name));
    }

    /// Which figure is in the second chart: tabs, or a list where they have no room in one line.
    fn choice(&mut self, ui: &mut Ui, state: &RunState) {
        let figures = Figure::ALL.map(|figure| (figure, figure.name(state)));
        if ui.available_width() < TABS {
            ComboBox::from_id_salt("figure")
                .selected_text(self.figure.name(state))
                .show_ui(ui, |ui| {
                    for (figure, name) in figures {
                        ui.selectable_value(&mut self.figure, figure, name);
                    }
                })
                .response
                .accessible_name("second chart");
            return;
        }
        ui.horizontal(|ui| {
            for (figure, name) in figures {
                ui.selectable_value(&mut self.figure, figure, name);
            }
        });
    }

    fn figure(&mut self, ui: &mut Ui, theme: &Theme, state: &RunState) {
        self.choice(ui, state);
        let figure = self.figure;
        let (series, title) = (figure.of(state), figure.name(state));
        let name = match series.last() {
            Some(last) => format!("{title} chart, now {}", figure.text(last)),
            None => format!("{title} chart, empty"),
        };
        let plot =
            plots::plot(theme, title).y_axis_formatter(move |mark, _| figure.text(mark.value));
        let response = plot.show(ui, |plot| {
            plots::curve(plot, title, series.points(), theme.accent);
        });
        response.response.widget_info(|| WidgetInfo::labeled(Role::Image, true, &name));
    }
}
