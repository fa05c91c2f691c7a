//! The chat panel: a conversation with a model.

use eframe::egui::{Key, Ui};

use crate::chat_panel::ChatPanel;
use crate::message::Message;
use crate::panel::{Entry, Frame, Panel, inside};
use crate::panel_info::{PanelInfo, Side};

/// Its description.
pub const INFO: PanelInfo = PanelInfo {
    id: "chat",
    title: "Chat",
    command: "Chat panel",
    tip: "Show or hide the conversation with a model",
    key: Key::Num6,
    side: Side::Right,
};

pub(super) const ENTRY: Entry = Entry { info: INFO, make: |_| Box::<ChatTab>::default() };

#[derive(Default)]
struct ChatTab(ChatPanel);

impl Panel for ChatTab {
    fn info(&self) -> PanelInfo {
        INFO
    }

    fn ui(&mut self, ui: &mut Ui, frame: &Frame, out: &mut Vec<Message>) {
        inside(ui, |ui| self.0.show(ui, frame.state, frame.facts, out));
    }
}
