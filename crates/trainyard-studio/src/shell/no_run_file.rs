//! Dialog for Run on a plan without a run file.

use eframe::egui::Context;

use super::modal::modal;
use crate::command::Command;
use crate::event::Event;
use crate::message::{Message, ViewMessage};
use crate::theme::size;

/// Asks.
pub(crate) fn no_run_file_ui(context: &Context, out: &mut Vec<Message>) {
    let mut chosen: Option<Message> = None;
    let closed = modal(context, "There is nothing to train yet", 520.0, |ui| {
        ui.label(
            "This plan has no run file: nobody has said which data to train on, and the devices \
             may not be those of this machine.",
        );
        ui.add_space(size::GAP);
        ui.label(
            "The quickest way to see a training is a small one: a GPT of four layers on two halves \
             of this machine's processor, with a text that the program makes itself. It takes about \
             a minute and needs no GPU. It takes the place of the plan that is open.",
        );
        ui.add_space(size::MARGIN);
        ui.horizontal_wrapped(|ui| {
            if ui.button("Train the small one").clicked() {
                chosen = Some(Event::TrainSmall.into());
            }
            for command in [Command::UseMyDevices, Command::Open] {
                if ui.button(command.spec().name).on_hover_text(command.spec().tip).clicked() {
                    chosen = Some(command.into());
                }
            }
        });
    });
    if closed || chosen.is_some() {
        out.push(ViewMessage::CloseDialog.into());
    }
    out.extend(chosen);
}
