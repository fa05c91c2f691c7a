//! The recent files as a list.

use std::path::{Path, PathBuf};

use eframe::egui::{Button, Ui};

use super::modal::section;
use crate::paths::short_names;

/// The recent files as a list; the one that was clicked.
pub(crate) fn recent_list<'a>(
    ui: &mut Ui,
    recent: impl Iterator<Item = &'a Path>,
) -> Option<PathBuf> {
    let mut chosen = None;
    for (index, (path, name)) in short_names(recent).into_iter().enumerate() {
        if index == 0 {
            section(ui, "Recent");
        }
        let button = Button::new(name).frame(false).truncate();
        if ui.add(button).on_hover_text(path.display().to_string()).clicked() {
            chosen = Some(path.to_owned());
        }
    }
    chosen
}
