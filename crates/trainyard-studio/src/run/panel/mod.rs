//! Draws a run: how it stands, its curves, its devices' memory, and prediction beside measurement.

mod beside;
mod charts;
mod closing;
mod header;
mod memory;
mod samples;
mod sign;
mod trouble;
mod words;

use eframe::egui::{Button, Frame, Margin, Response, RichText, ScrollArea, Ui};

use super::session::Session;
use crate::theme::{Theme, size};
use charts::Charts;
pub use closing::{Choice, ask_before_closing};

/// Narrower than this, what stands side by side stands one below the other. Points.
const TWO_COLUMNS: f32 = 760.0;

/// Lower than this, less is shown at once. Points.
const HIGH: f32 = 560.0;

/// What the person asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunWish {
    /// Train the present plan.
    Start,
    /// Finish the step, save, end.
    Stop,
    /// End at once.
    Kill,
    /// Go on from the newest checkpoint.
    Resume,
    /// Choose the directory of a run and watch it.
    OpenDirectory,
    /// Stop watching this run.
    Close,
    /// Take the measured times as the profile and plan again.
    Calibrate,
}

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
        start: &Result<(), String>,
    ) -> Option<RunWish> {
        let theme = Theme::of(ui.ctx());
        let Some(session) = session else { return nothing_runs(ui, start) };
        let mut wish = None;
        let high = ui.available_height() >= HIGH;
        ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
            let status = session.status();
            card(ui, theme, |ui| {
                wish = header::show(ui, theme, session, &status, start);
                trouble::show(ui, theme, &status, &session.remarks());
            });
            if session.state().header().is_none() {
                return;
            }
            let wide = ui.available_width() >= TWO_COLUMNS;
            let mut compared = |ui: &mut Ui| match session.comparison() {
                Some(comparison) => {
                    if card(ui, theme, |ui| beside::show(ui, theme, comparison, high)) {
                        wish = Some(RunWish::Calibrate);
                    }
                }
                None => card(ui, theme, |ui| beside::nothing(ui, session.is_running())),
            };
            let memory = |ui: &mut Ui| card(ui, theme, |ui| memory::show(ui, theme, session));
            let mut charts =
                |ui: &mut Ui| card(ui, theme, |ui| self.charts.show(ui, theme, session.state()));
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
        wish
    }
}

fn side_by_side(ui: &mut Ui, left: impl FnOnce(&mut Ui), right: impl FnOnce(&mut Ui)) {
    ui.columns_const(|[at_left, at_right]| {
        left(at_left);
        right(at_right);
    });
}

/// Something that belongs together, on ground of its own, as wide as there is room.
fn card<R>(ui: &mut Ui, theme: &Theme, content: impl FnOnce(&mut Ui) -> R) -> R {
    let frame = Frame::new()
        .fill(theme.raised)
        .stroke((1.0, theme.line))
        .corner_radius(size::CORNER)
        .inner_margin(Margin::same(size::MARGIN as i8));
    frame
        .show(ui, |ui| {
            ui.set_width(ui.available_width());
            content(ui)
        })
        .inner
}

/// The head of a card.
fn title(ui: &mut Ui, text: &str) {
    ui.label(RichText::new(text).strong().size(size::BODY));
}

/// The button that a person most likely wants.
fn primary(ui: &mut Ui, text: &str) -> Response {
    let theme = Theme::of(ui.ctx());
    let text = RichText::new(text).color(theme.raised).strong();
    ui.add(Button::new(text).fill(theme.accent))
}

/// What the panel says while there is no run.
fn nothing_runs(ui: &mut Ui, start: &Result<(), String>) -> Option<RunWish> {
    let mut wish = None;
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
                wish = Some(RunWish::Start);
            }
        });
        let open = ui.button("Open a run…").on_hover_text("Watch or look at a run directory");
        if open.clicked() {
            wish = Some(RunWish::OpenDirectory);
        }
        if let Err(reason) = start {
            ui.add_space(size::GAP);
            ui.weak(reason);
        }
    });
    wish
}
