//! The help sheet: all commands with their keys, and what hands can do.

use eframe::egui::{self, Context, Key, Ui};

use super::modal::{modal, section};
use crate::command::Menu;
use crate::timeline;

/// What hands do on the board.
const ON_THE_BOARD: &[(&str, &str)] = &[
    ("Drag a layer", "to another device or position"),
    ("Drag a boundary", "cut the stages elsewhere"),
    ("Ctrl or Shift click", "select several layers"),
    ("Arrow keys", "select another layer, with Shift also"),
    ("Ctrl ← →", "move the selection to the next device; Alt: split the stage"),
    ("Right click", "everything that can be done with a layer or device"),
    ("Esc", "let go"),
];

/// What a mouse does on the timeline; its keys are those of its commands.
const ON_THE_TIMELINE: &[(&str, &str)] = &[
    ("Wheel", "Zoom"),
    ("Shift drag", "Move"),
    ("Drag", "Select a range and see its figures"),
    ("Click", "Details of an action"),
    ("Double click", "Zoom to an action"),
];

/// Shows the sheet; whether it is to be closed.
pub(crate) fn show(context: &Context) -> bool {
    modal(context, "Keyboard and mouse", 860.0, |ui| {
        let columns = if ui.available_width() > 700.0 { 2 } else { 1 };
        ui.columns(columns, |columns| {
            if let Some(ui) = columns.first_mut() {
                for menu in Menu::ALL {
                    commands(ui, menu);
                }
            }
            if let Some(ui) = columns.last_mut() {
                gestures(ui, "On the board", ON_THE_BOARD.iter().map(|(a, b)| (*a, *b)));
                let keys = timeline::Command::ALL.iter().map(|(_, key, what)| {
                    let key = if *key == Key::Escape { key.name() } else { key.symbol_or_name() };
                    (key, *what)
                });
                let mouse = ON_THE_TIMELINE.iter().map(|(a, b)| (*a, *b));
                gestures(ui, "On the timeline", mouse.chain(keys));
            }
        });
    })
}

fn commands(ui: &mut Ui, menu: Menu) {
    section(ui, menu.name());
    egui::Grid::new(menu.name()).num_columns(2).striped(true).show(ui, |ui| {
        for command in menu.commands() {
            let spec = command.spec();
            ui.label(spec.name).on_hover_text(spec.tip);
            ui.monospace(command.keys(ui.ctx()).unwrap_or_default());
            ui.end_row();
        }
    });
}

fn gestures(
    ui: &mut Ui,
    title: &str,
    gestures: impl Iterator<Item = (&'static str, &'static str)>,
) {
    section(ui, title);
    egui::Grid::new(title).num_columns(2).striped(true).show(ui, |ui| {
        for (hands, what) in gestures {
            ui.monospace(hands);
            ui.label(what);
            ui.end_row();
        }
    });
}
