//! What is opened, dropped and saved.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use eframe::egui::accesskit::Toggled;
use eframe::egui::{DroppedFile, Key, Modifiers};
use egui_kittest::kittest::{NodeT, Queryable};
use trainyard_studio::document::Edit;

use crate::support::{Window, edit, error, folder, open, press, settle, shows, window, write_path};

#[test]
fn every_kind_of_file_opens() {
    let folder = folder();
    let file = |name: &str| folder.path().join(name);
    for name in ["profile.json", "plan.json", "run.toml"] {
        let mut window = window();
        open(&mut window, &file(name));
        assert_eq!(error(&window), "", "{name}");
        assert_eq!(
            window.state().document().file.as_deref(),
            Some(file("plan.json").as_path()),
            "{name}"
        );
        assert!(window.query_by_label_contains("Step 1").is_none(), "the welcome stays");
        assert_eq!(
            window.state().state().preferences.recent().paths().next(),
            Some(file(name).as_path())
        );
    }
    let mut window = window();
    open(&mut window, folder.path());
    assert_eq!(error(&window), "");
    assert_eq!(window.state().document().run_file.as_deref(), Some(file("run.toml").as_path()));
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
    assert_eq!(error(&window), "");
    assert_eq!(window.state().state().preferences.recent().paths().next(), Some(path.as_path()));
}

#[test]
fn a_run_directory_opens_and_is_watched() {
    let folder = folder();
    let header = r#"{"type":"header","format":"trainyard-journal","version":1,"program":"0.1.0","started_unix_ms":1,"first_step":0,"steps":4,"model":"gpt","parameters":10,"devices":[{"id":"dgpu","name":"it","budget_bytes":1000}]}"#;
    fs::write(folder.path().join("journal.jsonl"), format!("{header}\n")).unwrap();
    let mut window = window();
    open(&mut window, folder.path());
    assert_eq!(error(&window), "");
    assert!(window.state().state().run.session().is_some());
    assert!(shows(&window, "run"));
}

#[test]
fn a_plan_without_a_profile_goes_onto_the_open_one() {
    let folder = folder();
    fs::remove_file(folder.path().join("profile.json")).unwrap();
    let mut window = window();
    open(&mut window, &folder.path().join("plan.json"));
    assert_eq!(error(&window), "");
    let other = r#"{"format":"trainyard-plan","version":1,"model":"m","stages":[{"device":"x","layers":[0,1]}],"schedule":{"name":"gpipe","ranks":[["0F0","0B0","0OPT"]]},"micro_batches":1}"#;
    let path = folder.path().join("other.json");
    fs::write(&path, other).unwrap();
    open(&mut window, &path);
    let error = error(&window);
    assert!(error.contains("other.json"), "{error}");
}

#[test]
fn what_cannot_be_opened_is_said_in_words_and_the_window_stays() {
    let folder = folder();
    let mut window = window();
    for (name, text, part) in [
        ("notes.txt", "hello", "is text, not a run file"),
        ("new.json", r#"{"format":"trainyard-profile","version":9}"#, "version 9"),
    ] {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        open(&mut window, &path);
        assert!(error(&window).contains(part), "{}", error(&window));
        window.get_by_label_contains(part);
        window.get_by_label("OK").click();
        window.run_ok();
        assert_eq!(error(&window), "");
    }
    open(&mut window, Path::new("/no/such/file.json"));
    assert!(error(&window).contains("/no/such/file.json"));
    assert!(window.state().document().present().fits());
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
    assert_eq!(error(&window), "");
    assert!(!window.state().document().is_changed());
    let count = window.state().document().arrangement().micro_batches * 2;
    edit(&mut window, Edit::MicroBatches(count));
    press(&mut window, Modifiers::COMMAND, Key::S);
    let text = fs::read_to_string(&path).unwrap();
    let plan = trainyard_plan::Plan::from_json(&text).unwrap();
    assert_eq!(plan.micro_batches, count);
}

#[test]
fn what_is_selected_of_one_model_is_not_of_the_next() {
    let folder = folder();
    let mut window = window();
    window.get_by_label_contains("block9, layer ").click();
    window.run_ok();
    let selected = |window: &Window| {
        let blocks = window.query_all_by_label_contains(", layer ");
        blocks.filter(|block| block.accesskit_node().toggled() == Some(Toggled::True)).count()
    };
    assert_eq!(selected(&window), 1);
    open(&mut window, &folder.path().join("profile.json"));
    assert_eq!(selected(&window), 0);
}
