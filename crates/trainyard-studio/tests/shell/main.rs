//! The shell as a person uses it: menus, palette, help, dialogs, files, keys.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod exports;
mod files;
#[cfg(unix)]
mod model_program;
mod models;
mod names;
mod program;
mod real_encoder;
mod real_model;
#[path = "../common/real_program.rs"]
mod real_program;
#[expect(unreachable_pub, reason = "the file is a part of other crates too")]
#[path = "../../../../tests/src/require.rs"]
mod require;
mod support;
mod traces;
mod whole;

use std::fs;

use eframe::egui::{Key, Modifiers, Theme, ThemePreference, vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;
use trainyard_studio::command::Command;
use trainyard_studio::document::Edit;
use trainyard_studio::menus::{Menu, commands};
use trainyard_studio::message::{FirstStep, PreferencesMessage};
use trainyard_studio::panels::{self, INFOS};
use trainyard_studio::{Persisted, Studio};

use support::{
    Window, edit, error, folder, open, perform, press, send, settle, shows, window, window_with,
};

#[test]
fn it_starts_with_an_example_and_a_welcome() {
    let window = window();
    window.get_by_label("Trainyard Studio");
    window.get_by_label_contains("Step 1, to do");
    window.get_by_label("✔ fits");
    assert!(window.state().document().present().fits());
    assert_eq!(window.state().document().profile().devices.len(), 3);
}

#[test]
fn an_idle_window_draws_nothing_again() {
    let mut window = window();
    // It fails if a frame asks for another without end.
    window.run();
    window.step();
    let output = window.output();
    let viewport = output.viewport_output.get(&eframe::egui::ViewportId::ROOT).unwrap();
    assert!(viewport.repaint_delay > std::time::Duration::from_mins(1));
}

#[test]
fn every_command_is_in_a_menu_by_its_name() {
    let mut window = window();
    for menu in Menu::ALL {
        // The menu bar comes first; a panel's tab may have the same name.
        let mut named = window.query_all_by_role_and_label(eframe::egui::Role::Button, menu.name());
        named.next().unwrap().click();
        drop(named);
        window.run_ok();
        let facts = window.state().facts();
        for command in menu.commands() {
            let title = command.title(&facts);
            assert!(
                window.query_all_by_label_contains(&title).next().is_some(),
                "{title} is not in the menu {}",
                menu.name()
            );
        }
        press(&mut window, Modifiers::NONE, Key::Escape);
    }
}

#[test]
fn every_command_can_be_performed_and_the_window_stays() {
    for command in commands() {
        let mut window = window();
        perform(&mut window, command);
        let again = window.state().facts();
        assert!(!again.running, "{command:?}");
        // Whatever came up goes away again.
        press(&mut window, Modifiers::NONE, Key::Escape);
        press(&mut window, Modifiers::NONE, Key::Escape);
    }
}

const PALETTE: &str = "Find a command or a recent file";

fn palette<'a>(window: &'a Window) -> egui_kittest::Node<'a> {
    window.get_by_role_and_label(eframe::egui::Role::TextInput, PALETTE)
}

#[test]
fn the_palette_finds_a_command_and_does_it() {
    let mut window = window();
    press(&mut window, Modifiers::COMMAND, Key::K);
    palette(&window).type_text("light th");
    window.run_ok();
    press(&mut window, Modifiers::NONE, Key::Enter);
    assert_eq!(window.state().state().preferences.settings().theme, ThemePreference::Light);
    assert_eq!(window.ctx.theme(), Theme::Light);
    assert!(
        window.query_by_role_and_label(eframe::egui::Role::TextInput, PALETTE).is_none(),
        "the palette is still there"
    );
}

#[test]
fn the_palette_is_walked_by_arrows_and_left_by_escape() {
    let mut window = window();
    press(&mut window, Modifiers::COMMAND, Key::K);
    palette(&window).type_text("theme");
    window.run_ok();
    press(&mut window, Modifiers::NONE, Key::ArrowDown);
    press(&mut window, Modifiers::NONE, Key::Escape);
    assert!(window.query_by_role_and_label(eframe::egui::Role::TextInput, PALETTE).is_none());
    assert_eq!(window.state().state().preferences.settings().theme, ThemePreference::System);
}

