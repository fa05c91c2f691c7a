//! The fine-tune panel: a pretrained model, what it is to learn, and how.

use eframe::egui::{Key, Ui};

use crate::fine_tuning_panel::FineTuningPanel;
use crate::message::Message;
use crate::panel::{Entry, Frame, Panel, inside};
use crate::panel_info::{PanelInfo, Side};

/// Its description.
pub const INFO: PanelInfo = PanelInfo {
    id: "fine-tune",
    title: "Fine-tune",
    command: "Fine-tune panel",
    tip: "Show or hide the form that fine-tunes a pretrained model",
    key: Key::Num5,
    side: Side::Right,
};

pub(super) const ENTRY: Entry = Entry { info: INFO, make: |_| Box::<FineTune>::default() };

#[derive(Default)]
struct FineTune(FineTuningPanel);

impl Panel for FineTune {
    fn info(&self) -> PanelInfo {
        INFO
    }

    fn ui(&mut self, ui: &mut Ui, frame: &Frame, out: &mut Vec<Message>) {
        inside(ui, |ui| self.0.show(ui, frame.state, frame.facts, out));
    }
}
