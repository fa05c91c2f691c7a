//! Replaces the board where a run is shown without a plan, and stands above the timeline where a
//! trace is.

use eframe::egui::{Button, RichText, ScrollArea, Ui};

use crate::command::{Command, Facts};
use crate::message::Message;
use crate::shown::{TraceKind, TraceOnly};
use crate::theme::size;

/// Draws what stands in the place of the board.
pub(super) fn board_ui(ui: &mut Ui, shown: &TraceOnly, facts: &Facts, out: &mut Vec<Message>) {
    ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        ui.set_max_width(460.0);
        ui.add_space(size::MARGIN);
        ui.label(RichText::new(format!("{} has no plan", shown.name)).strong());
        ui.label(match shown.kind {
            TraceKind::Run => {
                "A run says what devices did, not what their layers cost. To change the plan, open \
                 the run directory, profile or plan that it belongs to."
            }
            // It has the window to itself.
            TraceKind::Trace | TraceKind::Foreign => "",
        });
        ui.add_space(size::GAP);
        ui.horizontal_wrapped(|ui| buttons(ui, facts, out));
    });
}

/// A line above the timeline of a trace of devices, which has the window to itself.
pub(super) fn line_ui(ui: &mut Ui, shown: &TraceOnly, facts: &Facts, out: &mut Vec<Message>) {
    if shown.kind != TraceKind::Trace {
        return;
    }
    ui.horizontal(|ui| {
        buttons(ui, facts, out);
        ui.label(RichText::new(format!("{} has no plan", shown.name)).strong()).on_hover_text(
            "A trace says what devices did, not what their layers cost. To change the plan, open \
             the run directory, profile or plan that it belongs to.",
        );
    });
}

fn buttons(ui: &mut Ui, facts: &Facts, out: &mut Vec<Message>) {
    for command in [Command::Open, Command::CloseTrace] {
        let spec = command.spec();
        let may = command.unavailable(facts).is_none();
        if may && ui.add(Button::new(spec.name)).on_hover_text(spec.tip).clicked() {
            out.push(command.into());
        }
    }
}
