//! Dialog before the window closes over unsaved edits.

use eframe::egui::Context;

use super::modal::modal;
use crate::event::{Answer, Event};
use crate::message::Message;
use crate::theme::size;

/// Asks.
pub(crate) fn closing_unsaved_ui(context: &Context, out: &mut Vec<Message>) {
    let mut answer = None;
    let closed = modal(context, "Save the plan?", 420.0, |ui| {
        ui.label("The plan has edits that are in no file. Without saving they are lost.");
        ui.add_space(size::MARGIN);
        ui.horizontal(|ui| {
            for (text, means) in [
                ("Save plan", Answer::Save),
                ("Close without saving", Answer::Close),
                ("Cancel", Answer::Stay),
            ] {
                if ui.button(text).clicked() {
                    answer = Some(means);
                }
            }
        });
    });
    let answer = answer.or(closed.then_some(Answer::Stay));
    out.extend(answer.map(|answer| Event::CloseUnsaved(answer).into()));
}
