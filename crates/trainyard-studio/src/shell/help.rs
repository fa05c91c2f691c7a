//! The help sheet: all commands with their keys, and what hands can do.

use eframe::egui::{self, Context, Ui};

use super::modal::{modal, section};
use crate::command::Menu;

/// What mouse and keyboard do inside the panels.
const GESTURES: [(&str, &[(&str, &str)]); 2] = [
    (
        "On the board",
        &[
            ("Drag a layer", "to another device or position"),
            ("Drag a boundary", "cut the stages elsewhere"),
            ("Ctrl or Shift click", "select several layers"),
            ("← →", "move the selection to the next device"),
            ("Right click", "everything that can be done with a layer or device"),
            ("Esc", "let go"),
        ],
    ),
    (
        "On the timeline",
        &[
            ("W S, wheel", "zoom"),
            ("A D, Shift drag", "pan"),
            ("Drag", "select a range and see its figures"),
            ("Click", "details of an action"),
            ("Double click", "zoom to an action"),
            ("F", "fit"),
            ("[ ]", "along the flow, back and forth"),
            ("/", "search; Enter and Shift Enter go through what was found"),
            ("M", "mark"),
        ],
    ),
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
                for (title, gestures) in GESTURES {
                    section(ui, title);
                    egui::Grid::new(title).num_columns(2).striped(true).show(ui, |ui| {
                        for (hands, what) in gestures {
                            ui.monospace(*hands);
                            ui.label(*what);
                            ui.end_row();
                        }
                    });
                }
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
