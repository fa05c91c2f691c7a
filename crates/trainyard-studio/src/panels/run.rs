//! The run panel: the training.

use eframe::egui::{Key, Ui};

use crate::command::Command;
use crate::message::Message;
use crate::panel::{Entry, Frame, Panel, inside};
use crate::panel_info::{PanelInfo, Side};
use crate::run_panel::RunPanel;

/// Its description.
pub const INFO: PanelInfo = PanelInfo {
    id: "run",
    title: "Run",
    command: "Run panel",
    tip: "Show or hide the training",
    key: Key::Num4,
    side: Side::Right,
};

pub(super) const ENTRY: Entry = Entry { info: INFO, make: |_| Box::<RunTab>::default() };

#[derive(Default)]
struct RunTab(RunPanel);

impl Panel for RunTab {
    fn info(&self) -> PanelInfo {
        INFO
    }

    fn ui(&mut self, ui: &mut Ui, frame: &Frame, out: &mut Vec<Message>) {
        let start = Command::Run.unavailable(frame.facts).map_or(Ok(()), Err);
        inside(ui, |ui| self.0.show(ui, frame.state.run.session(), start, out));
    }
}