#[test]
fn the_help_sheet_lists_every_command() {
    let mut window = window();
    press(&mut window, Modifiers::NONE, Key::F1);
    for command in commands() {
        let name = command.spec().name;
        assert!(window.query_all_by_label(name).next().is_some(), "{name} is not on the sheet");
    }
}

#[test]
fn edits_are_undone_and_redone_by_keys() {
    let mut window = window();
    let start = window.state().document().arrangement().clone();
    let count = start.micro_batches * 2;
    edit(&mut window, Edit::MicroBatches(count));
    window.run_ok();
    press(&mut window, Modifiers::COMMAND, Key::Z);
    assert_eq!(*window.state().document().arrangement(), start);
    press(&mut window, Modifiers::COMMAND | Modifiers::SHIFT, Key::Z);
    assert_eq!(window.state().document().arrangement().micro_batches, count);
    press(&mut window, Modifiers::COMMAND, Key::Z);
    press(&mut window, Modifiers::COMMAND, Key::Y);
    assert_eq!(window.state().document().arrangement().micro_batches, count);
}

#[test]
fn keys_work_while_a_layer_has_the_focus() {
    let mut window = window();
    let start = window.state().document().arrangement().clone();
    window.get_by_label_contains("block2, layer").click();
    window.run_ok();
    press(&mut window, Modifiers::COMMAND, Key::ArrowRight);
    assert_ne!(*window.state().document().arrangement(), start);
    press(&mut window, Modifiers::COMMAND, Key::Z);
    assert_eq!(*window.state().document().arrangement(), start);
}

#[test]
fn the_line_at_the_bottom_says_what_was_done_last() {
    let mut window = window();
    window.get_by_label("stage 0 recomputes").click();
    window.run_ok();
    window.get_by_label_contains("Recompute stage 0: step ");
    press(&mut window, Modifiers::COMMAND, Key::Z);
    window.get_by_label("Undid: recompute stage 0");
    perform(&mut window, Command::Toggle(panels::timeline::INFO));
    window.get_by_label("Timeline panel: off");
    perform(&mut window, Command::Settings);
    assert!(window.query_by_label("Timeline panel: off").is_none());
}

#[test]
fn no_hover_text_of_a_panel_lies_over_a_dialog() {
    let mut window = window();
    window.get_by_label_contains("block2, layer").hover();
    window.run_steps(8);
    window.get_by_label("kind: block");
    press(&mut window, Modifiers::NONE, Key::F1);
    window.run_steps(8);
    assert!(window.query_by_label("kind: block").is_none());
    press(&mut window, Modifiers::NONE, Key::Escape);
    // The dialog's own are there, and those of the panels come back.
    window.hover_at(eframe::egui::pos2(2.0, 2.0));
    window.run_steps(8);
    window.get_by_label_contains("block2, layer").hover();
    window.run_steps(8);
    window.get_by_label("kind: block");
}

#[test]
fn edits_that_were_not_saved_come_back_by_undo_after_another_file_was_opened() {
    let folder = folder();
    let mut window = window();
    open(&mut window, &folder.path().join("profile.json"));
    let count = window.state().document().arrangement().micro_batches * 2;
    edit(&mut window, Edit::MicroBatches(count));
    open(&mut window, &folder.path().join("plan.json"));
    assert_ne!(window.state().document().arrangement().micro_batches, count);
    press(&mut window, Modifiers::COMMAND, Key::Z);
    assert_eq!(window.state().document().arrangement().micro_batches, count);
    assert!(window.state().document().is_changed());
}

#[test]
fn panels_are_toggled_put_back_and_kept() {
    let mut window = window();
    press(&mut window, Modifiers::COMMAND, Key::Num3);
    assert!(!shows(&window, "timeline"));
    let text = window.state().state().preferences.to_text();
    let mut again = window_with(Persisted::from_text(&text));
    assert!(!shows(&again, "timeline"));
    perform(&mut again, Command::ResetLayout);
    assert!(shows(&again, "timeline"));
    for _ in 0..2 {
        for panel in INFOS {
            if shows(&again, panel.id) {
                perform(&mut again, Command::Toggle(panel));
            }
        }
    }
    again.get_by_label_contains("All panels are hidden");
}

