//! Who does not see the window hears of every control what it is.

use eframe::egui::Role;
use egui_kittest::kittest::NodeT;
use trainyard_studio::command::Command;
use trainyard_studio::message::PreferencesMessage;
use trainyard_studio::panels::INFOS;

use crate::support::{Window, folder, open, perform, press, send, window};

/// What can be used, and must therefore be called something.
fn is_control(role: Role) -> bool {
    matches!(
        role,
        Role::Button
            | Role::CheckBox
            | Role::ComboBox
            | Role::Link
            | Role::ListBoxOption
            | Role::MenuItem
            | Role::RadioButton
            | Role::Slider
            | Role::SpinButton
            | Role::Splitter
            | Role::Switch
            | Role::Tab
            | Role::TextInput
    )
}

/// The controls of a window that are not called anything, with where they are.
fn nameless(window: &Window) -> Vec<String> {
    let controls: Vec<_> = window
        .root()
        .children_recursive()
        .filter(|node| is_control(node.accesskit_node().role()))
        .collect();
    assert!(controls.len() > 30, "{} controls", controls.len());
    let nameless = controls
        .into_iter()
        .filter(|node| node.accesskit_node().label().is_none_or(|name| name.trim().is_empty()));
    nameless
        .map(|node| format!("{:?} at {:?}", node.accesskit_node().role(), node.rect()))
        .collect()
}

#[test]
fn every_control_has_a_name() {
    let none: Vec<String> = Vec::new();
    let mut window = window();
    assert_eq!(nameless(&window), none, "at the start");
    for command in [
        Command::Palette,
        Command::Help,
        Command::Settings,
        Command::About,
        Command::Open,
        Command::SavePlanAs,
    ] {
        perform(&mut window, command);
        assert_eq!(nameless(&window), none, "{command:?}");
        press(&mut window, eframe::egui::Modifiers::NONE, eframe::egui::Key::Escape);
    }
    let folder = folder();
    open(&mut window, folder.path());
    open(&mut window, &folder.path().join("trace.json"));
    assert_eq!(nameless(&window), none, "with a trace");
    for panel in INFOS {
        send(&mut window, PreferencesMessage::Reveal(panel.id));
        window.run_ok();
        assert_eq!(nameless(&window), none, "{}", panel.id);
    }
}
