//! The panels. To add one, write its file, as those here, and name it in the list below: the layout,
//! the menus, the keys and the help sheet are made of the list.

pub mod board;
pub mod chat;
pub mod fine_tune;
pub mod plans;
pub mod run;
pub mod timeline;
mod without_plan;

use crate::panel::{Entry, Panel};
use crate::panel_info::PanelInfo;

/// All panels, in the order of the View menu.
const ALL: &[Entry] =
    &[board::ENTRY, plans::ENTRY, timeline::ENTRY, run::ENTRY, fine_tune::ENTRY, chat::ENTRY];

/// The descriptions of all panels, in the order of the View menu.
pub const INFOS: [PanelInfo; ALL.len()] = {
    let mut infos = [board::INFO; ALL.len()];
    let mut index = 0;
    while index < ALL.len() {
        infos[index] = ALL[index].info;
        index += 1;
    }
    infos
};

/// Makes all panels.
pub(crate) fn make(on_gpu: bool) -> Vec<Box<dyn Panel>> {
    ALL.iter().map(|entry| (entry.make)(on_gpu)).collect()
}
