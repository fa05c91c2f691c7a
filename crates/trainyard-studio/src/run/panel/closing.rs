//! The question before the window closes over a running training.

use eframe::egui::Context;

use crate::shell::modal::modal;
use crate::theme::size;

/// What is to become of the training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// It goes on without the window.
    LeaveRunning,
    /// It finishes its step, saves and ends; the window waits for that.
    Stop,
    /// The window stays.
    Cancel,
}

/// Asks; to be called every frame until there is an answer.
pub fn ask_before_closing(context: &Context) -> Option<Choice> {
    let mut choice = None;
    let dismissed = modal(context, "A training is running", 420.0, |ui| {
        ui.label(
            "It can go on without this window; open its directory later to watch it again. Or it \
             can stop now: it finishes its step and saves a checkpoint, from which it can be \
             resumed.",
        );
        ui.add_space(size::MARGIN);
        ui.horizontal_wrapped(|ui| {
            for (text, means) in [
                ("Leave it running", Choice::LeaveRunning),
                ("Stop it", Choice::Stop),
                ("Cancel", Choice::Cancel),
            ] {
                if ui.button(text).clicked() {
                    choice = Some(means);
                }
            }
        });
    });
    choice.or(dismissed.then_some(Choice::Cancel))
}
