//! The plans panel: the planner, and what it found.

use eframe::egui::{Key, Ui};

use crate::message::Message;
use crate::panel::{Entry, Frame, Panel, inside};
use crate::panel_info::{PanelInfo, Side};
use crate::plans::Plans;

/// Its description.
pub const INFO: PanelInfo = PanelInfo {
    id: "plans",
    title: "Plans",
    command: "Plans panel",
    tip: "Show or hide the planner",
    key: Key::Num2,
    side: Side::Right,
};

pub(super) const ENTRY: Entry = Entry { info: INFO, make: |_| Box::<PlansPanel>::default() };

#[derive(Default)]
struct PlansPanel(Plans);

impl Panel for PlansPanel {
    fn info(&self) -> PanelInfo {
        INFO
    }

    fn ui(&mut self, ui: &mut Ui, frame: &Frame, out: &mut Vec<Message>) {
        inside(ui, |ui| {
            if frame.shown.trace_only().is_some() {
                ui.weak("There is no plan to change.");
            } else {
                self.0.show(ui, &frame.state.document, &frame.state.planning, out);
            }
        });
    }
}
