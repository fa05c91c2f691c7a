//! Closing the window over a training or over edits that no file has.

use eframe::egui::{self, Context};

use crate::app::{Dialog, Studio};
use crate::run::{Choice, Session};
use crate::shell::closing::Answer;

impl Studio {
    pub(crate) fn ask_before_closing(&mut self, context: &Context) {
        let running = self.session.as_ref().is_some_and(Session::is_own_child_running);
        if !running && matches!(self.dialog, Some(Dialog::ClosingOverRun)) {
            self.dialog = None;
        }
        if self.closes_when_stopped && !running {
            self.closes_when_stopped = false;
            self.close_unless_unsaved(context);
        }
        let asked = context.input(|input| input.viewport().close_requested());
        if !asked || self.may_close {
            return;
        }
        if running {
            self.dialog = Some(Dialog::ClosingOverRun);
        } else if self.is_unsaved() {
            self.dialog = Some(Dialog::ClosingUnsaved);
        } else {
            return;
        }
        context.send_viewport_cmd(egui::ViewportCommand::CancelClose);
    }

    pub(crate) fn is_unsaved(&self) -> bool {
        (self.desk.is_changed() && !self.is_example) || !self.put_aside.is_empty()
    }

    pub(crate) fn close_unless_unsaved(&mut self, context: &Context) {
        if self.is_unsaved() {
            self.dialog = Some(Dialog::ClosingUnsaved);
        } else {
            self.close_without_asking(context);
        }
    }

    pub(crate) fn close_over_run(&mut self, context: &Context, choice: Choice) {
        match choice {
            Choice::Cancel => {}
            Choice::LeaveRunning => self.close_unless_unsaved(context),
            Choice::Stop => {
                self.stop();
                self.closes_when_stopped = self.troubles.is_empty();
            }
        }
    }

    pub(crate) fn close_unsaved(&mut self, context: &Context, answer: Answer) {
        match answer {
            Answer::Stay => {}
            Answer::Save => self.save_plan(),
            Answer::Close => self.close_without_asking(context),
        }
    }

    /// Closes the window whatever is under way.
    pub(crate) fn close_without_asking(&mut self, context: &Context) {
        self.may_close = true;
        context.send_viewport_cmd(egui::ViewportCommand::Close);
    }
}
