//! With a program that stands in for `trainyard`.
#![cfg(unix)]

use std::fs;
use std::path::Path;

use eframe::egui::{Key, Modifiers};
use egui_kittest::kittest::Queryable;
use trainyard_studio::command::Command;
use trainyard_studio::run::Program;

use crate::support::{folder, open, perform, press, settle, trouble, window};

/// A program that answers as `trainyard devices` and `trainyard plan --save-profile` do.
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
