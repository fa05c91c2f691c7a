//! The plans panel: what the planner offers, how it differs, and why.
//!
//! What is asked and found is in [`Planning`]; the search (`plan_search`) runs on a thread of its own, and
//! the panel never waits for it. [`Plans`] keeps what the last edit in the panel brought.

mod diff;
mod difference;
mod find;
mod rows;
mod this_plan;
mod why;

use std::sync::Arc;

use eframe::egui::{CollapsingHeader, RichText, ScrollArea, Ui};

use crate::command::Command;
use crate::document::{Assessment, Delta};
use crate::message::Message;
use crate::state::{DocumentState, Planning};
use crate::theme::size;

/// State of the panel from one frame to the next.
#[derive(Debug, Default)]
pub struct Plans {
    /// The edit of the frame before, and the assessment before it.
    edited: Option<(String, Arc<Assessment>)>,
    /// Effect of the last edit in this panel, until there is another.
    last: Option<(String, Delta, Arc<Assessment>)>,
}

impl Plans {
    /// Draws the panel.
    pub fn show(
        &mut self,
        ui: &mut Ui,
        document: &DocumentState,
        planning: &Planning,
        out: &mut Vec<Message>,
    ) {
        self.follow(document);
        let open = document.document();
        // The scroll bar has room of its own, beside the rows.
        ui.spacing_mut().scroll.floating_allocated_width = size::SPACE;
        ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
            ui.spacing_mut().item_spacing.y = 6.0;
            section(ui, "Find plans");
            find::ask_ui(ui, open, planning, out);
            find::answer_ui(ui, open, planning, out);
            ui.separator();
            section(ui, "This plan");
            if let Some(words) = this_plan::this_plan_ui(ui, open, out) {
                self.edited = Some((words, Arc::clone(open.present())));
            }
            if let Some((what, delta, _)) = &self.last {
                this_plan::brought(ui, what, delta);
            }
            let command = Command::CopyCommandLine;
            if ui.button(command.spec().name).on_hover_text(command.spec().tip).clicked() {
                out.push(command.into());
            }
            ui.separator();
            difference::difference_ui(ui, open, planning, out);
            if let Some(explanation) = planning.explanation() {
                ui.separator();
                let title = RichText::new("Why the planner's best is as it is").strong();
                CollapsingHeader::new(title).default_open(true).show(ui, |ui| {
                    why::show(ui, explanation);
                });
            }
        });
    }

    /// Works out what an edit brought, once it was done.
    fn follow(&mut self, document: &DocumentState) {
        let now = document.document().present();
        if let Some((words, before)) = self.edited.take()
            && !Arc::ptr_eq(&before, now)
        {
            self.last = Some((words, now.delta(&before), Arc::clone(now)));
        }
        self.last.take_if(|(.., then)| !Arc::ptr_eq(then, now));
    }
}

fn section(ui: &mut Ui, title: &str) {
    ui.label(RichText::new(title).strong());
}
