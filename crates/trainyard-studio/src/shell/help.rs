//! The help sheet: all commands with their keys, and what hands can do.

use eframe::egui::{self, Context, Key, Label, RichText, Ui};

use super::modal::{modal, section};
use crate::menus::Menu;
use crate::timeline;

/// Gestures on the board.
const ON_THE_BOARD: &[(&str, &str)] = &[
    ("Move a layer to another device", "Drag"),
    ("Cut the stages elsewhere", "Drag a boundary"),
    ("Swap two devices", "Drag their heads"),
    ("Select several layers", "Ctrl or Shift click"),
    ("Select another layer", "Arrow keys"),
    ("Select one more layer", "Shift+↑ ↓"),
    ("Move the selection to the next device", "Ctrl+← →"),
    ("The same, and split the stage", "Alt+← →"),
    ("Lock or unlock the selection", "L"),
    ("Recompute the stage, or not", "R"),
    ("All that can be done with a layer", "Right click, Enter"),
    ("Fold or unfold equal layers", "Double click"),
    ("Let go of what is dragged", "Escape"),
];

/// What a mouse does on the timeline; its keys are those of its commands.
const ON_THE_TIMELINE: &[(&str, &str)] = &[
    ("Zoom", "Wheel"),
    ("Move, also up and down", "Shift or middle drag"),
    ("Scroll the rows", "Wheel over the names"),
    ("Select a range and see its figures", "Drag"),
    ("Details of an action", "Click"),
    ("Zoom to an action", "Double click"),
    ("What is live then", "Click the ruler"),
];

/// What is done takes this share of a column; the rest is for the keys.
const WHAT: f32 = 0.6;

/// Shows the sheet; whether it is to be closed.
pub(crate) fn help_ui(context: &Context) -> bool {
    modal(context, "Keyboard and mouse", 860.0, |ui| {
        let columns = if ui.available_width() > 700.0 { 2 } else { 1 };
        ui.columns(columns, |columns| {
            if let Some(ui) = columns.first_mut() {
                for menu in Menu::ALL {
                    commands(ui, menu);
                }
            }
            if let Some(ui) = columns.last_mut() {
                list(ui, "On the board", ON_THE_BOARD.iter().map(owned));
                let keys = timeline::Command::ALL.iter().map(|(_, key, what)| {
                    // What has a letter is written as it; what has a word, as the word.
                    let key = if *key == Key::Escape { key.name() } else { key.symbol_or_name() };
                    owned(&(what, key))
                });
                list(ui, "On the timeline", ON_THE_TIMELINE.iter().map(owned).chain(keys));
            }
        });
    })
}

fn owned((what, keys): &(&'static str, &'static str)) -> (&'static str, String) {
    (what, (*keys).to_owned())
}

fn commands(ui: &mut Ui, menu: Menu) {
    let context = ui.ctx().clone();
    let row = |command: crate::command::Command| {
        (command.spec().name, command.keys(&context).unwrap_or_default())
    };
    list(ui, menu.name(), menu.commands().map(row));
}

/// What can be done, and with which keys or hands.
fn list(ui: &mut Ui, title: &str, rows: impl Iterator<Item = (&'static str, String)>) {
    section(ui, title);
    let room = ui.available_width() - ui.spacing().item_spacing.x;
    let (what_width, keys_width) = (room * WHAT, room * (1.0 - WHAT));
    egui::Grid::new(title).num_columns(2).striped(true).show(ui, |ui| {
        for (what, keys) in rows {
            cell(ui, what_width, RichText::new(what));
            cell(ui, keys_width, RichText::new(keys).monospace());
            ui.end_row();
        }
    });
}

/// As wide in every list, so that all of them align.
fn cell(ui: &mut Ui, width: f32, text: RichText) {
    ui.scope(|ui| {
        ui.set_width(width);
        ui.add(Label::new(text).wrap());
    });
}
