//! The question before the window closes over a running training.

use eframe::egui::Context;

use super::modal::modal;
use crate::event::{Choice, Event};
use crate::message::Message;
use crate::theme::size;

/// Asks.
pub(crate) fn closing_over_run_ui(context: &Context, out: &mut Vec<Message>) {
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
    let choice = choice.or(dismissed.then_some(Choice::Cancel));
    out.extend(choice.map(|choice| Event::CloseOverRun(choice).into()));
}

#[cfg(test)]
mod tests {
    use egui_kittest::Harness;
    use egui_kittest::kittest::Queryable as _;

    use super::*;

    #[test]
    fn closing_over_a_running_training_asks() {
        for (button, choice) in [
            ("Leave it running", Choice::LeaveRunning),
            ("Stop it", Choice::Stop),
            ("Cancel", Choice::Cancel),
        ] {
            let mut harness = Harness::new_ui_state(
                |ui, chosen: &mut Option<Choice>| {
                    let mut out = Vec::new();
                    closing_over_run_ui(&ui.ctx().clone(), &mut out);
                    for message in out {
                        let Message::Event(Event::CloseOverRun(choice)) = message else { return };
                        *chosen = Some(choice);
                    }
                },
                None,
            );
            harness.run();
            harness.get_by_label("A training is running");
            harness.get_by_label(button).click();
            harness.run();
            assert_eq!(*harness.state(), Some(choice));
        }
    }
}
