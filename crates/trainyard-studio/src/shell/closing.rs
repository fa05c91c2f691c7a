//! What is asked before the window closes over edits that no file has.

use eframe::egui::Context;

use super::modal::modal;
use crate::theme::size;

/// What is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The window stays.
    Stay,
    /// It closes, and the edits are lost.
    Close,
    /// The plan is saved first.
    Save,
}

/// Asks; `None` while there is no answer.
pub(crate) fn show(context: &Context) -> Option<Answer> {
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
    answer.or(closed.then_some(Answer::Stay))
}
