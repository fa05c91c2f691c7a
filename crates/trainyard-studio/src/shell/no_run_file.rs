//! What is asked when somebody presses Run on a plan that has no run file.

use eframe::egui::Context;

use super::modal::modal;
use crate::command::Command;
use crate::theme::size;

/// What is answered.
pub(crate) enum Outcome {
    /// Nothing yet.
    Open,
    /// Not now.
    Closed,
    /// A small training on the CPU.
    MakeOne,
    /// Another way to a run file.
    Command(Command),
}

/// Asks.
pub(crate) fn show(context: &Context) -> Outcome {
    let mut outcome = Outcome::Open;
    let closed = modal(context, "There is nothing to train yet", 520.0, |ui| {
        ui.label(
            "This plan has no run file: nobody has said which data to train on, and the devices \
             may not be those of this machine.",
        );
        ui.add_space(size::GAP);
        ui.label(
            "The quickest way to see a training is a small one: a GPT of four layers on two halves \
             of this machine's processor, with a text that the program makes itself. It takes about \
             a minute and needs no GPU. It takes the place of what is on the desk.",
        );
        ui.add_space(size::MARGIN);
        ui.horizontal_wrapped(|ui| {
            if ui.button("Train the small one").clicked() {
                outcome = Outcome::MakeOne;
            }
            for command in [Command::UseMyDevices, Command::Open] {
                if ui.button(command.spec().name).on_hover_text(command.spec().tip).clicked() {
                    outcome = Outcome::Command(command);
                }
            }
        });
    });
    if closed && matches!(outcome, Outcome::Open) { Outcome::Closed } else { outcome }
}
