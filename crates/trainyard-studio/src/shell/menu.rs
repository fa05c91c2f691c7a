//! The menu bar, made of the list of commands.

use std::path::{Path, PathBuf};

use eframe::egui::{self, Button, RichText, Ui};

use crate::app::short_names;
use crate::command::{Command, Facts, Menu};
use crate::theme::Theme;

/// What was chosen.
pub(crate) enum Chosen {
    /// A command.
    Command(Command),
    /// A recent file.
    Recent(PathBuf),
}

/// Draws the bar.
pub(crate) fn bar<'a>(
    ui: &mut Ui,
    facts: &Facts,
    recent: &(impl Iterator<Item = &'a Path> + Clone),
) -> Option<Chosen> {
    let mut chosen = None;
    egui::MenuBar::new().ui(ui, |ui| {
        for menu in Menu::ALL {
            ui.menu_button(menu.name(), |ui| {
                ui.set_min_width(220.0);
                for (index, group) in menu.groups().iter().enumerate() {
                    if index > 0 {
                        ui.separator();
                    }
                    for command in *group {
                        if *command == Command::OpenRecent {
                            chosen = recent_menu(ui, facts, recent.clone()).or(chosen.take());
                        } else if entry(ui, *command, facts) {
                            chosen = Some(Chosen::Command(*command));
                        }
                    }
                }
            });
        }
    });
    chosen
}

fn recent_menu<'a>(
    ui: &mut Ui,
    facts: &Facts,
    recent: impl Iterator<Item = &'a Path>,
) -> Option<Chosen> {
    if entry(ui, Command::OpenRecent, facts) {
        return Some(Chosen::Command(Command::OpenRecent));
    }
    let mut chosen = None;
    for (path, name) in short_names(recent.take(5)) {
        let button = Button::new(format!("    {name}")).truncate();
        if ui.add(button).on_hover_text(path.display().to_string()).clicked() {
            chosen = Some(Chosen::Recent(path.to_owned()));
        }
    }
    chosen
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
    let response = match why_not {
        Some(why) => response.on_disabled_hover_text(format!("Not now: {why}")),
        None => response,
    };
    response.clicked()
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
    let button = if primary {
        Button::new(RichText::new(spec.name).color(theme.raised).strong()).fill(theme.accent)
    } else {
        Button::new(spec.name)
    };
    let response = ui.add_enabled(why_not.is_none(), button.min_size([64.0, 26.0].into()));
    let keys = command.keys(ui.ctx()).map_or(String::new(), |keys| format!(" ({keys})"));
    let response = response.on_hover_text(format!("{}{keys}", spec.tip));
    let response = match why_not {
        Some(why) => response.on_disabled_hover_text(format!("Not now: {why}")),
        None => response,
    };
    response.clicked()
}
