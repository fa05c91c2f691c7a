//! Draws a run: how it stands, its curves, its devices' memory, and prediction beside measurement.

mod beside;
mod charts;
mod failure;
mod header;
mod icons;
mod labels;
mod memory;
mod metrics;
mod parts;
mod plots;
mod samples;

use eframe::egui::{ScrollArea, Ui};

use crate::command::Command;
use crate::message::Message;
use crate::run::Session;
use crate::theme::{Theme, size};
use charts::Charts;
pub(crate) use parts::primary;
use parts::{TWO_COLUMNS, card};

/// Lower than this, less is shown at once. Points.
const HIGH: f32 = 560.0;

/// The panel's own state: what a person has set in it.
#[derive(Clone, Debug, Default)]
pub struct RunPanel {
    charts: Charts,
}

impl RunPanel {
    /// Draws the panel. `start` says in words why a new training cannot be started, if it cannot.
    pub fn show(
        &mut self,
        ui: &mut Ui,
        session: Option<&Session>,
        start: Result<(), &str>,
        out: &mut Vec<Message>,
    ) {
        let theme = Theme::of(ui.ctx());
        let Some(session) = session else { return nothing_runs(ui, start, out) };
        let high = ui.available_height() >= HIGH;
        ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
            let status = session.status();
            card(ui, theme, |ui| {
                header::show(ui, theme, session, &status, start, out);
                failure::show(ui, theme, &status, &session.remarks());
            });
            if session.state().header().is_none() {
                return;
            }
            let wide = ui.available_width() >= TWO_COLUMNS;
            let mut compared = |ui: &mut Ui| match session.comparison() {
                Some(comparison) => {
                    if card(ui, theme, |ui| beside::show(ui, theme, comparison, high)) {
                        out.push(Command::Calibrate.into());
                    }
                }
                None => card(ui, theme, |ui| beside::nothing(ui, session.is_running())),
            };
            let memory = |ui: &mut Ui| card(ui, theme, |ui| memory::show(ui, theme, session));
            let mut charts = |ui: &mut Ui| {
                card(ui, theme, |ui| self.charts.show(ui, theme, session.state()));
                if !session.state().metrics().is_empty() {
                    card(ui, theme, |ui| metrics::show(ui, theme, session.state()));
                }
            };
            // How true the prediction is comes first, as soon as it is known.
            match (session.comparison().is_some(), wide) {
                (true, true) => {
                    side_by_side(ui, compared, memory);
                    charts(ui);
                }
                (true, false) => {
                    compared(ui);
                    charts(ui);
                    memory(ui);
                }
                (false, true) => {
                    charts(ui);
                    side_by_side(ui, memory, compared);
                }
                (false, false) => {
                    charts(ui);
                    memory(ui);
                    compared(ui);
                }
            }
            if !session.state().samples().is_empty() {
                card(ui, theme, |ui| samples::show(ui, session.state()));
            }
        });
    }
}

fn side_by_side(ui: &mut Ui, left: impl FnOnce(&mut Ui), right: impl FnOnce(&mut Ui)) {
    ui.columns_const(|[at_left, at_right]| {
        left(at_left);
        right(at_right);
    });
}

/// The panel without a run.
fn nothing_runs(ui: &mut Ui, start: Result<(), &str>, out: &mut Vec<Message>) {
    ui.vertical_centered(|ui| {
        ui.set_max_width(ui.available_width().min(460.0));
        ui.add_space((ui.available_height() * 0.3).min(160.0));
        ui.heading("Nothing runs.");
        ui.label(
            "Start a training of the present plan, or open the directory of a run, be it finished \
             or still going on: its curves, its memory and its timeline appear here beside what \
             was predicted.",
        );
        ui.add_space(size::SPACE);
        ui.add_enabled_ui(start.is_ok(), |ui| {
            if primary(ui, "Start training").on_hover_text("Train the present plan").clicked() {
                out.push(Command::Run.into());
            }
        });
        let open = ui.button("Open a run…").on_hover_text("Watch or look at a run directory");
        if open.clicked() {
            out.push(Command::Open.into());
        }
        if let Err(reason) = start {
            ui.add_space(size::GAP);
            ui.weak(reason);
        }
    });
}
