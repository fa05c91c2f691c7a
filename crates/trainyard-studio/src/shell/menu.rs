//! The menu bar, made of the list of commands.

use eframe::egui::{self, Button, Response, RichText, Ui};

use crate::command::{Command, Facts};
use crate::event::Event;
use crate::menus::Menu;
use crate::message::Message;
use crate::panel::Frame;
use crate::paths::short_names;
use crate::persistence::Recent;
use crate::theme::Theme;

/// Draws the bar.
pub(crate) fn menu_bar_ui(ui: &mut Ui, frame: &Frame, out: &mut Vec<Message>) {
    egui::MenuBar::new().ui(ui, |ui| {
        for menu in Menu::ALL {
            ui.menu_button(menu.name(), |ui| {
                ui.set_min_width(220.0);
                for (index, group) in menu.groups().into_iter().enumerate() {
                    if index > 0 {
                        ui.separator();
                    }
                    for command in group {
                        if entry(ui, command, frame.facts) {
                            out.push(command.into());
                        }
                        if command == Command::OpenRecent {
                            recent_ui(ui, frame.state.preferences.recent(), out);
                        }
                    }
                }
            });
        }
    });
}

/// The newest of the recent files, below the command that shows all.
fn recent_ui(ui: &mut Ui, recent: &Recent, out: &mut Vec<Message>) {
    for (path, name) in short_names(recent.paths().take(5)) {
        let button = Button::new(format!("    {name}")).truncate();
        if ui.add(button).on_hover_text(path.display().to_string()).clicked() {
            out.push(Event::Open(path.to_owned()).into());
        }
    }
}

/// Says of a command that cannot be used why that is so.
pub(crate) fn with_reason(response: Response, why_not: Option<&str>) -> Response {
    match why_not {
        Some(why) => response.on_disabled_hover_text(format!("Unavailable: {why}")),
        None => response,
    }
}

/// Draws a command as a menu has it; whether it was chosen.
fn entry(ui: &mut Ui, command: Command, facts: &Facts) -> bool {
    let why_not = command.unavailable(facts);
    let mut button = Button::new(command.title(facts));
    if let Some(keys) = command.keys(ui.ctx()) {
        button = button.shortcut_text(keys);
    }
    if let Some(ticked) = command.ticked(facts) {
        button = button.selected(ticked);
    }
    let response = ui.add_enabled(why_not.is_none(), button);
    let response = response.on_hover_text(command.spec().tip);
    with_reason(response, why_not).clicked()
}

/// A small button that closes something; whether it was pressed.
pub(crate) fn cross(ui: &mut Ui, name: &str) -> bool {
    let button = Button::new(RichText::new("×").size(18.0)).frame(false);
    ui.add(button).accessible_name(name).on_hover_text(name).clicked()
}

/// Draws a command as a button of the header; whether it was chosen. The `primary` one is what a
/// person most likely wants.
pub(crate) fn button(ui: &mut Ui, command: Command, facts: &Facts, primary: bool) -> bool {
    let why_not = command.unavailable(facts);
    let spec = command.spec();
    let theme = Theme::of(ui.ctx());
    // What cannot be pressed looks so, whatever it is.
    let button = if primary && why_not.is_none() {
        Button::new(RichText::new(spec.name).color(theme.raised).strong()).fill(theme.accent)
    } else {
        Button::new(spec.name)
    };
    let response = ui.add_enabled(why_not.is_none(), button.min_size([64.0, 26.0].into()));
    let keys = command.keys(ui.ctx()).map_or(String::new(), |keys| format!(" ({keys})"));
    let response = response.on_hover_text(format!("{}{keys}", spec.tip));
    with_reason(response, why_not).clicked()
}
