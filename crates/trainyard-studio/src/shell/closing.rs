//! What is asked before the window closes.

use eframe::egui::Context;

use super::modal::modal;
use crate::theme::size;

/// What would be lost or left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pending {
    /// Edits that no file has.
    pub(crate) unsaved: bool,
    /// A training that was started here and runs.
    pub(crate) running: bool,
}

/// What is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The window stays.
    Stay,
    /// It closes; a training runs on.
    Close,
    /// The training is stopped, then the window closes.
    StopAndClose,
    /// The plan is saved first.
    Save,
}

/// Asks; `None` while there is no answer.
pub(crate) fn show(context: &Context, pending: Pending) -> Option<Answer> {
    let mut answer = None;
    let closed = modal(context, "Close the studio?", 460.0, |ui| {
        if pending.running {
            ui.label(
                "A training that was started here still runs. It can run on without the window; \
                 open its run directory later to watch it again. Stopping it saves a checkpoint \
                 first.",
            );
        }
        if pending.unsaved {
            ui.label("The plan has edits that are in no file.");
        }
        ui.add_space(size::MARGIN);
        ui.horizontal_wrapped(|ui| {
            let mut choice = |text: &str, this: Answer| {
                if ui.button(text).clicked() {
                    answer = Some(this);
                }
            };
            if pending.unsaved {
                choice("Save the plan…", Answer::Save);
            }
            if pending.running {
                choice("Stop it and close", Answer::StopAndClose);
                choice("Leave it running", Answer::Close);
            } else {
                choice("Close without saving", Answer::Close);
            }
            choice("Stay", Answer::Stay);
        });
    });
    answer.or(closed.then_some(Answer::Stay))
}
