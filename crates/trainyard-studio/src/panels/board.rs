//! The board panel: devices, and the layers on them.

use eframe::egui::{Key, Ui, Vec2};

use super::without_plan;
use crate::board::Board;
use crate::message::Message;
use crate::panel::{Entry, Frame, Panel, Picture, inside};
use crate::panel_info::{PanelInfo, Side};

/// Its description.
pub const INFO: PanelInfo = PanelInfo {
    id: "board",
    title: "Board",
    command: "Board panel",
    tip: "Show or hide the devices and their layers",
    key: Key::Num1,
    side: Side::Left,
};

pub(super) const ENTRY: Entry = Entry { info: INFO, make: |_| Box::<BoardPanel>::default() };

/// Figures and legend of a picture need this much width, in points.
const LEAST: f32 = 900.0;

#[derive(Default)]
struct BoardPanel(Board);

impl Panel for BoardPanel {
    fn info(&self) -> PanelInfo {
        INFO
    }

    fn ui(&mut self, ui: &mut Ui, frame: &Frame, out: &mut Vec<Message>) {
        match frame.shown.trace_only() {
            Some(it) => inside(ui, |ui| without_plan::board_ui(ui, it, frame.facts, out)),
            None => self.0.show(ui, &frame.state.document, frame.state.view.cursor(), out),
        }
    }

    fn picture(&self, frame: &Frame, least: Vec2) -> Option<Picture> {
        let least = least.max(Vec2::new(LEAST, 0.0));
        let size = self.0.whole_size(frame.state.document.document(), least);
        Some(Picture { size, panel: Box::new(Self(self.0.for_picture())) })
    }
}
