//! The shell as a person uses it: menus, palette, help, dialogs, files, keys.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod exports;
mod names;
mod support;
mod traces;
mod whole;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use eframe::egui::{DroppedFile, Key, Modifiers, Theme, ThemePreference, vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;
use trainyard_studio::command::{Command, Menu};
use trainyard_studio::desk::Edit;
use trainyard_studio::run::Program;
use trainyard_studio::{Kept, Panel, Studio};

use support::{
    Window, folder, open, perform, press, settle, trouble, window, window_with, write_path,
};

#[test]
fn it_starts_with_an_example_and_a_welcome() {
    let window = window();
    window.get_by_label("Trainyard Studio");
    window.get_by_label_contains("Step 1, to do");
    window.get_by_label("✔ fits");
    assert!(window.state().desk.present().fits());
    assert_eq!(window.state().desk.profile().devices.len(), 3);
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
    for command in Command::all() {
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
    assert_eq!(window.state().kept.settings.theme, ThemePreference::Light);
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
    assert_eq!(window.state().kept.settings.theme, ThemePreference::System);
}

#[test]
fn the_help_sheet_lists_every_command() {
    let mut window = window();
    press(&mut window, Modifiers::NONE, Key::F1);
    for command in Command::all() {
        let name = command.spec().name;
        assert!(window.query_all_by_label(name).next().is_some(), "{name} is not on the sheet");
    }
}

#[test]
fn edits_are_undone_and_redone_by_keys() {
    let mut window = window();
    let start = window.state().desk.arrangement().clone();
    let count = start.micro_batches * 2;
    window.state_mut().desk.edit(&Edit::MicroBatches(count)).unwrap();
    window.run_ok();
    press(&mut window, Modifiers::COMMAND, Key::Z);
    assert_eq!(*window.state().desk.arrangement(), start);
    press(&mut window, Modifiers::COMMAND | Modifiers::SHIFT, Key::Z);
    assert_eq!(window.state().desk.arrangement().micro_batches, count);
    press(&mut window, Modifiers::COMMAND, Key::Z);
    press(&mut window, Modifiers::COMMAND, Key::Y);
    assert_eq!(window.state().desk.arrangement().micro_batches, count);
}

#[test]
fn keys_work_while_a_layer_has_the_focus() {
    let mut window = window();
    let start = window.state().desk.arrangement().clone();
    window.get_by_label_contains("block2, layer").click();
    window.run_ok();
    press(&mut window, Modifiers::COMMAND, Key::ArrowRight);
    assert_ne!(*window.state().desk.arrangement(), start);
    press(&mut window, Modifiers::COMMAND, Key::Z);
    assert_eq!(*window.state().desk.arrangement(), start);
}

#[test]
fn the_line_at_the_bottom_says_what_was_done_last() {
    let mut window = window();
    window.get_by_label("stage 0 recomputes").click();
    window.run_ok();
    window.get_by_label_contains("Recompute stage 0: step ");
    press(&mut window, Modifiers::COMMAND, Key::Z);
    window.get_by_label("Undid: recompute stage 0");
    perform(&mut window, Command::Toggle(Panel::Timeline));
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
    let count = window.state().desk.arrangement().micro_batches * 2;
    window.state_mut().desk.edit(&Edit::MicroBatches(count)).unwrap();
    open(&mut window, &folder.path().join("plan.json"));
    assert_ne!(window.state().desk.arrangement().micro_batches, count);
    press(&mut window, Modifiers::COMMAND, Key::Z);
    assert_eq!(window.state().desk.arrangement().micro_batches, count);
    assert!(window.state().desk.is_changed());
}

#[test]
fn panels_are_toggled_put_back_and_kept() {
    let mut window = window();
    press(&mut window, Modifiers::COMMAND, Key::Num3);
    assert!(!window.state().kept.layout.shown().contains(&Panel::Timeline));
    let text = window.state().kept.to_text();
    let mut again = window_with(Kept::from_text(&text));
    assert!(!again.state().kept.layout.shown().contains(&Panel::Timeline));
    perform(&mut again, Command::ResetLayout);
    assert!(again.state().kept.layout.shown().contains(&Panel::Timeline));
    for _ in 0..2 {
        for panel in Panel::ALL {
            if again.state().kept.layout.shown().contains(&panel) {
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
    assert!((window.state().kept.settings.zoom - 1.1).abs() < 1e-6);
    perform(&mut window, Command::ZoomReset);
    perform(&mut window, Command::Settings);
    window.get_by_label("Light").click();
    window.run_ok();
    assert_eq!(window.ctx.theme(), Theme::Light);
    let text = window.state().kept.to_text();
    assert_eq!(Kept::from_text(&text).settings.theme, ThemePreference::Light);
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
fn followed_steps_are_ticked_and_do_not_come_back() {
    let mut window = window();
    perform(&mut window, Command::AutoPlan);
    settle(&mut window);
    window.get_by_label_contains("Step 2, done");
    let steps = &mut window.state_mut().kept.first_steps;
    (steps.moved, steps.ran) = (true, true);
    window.run_ok();
    assert!(window.query_by_label_contains("Step 1").is_none());
    let text = window.state().kept.to_text();
    assert!(window_with(Kept::from_text(&text)).query_by_label_contains("Step 1").is_none());
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
    let trouble = trouble(&window);
    assert!(
        trouble.contains("no profile.json beside it") && trouble.contains("Settings"),
        "{trouble}"
    );
}

#[test]
fn every_kind_of_file_opens() {
    let folder = folder();
    let file = |name: &str| folder.path().join(name);
    for name in ["profile.json", "plan.json", "run.toml"] {
        let mut window = window();
        open(&mut window, &file(name));
        assert_eq!(trouble(&window), "", "{name}");
        assert_eq!(
            window.state().desk.file.as_deref(),
            Some(file("plan.json").as_path()),
            "{name}"
        );
        assert!(window.query_by_label_contains("Step 1").is_none(), "the welcome stays");
        assert_eq!(window.state().kept.recent.paths().next(), Some(file(name).as_path()));
    }
    let mut window = window();
    open(&mut window, folder.path());
    assert_eq!(trouble(&window), "");
    assert_eq!(window.state().desk.run_file.as_deref(), Some(file("run.toml").as_path()));
}

#[derive(Debug)]
struct Dropped(PathBuf);

impl DroppedFile for Dropped {
    fn path(&self) -> &Path {
        &self.0
    }

    fn bytes(&self) -> Result<Vec<u8>, String> {
        fs::read(&self.0).map_err(|error| error.to_string())
    }
}

#[test]
fn a_file_that_is_dropped_on_the_window_opens() {
    let folder = folder();
    let mut window = window();
    let path = folder.path().join("profile.json");
    window.input_mut().dropped_files.push(Arc::new(Dropped(path.clone())));
    window.step();
    settle(&mut window);
    assert_eq!(trouble(&window), "");
    assert_eq!(window.state().kept.recent.paths().next(), Some(path.as_path()));
}

#[test]
fn a_run_directory_opens_and_is_watched() {
    let folder = folder();
    let header = r#"{"type":"header","format":"trainyard-journal","version":1,"program":"0.1.0","started_unix_ms":1,"first_step":0,"steps":4,"model":"gpt","parameters":10,"devices":[{"id":"dgpu","name":"it","budget_bytes":1000}]}"#;
    fs::write(folder.path().join("journal.jsonl"), format!("{header}\n")).unwrap();
    let mut window = window();
    open(&mut window, folder.path());
    assert_eq!(trouble(&window), "");
    assert!(window.state().session.is_some());
    assert!(window.state().kept.layout.shown().contains(&Panel::Run));
}

#[test]
fn a_plan_without_a_profile_goes_onto_the_open_one() {
    let folder = folder();
    fs::remove_file(folder.path().join("profile.json")).unwrap();
    let mut window = window();
    open(&mut window, &folder.path().join("plan.json"));
    assert_eq!(trouble(&window), "");
    let other = r#"{"format":"trainyard-plan","version":1,"model":"m","stages":[{"device":"x","layers":[0,1]}],"schedule":{"name":"gpipe","ranks":[["0F0","0B0","0OPT"]]},"micro_batches":1}"#;
    let path = folder.path().join("other.json");
    fs::write(&path, other).unwrap();
    open(&mut window, &path);
    let trouble = trouble(&window);
    assert!(trouble.contains("other.json"), "{trouble}");
}

#[test]
fn what_cannot_be_opened_is_said_in_words_and_the_window_stays() {
    let folder = folder();
    let mut window = window();
    for (name, text, part) in [
        ("notes.txt", "hello", "is neither a run file"),
        ("new.json", r#"{"format":"trainyard-profile","version":9}"#, "version 9"),
    ] {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        open(&mut window, &path);
        assert!(trouble(&window).contains(part), "{}", trouble(&window));
        window.get_by_label_contains(part);
        window.get_by_label("OK").click();
        window.run_ok();
        assert_eq!(trouble(&window), "");
    }
    open(&mut window, Path::new("/no/such/file.json"));
    assert!(trouble(&window).contains("/no/such/file.json"));
    assert!(window.state().desk.present().fits());
}

#[test]
fn a_plan_is_saved_by_its_path_and_then_by_the_key() {
    let folder = folder();
    let path = folder.path().join("mine.json");
    let mut window = window();
    press(&mut window, Modifiers::COMMAND, Key::S);
    window.get_by_label("Write to this file:");
    write_path(&mut window, &path);
    window.get_by_label("Save").click();
    window.run_ok();
    assert_eq!(trouble(&window), "");
    assert!(!window.state().desk.is_changed());
    let count = window.state().desk.arrangement().micro_batches * 2;
    window.state_mut().desk.edit(&Edit::MicroBatches(count)).unwrap();
    press(&mut window, Modifiers::COMMAND, Key::S);
    let text = fs::read_to_string(&path).unwrap();
    let plan = trainyard_plan::Plan::from_json(&text).unwrap();
    assert_eq!(plan.micro_batches, count);
}

#[test]
fn a_small_window_and_a_large_one_have_room() {
    for (size, scale) in [((1024.0, 640.0), 1.0), ((1920.0, 1080.0), 2.0)] {
        let studio = Studio::new(Kept::default()).unwrap();
        let mut window = Harness::builder()
            .with_size(vec2(size.0, size.1))
            .with_pixels_per_point(scale)
            .build_ui_state(|ui, studio: &mut Studio| studio.show(ui), studio);
        window.run_ok();
        window.get_by_label("Board");
        window.get_by_label("Timeline");
    }
}

/// A program that answers as `trainyard devices` and `trainyard plan --save-profile` do.
#[cfg(unix)]
fn stand_in(folder: &Path) -> Program {
    use std::os::unix::fs::PermissionsExt;
    let devices = r#"{"format":"trainyard-devices","version":1,"devices":[{"index":0,"adapter":"cpu","also":[],"name":"Eight cores","kind":"cpu","api":"cpu","driver":"","vendor":"","pci_bus_id":"","memory":{"total_bytes":17179869184,"free_bytes":8589934592,"source":"reported"},"max_buffer_bytes":1,"f16":false,"timestamps":false,"compute":{"result":"works"}}]}"#;
    let profile = folder.join("profile.json");
    let script = format!(
        "#!/bin/sh\ncase \"$1\" in\ndevices) echo '{devices}' ;;\nplan) cp '{}' \"$4\" ;;\nmeasure) [ \"$5\" = --refresh ] || echo measured before ;;\n*) exit 1 ;;\nesac\n",
        profile.display()
    );
    let path = folder.join("trainyard");
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    Program::find_in(Some(folder), None, None).unwrap()
}

#[cfg(unix)]
#[test]
fn my_devices_are_listed_and_get_a_run_file() {
    let folder = folder();
    let mut window = window();
    window.state_mut().program = Ok(stand_in(folder.path()));
    window.run_ok();
    window.get_by_label("Use my devices…").click();
    settle(&mut window);
    window.get_by_label("Eight cores");
    window.get_by_label("16.0 GiB");
    let named = "A folder for run.toml, profile.json and plan.json:";
    let field = window.get_by_role_and_label(eframe::egui::Role::TextInput, named);
    field.focus();
    window.run_ok();
    press(&mut window, Modifiers::COMMAND, Key::A);
    let place = folder.path().join("mine");
    let field = window.get_by_role_and_label(eframe::egui::Role::TextInput, named);
    field.type_text(place.to_str().unwrap());
    window.run_ok();
    window.run_ok();
    window.get_by_label("Plan from estimates").click();
    window.run_ok();
    settle(&mut window);
    assert_eq!(trouble(&window), "");
    let text = fs::read_to_string(place.join("run.toml")).unwrap();
    assert!(text.contains("id = \"left\"\nadapter = \"cpu\""), "{text}");
    assert_eq!(window.state().desk.run_file, Some(place.join("run.toml")));
}

#[cfg(unix)]
#[test]
fn what_was_measured_before_can_be_measured_anew() {
    let folder = folder();
    let mut window = window();
    window.state_mut().program = Ok(stand_in(folder.path()));
    open(&mut window, &folder.path().join("run.toml"));
    perform(&mut window, Command::Measure);
    settle(&mut window);
    window.get_by_label("These times were measured before; Measure anew measures again");
    perform(&mut window, Command::MeasureAnew);
    settle(&mut window);
    window.get_by_label("The measured times are the profile now");
}

#[cfg(unix)]
#[test]
fn running_the_example_offers_a_small_training() {
    let folder = folder();
    let mut window = window();
    window.state_mut().program = Ok(stand_in(folder.path()));
    window.run_ok();
    press(&mut window, Modifiers::NONE, Key::F5);
    window.get_by_label("There is nothing to train yet");
    window.get_by_label("Train the small one");
    press(&mut window, Modifiers::NONE, Key::Escape);
    assert!(window.query_by_label("Train the small one").is_none());
}