#[test]
fn zoom_and_theme_are_settings() {
    let mut window = window();
    press(&mut window, Modifiers::COMMAND, Key::Plus);
    assert!((window.state().state().preferences.settings().zoom - 1.1).abs() < 1e-6);
    perform(&mut window, Command::ZoomReset);
    perform(&mut window, Command::Settings);
    window.get_by_label("Light").click();
    window.run_ok();
    assert_eq!(window.ctx.theme(), Theme::Light);
    let text = window.state().state().preferences.to_text();
    assert_eq!(Persisted::from_text(&text).settings.theme, ThemePreference::Light);
}

#[test]
fn the_welcome_leads_on_and_leaves() {
    let mut window = window();
    // There is no program, so devices cannot be looked for; why is said.
    window.get_by_label_contains("The program trainyard is not beside the studio");
    window.get_by_label("Say where it is…").click();
    window.run_ok();
    window.get_by_label("Settings");
    press(&mut window, Modifiers::NONE, Key::Escape);
    window.get_by_label("Close the welcome").click();
    window.run_ok();
    assert!(window.query_by_label_contains("Step 1").is_none());
    perform(&mut window, Command::Welcome);
    window.get_by_label_contains("Step 1");
}

#[test]
fn an_open_menu_does_not_lie_over_the_palette() {
    let mut window = window();
    window.get_by_role_and_label(eframe::egui::Role::Button, "File").click();
    window.run_ok();
    window.get_by_label("Open example");
    press(&mut window, Modifiers::COMMAND, Key::K);
    palette(&window).type_text("zoom");
    window.run_ok();
    assert!(window.query_by_label("Open example").is_none());
}

#[test]
fn the_command_line_is_copied_by_a_button() {
    let mut window = window();
    window.get_by_label("Copy command line").click();
    window.run_ok();
    window.get_by_label("Copied; put your run file in the place of run.toml");
}

#[test]
fn followed_steps_are_ticked_and_do_not_come_back() {
    let mut window = window();
    perform(&mut window, Command::AutoPlan);
    settle(&mut window);
    window.get_by_label_contains("Step 2, done");
    for step in [FirstStep::Moved, FirstStep::Ran] {
        send(&mut window, PreferencesMessage::Did(step));
    }
    assert!(window.query_by_label_contains("Step 1").is_none());
    let text = window.state().state().preferences.to_text();
    assert!(window_with(Persisted::from_text(&text)).query_by_label_contains("Step 1").is_none());
}

#[test]
fn a_missing_program_is_explained_and_the_rest_works() {
    let mut window = window();
    let facts = window.state().facts();
    for command in [Command::Run, Command::UseMyDevices, Command::Measure] {
        let why = command.unavailable(&facts).unwrap();
        assert!(why.contains("trainyard was not found"), "{command:?}: {why}");
    }
    for command in [Command::AutoPlan, Command::SavePlan, Command::OpenExample] {
        assert_eq!(command.unavailable(&facts), None, "{command:?}");
    }
    let directory = tempfile::tempdir().unwrap();
    let run_file = directory.path().join("run.toml");
    fs::write(&run_file, "[model]\nkind = \"gpt\"\n").unwrap();
    open(&mut window, &run_file);
    let error = error(&window);
    assert!(error.contains("no profile.json beside it") && error.contains("Settings"), "{error}");
}

#[test]
fn a_small_window_and_a_large_one_have_room() {
    for (size, scale) in [((1024.0, 640.0), 1.0), ((1920.0, 1080.0), 2.0)] {
        let studio = Studio::new(Persisted::default()).unwrap();
        let mut window = Harness::builder()
            .with_size(vec2(size.0, size.1))
            .with_pixels_per_point(scale)
            .build_ui_state(|ui, studio: &mut Studio| studio.show(ui), studio);
        window.run_ok();
        window.get_by_label("Board");
        window.get_by_label("Timeline");
    }
}
