//! Pretrained models: opened as a profile is, fine-tuned by a form, and talked with.
#![cfg(unix)]

use std::fs;
use std::path::Path;

use eframe::egui::{Key, Modifiers, Role, ThemePreference, vec2};
use egui_kittest::SnapshotResults;
use egui_kittest::kittest::Queryable;
use trainyard_studio::command::Command;
use trainyard_studio::document::{Edit, How};
use trainyard_studio::panels::{chat, fine_tune};
use trainyard_studio::state::{Mood, Speaker};
use trainyard_studio::{Persisted, Studio};

use crate::model_program::{asked, model, stand_in};
use crate::support::{
    Window, edit, error, open, perform, press, settle, shows, until, use_program, window_with,
};

/// A high window with the stand-in for the program, and a model that is open in it.
struct Open<'a> {
    folder: tempfile::TempDir,
    window: Window<'a>,
}

impl Open<'_> {
    fn new() -> Self {
        let mut opened = Self::before();
        let path = model(opened.folder.path(), "small-model");
        opened.open(&path);
        opened
    }

    fn open(&mut self, path: &Path) {
        open(&mut self.window, path);
        settle(&mut self.window);
    }

    fn before() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut window = window_with(Persisted::default());
        window.set_size(vec2(1360.0, 1500.0));
        use_program(&mut window, Ok(stand_in(folder.path())));
        Self { folder, window }
    }

    fn write(&mut self, field: &str, text: &str) {
        self.window.get_by_role_and_label(Role::TextInput, field).focus();
        self.window.run_ok();
        press(&mut self.window, Modifiers::COMMAND, Key::A);
        self.window.get_by_role_and_label(Role::TextInput, field).type_text(text);
        self.window.run_ok();
        settle(&mut self.window);
    }

    fn click(&mut self, name: &str) {
        self.window.get_by_label(name).click();
        self.window.run_ok();
        settle(&mut self.window);
    }

    /// Begins a conversation with the model.
    fn talk(&mut self) {
        self.window.get_by_label_contains("Talk with ").click();
        until(&mut self.window, "the model", is(Mood::Ready));
    }

    fn frozen_bytes(&self) -> u64 {
        let layers = &self.window.state().document().profile().model.layers;
        layers.iter().map(|layer| layer.frozen_bytes).sum()
    }

    fn fits(&self) -> usize {
        asked(self.folder.path()).iter().filter(|line| line.starts_with("fit ")).count()
    }
}

#[test]
fn a_model_s_folder_opens_as_a_profile_does() {
    let opened = Open::new();
    assert_eq!(error(&opened.window), "");
    let path = opened.folder.path().join("small-model");
    let studio = opened.window.state();
    assert_eq!(studio.document().model.as_deref(), Some(path.as_path()));
    assert!(shows(&opened.window, "fine-tune"));
    assert!(opened.frozen_bytes() > 0);
    opened.window.get_by_label_contains("block3, layer 5 of 8, on ");
    assert!(opened.window.query_all_by_label_contains(" fit with this batch").next().is_some());
    let asked = asked(opened.folder.path());
    let end = format!("-- {}", path.display());
    // Devices are looked for at the same time.
    let fit = asked.iter().find(|line| line.starts_with("fit ")).unwrap();
    assert!(
        fit.starts_with("fit --json --method lora --batch 8 --rank 16 --save-profile "),
        "{fit}"
    );
    assert!(fit.ends_with(&end), "{fit}");
    // What is seen of it goes away with the next thing that is opened.
    let recent = studio.state().preferences.recent().paths().next();
    assert_eq!(recent, Some(path.as_path()));
}

#[test]
fn a_gguf_file_opens_and_what_is_no_known_model_is_refused_in_words() {
    let mut opened = Open::before();
    let file = opened.folder.path().join("small.gguf");
    fs::write(&file, b"GGUF\x03\0\0\0").unwrap();
    opened.open(&file);
    assert_eq!(opened.window.state().document().model.as_deref(), Some(file.as_path()));
    let unknown = model(opened.folder.path(), "unknown");
    opened.open(&unknown);
    let error = error(&opened.window);
    assert!(error.contains("unknown") && error.contains("'Riddle' is not known"), "{error}");
    // What was open is still there, and said not to be what was to be opened.
    assert_eq!(opened.window.state().document().model.as_deref(), Some(file.as_path()));
    opened.window.get_by_label_contains("unknown is not open");
}

#[test]
fn the_board_follows_the_form_and_keeps_what_was_arranged() {
    let mut opened = Open::new();
    let lora = opened.frozen_bytes();
    opened.click("QLoRA");
    assert!(opened.frozen_bytes() > 0 && opened.frozen_bytes() < lora);
    assert!(opened.window.query_all_by_label_contains("f32 and q4_1").next().is_some());
    opened.click("Full");
    assert_eq!(opened.frozen_bytes(), 0);
    opened.window.get_by_label_contains("✖ too big");
    assert!(!opened.window.state().document().present().fits());
    opened.click("LoRA");
    assert_eq!(opened.frozen_bytes(), lora);
    assert!(!opened.window.state().document().is_changed());
    // What a person arranged is theirs.
    let end = opened.window.state().document().arrangement().stages[0].end;
    let layers = (end - 1, end);
    let device = opened.window.state().document().arrangement().stages[1].device;
    let how = How::Boundary;
    edit(&mut opened.window, Edit::Move { layers: vec![layers], device, how });
    let stages = opened.window.state().document().arrangement().stages.clone();
    opened.click("QLoRA");
    assert_eq!(opened.window.state().document().arrangement().stages, stages);
    press(&mut opened.window, Modifiers::COMMAND, Key::Z);
    assert!(!opened.window.state().document().is_changed());
}

#[test]
fn the_board_shows_what_is_needed_on_the_devices_that_take_part() {
    let mut opened = Open::new();
    let budgets = |opened: &Open| -> Vec<u64> {
        let devices = &opened.window.state().document().profile().devices;
        devices.iter().map(|device| device.memory_bytes).collect()
    };
    assert_eq!(budgets(&opened), [24 << 20; 2]);
    opened.window.get_by_label_contains("✔ left: needs ");
    // The only one that takes part cannot be left out.
    opened.click("Card (vulkan, 60.0 MiB)");
    assert!(opened.window.state().state().fine_tuning.form().devices.is_empty());
    opened.click("Processor (cpu, 8.00 MiB)");
    let named = |opened: &Open| -> Vec<String> {
        let form = opened.window.state().state().fine_tuning.form();
        form.devices.iter().map(|entry| entry.adapter.clone()).collect()
    };
    assert_eq!(named(&opened), ["vulkan:Card", "cpu"]);
    opened.click("Card (vulkan, 60.0 MiB)");
    assert_eq!(named(&opened), ["cpu", "cpu"]);
    let asked = fs::read_to_string(opened.folder.path().join("asked.toml")).unwrap();
    let table: toml::Table = asked.parse().unwrap();
    assert_eq!(table["device"].as_array().unwrap().len(), 2);
    assert_eq!(budgets(&opened), [2 << 20; 2]);
    opened.window.get_by_label_contains("✖ too big");
    assert!(!opened.window.state().document().present().fits());
    // The run file has them too.
    opened.write("File", "/data/good.jsonl");
    let run_file = opened.window.state().state().fine_tuning_run_file().unwrap();
    assert!(run_file.contains("[[device]]\nid = \"left\"\nadapter = \"cpu\""), "{run_file}");
    // As it was without a choice.
    opened.click("Card (vulkan, 60.0 MiB)");
    opened.click("Processor (cpu, 8.00 MiB)");
    assert!(named(&opened).is_empty());
    assert_eq!(budgets(&opened), [24 << 20; 2]);
    // With less of its memory than it has.
    opened.click("Budgets…");
    assert_eq!(named(&opened), ["vulkan:Card"]);
    opened.click("memory for dgpu");
    opened.window.get_by_label("memory for dgpu").type_text("32 MiB");
    press(&mut opened.window, Modifiers::NONE, Key::Enter);
    settle(&mut opened.window);
    let asked = fs::read_to_string(opened.folder.path().join("asked.toml")).unwrap();
    let table: toml::Table = asked.parse().unwrap();
    assert_eq!(table["device"][0]["memory"].as_str(), Some("32 MiB"));
}

#[test]
fn what_the_program_refuses_stands_beside_its_field() {
    let mut opened = Open::new();
    let before = opened.window.state().document().profile().clone();
    opened.write("Context", "9999");
    opened.window.get_by_label_contains("✖ context is 9999; it must be from 1 to 512");
    assert_eq!(error(&opened.window), "");
    assert_eq!(opened.window.state().document().profile(), &before);
    // It is not asked again and again.
    let asked = opened.fits();
    opened.write("Steps", "7");
    assert_eq!(opened.fits(), asked);
    opened.write("Context", "128");
    assert!(opened.window.query_by_label_contains("✖ context is").is_none());
    assert_eq!(opened.fits(), asked + 1);
    opened.write("Batch", "many");
    opened.window.get_by_label("✖ a whole number above 0");
    assert_eq!(opened.fits(), asked + 1);
}

#[test]
fn first_samples_are_shown_with_what_counts() {
    let mut opened = Open::new();
    opened.write("File", "/data/bad.jsonl");
    opened.click("Show first samples");
    opened.window.get_by_label_contains("✖ /data/bad.jsonl, line 3: no messages");
    opened.write("File", "/data/good.jsonl");
    assert!(opened.window.query_by_label_contains("line 3").is_none());
    opened.click("Show first samples");
    opened.window.get_by_label("chats, 9 samples to train with");
    opened.window.get_by_label("sample 1: 4 tokens, 3 to be learned");
    opened.window.get_by_label_contains("<user> hi");
    opened.click("token by token");
    opened.window.get_by_label("Good");
    opened.window.get_by_label("·day");
    opened.write("Context", "64");
    opened.window.get_by_label_contains("as it was before");
}

#[test]
fn an_encoder_learns_from_the_columns_of_a_table() {
    let mut opened = Open::before();
    let path = model(opened.folder.path(), "encoder");
    opened.open(&path);
    assert!(opened.window.query_by_label("Chats").is_none());
    perform(&mut opened.window, Command::Toggle(chat::INFO));
    opened.window.get_by_label_contains("reads texts and writes none");
    assert!(opened.window.query_by_label_contains("Talk with ").is_none());
    perform(&mut opened.window, Command::Toggle(fine_tune::INFO));
    // A path that leads nowhere yet is not looked at.
    let table = opened.folder.path().join("bank.csv");
    opened.write("File", table.to_str().unwrap());
    let looked = |opened: &Open| -> usize {
        let asked = asked(opened.folder.path());
        asked.iter().filter(|line| line.starts_with("columns ")).count()
    };
    assert_eq!(looked(&opened), 0);
    fs::write(&table, "text,intent\n").unwrap();
    opened.write("File", "/nowhere");
    opened.write("File", table.to_str().unwrap());
    assert_eq!(looked(&opened), 1);
    opened.window.get_by_role_and_label(Role::ComboBox, "Text");
    opened.window.get_by_label("“my card is lost”");
    let form = opened.window.state().state().fine_tuning.form();
    assert_eq!((form.texts.column.as_str(), form.texts.label.as_str()), ("text", "intent"));
    opened.click("Show first samples");
    opened.window.get_by_label("sample 1: 4 tokens, to be learned: refund");
    opened.window.get_by_label_contains("2 of 9 rows are longer");
    // Similarity needs what this table does not have.
    opened.click("Similarity");
    opened.window.get_by_label("name the column of the second text");
    opened.window.get_by_label_contains("Start: what is marked above");
    opened.click("Classes");
    // What is no table is said beside its field.
    let bad = opened.folder.path().join("bad.jsonl");
    fs::write(&bad, "[]").unwrap();
    opened.write("File", bad.to_str().unwrap());
    opened.window.get_by_label_contains("line 1 is no JSON object");
    // With a decoder it is chats again.
    let decoder = model(opened.folder.path(), "decoder");
    opened.open(&decoder);
    opened.window.get_by_label("Chats");
    assert!(opened.window.query_by_label("Table of texts").is_none());
}

#[test]
fn it_starts_with_a_run_file_of_its_own_and_nothing_is_replaced() {
    let mut opened = Open::new();
    let place = opened.folder.path().join("my run");
    opened.write("File", "/data/good.jsonl");
    opened.write("Run folder", place.to_str().unwrap());
    opened.click("Start fine-tuning");
    settle(&mut opened.window);
    let text = fs::read_to_string(place.join("run.toml")).unwrap();
    let table: toml::Table = text.parse().unwrap();
    assert_eq!(table["data"]["chat"].as_str(), Some("/data/good.jsonl"));
    assert_eq!(table["train"]["method"].as_str(), Some("lora"));
    assert_eq!(table["train"]["micro_batches"].as_integer(), Some(4));
    assert_eq!(opened.window.state().document().run_file, Some(place.join("run.toml")));
    until(&mut opened.window, "a run", |studio| studio.state().run.session().is_some());
    // The next one goes elsewhere, and the form is kept from one day to the next.
    let form = opened.window.state().state().fine_tuning.form().clone();
    assert_eq!(Path::new(&form.folder), opened.folder.path().join("my run-2"));
    let kept = opened.window.state().state().preferences.to_text();
    assert_eq!(Persisted::from_text(&kept).fine_tuning, form);
}

#[test]
fn what_cannot_be_read_is_said_before_anything_is_written() {
    let mut opened = Open::new();
    let place = opened.folder.path().join("mine");
    opened.write("File", "/data/bad.jsonl");
    opened.write("Run folder", place.to_str().unwrap());
    opened.click("Start fine-tuning");
    settle(&mut opened.window);
    opened.window.get_by_label_contains("✖ /data/bad.jsonl, line 3");
    assert!(!place.exists());
    opened.write("File", "");
    opened.window.get_by_label_contains("Start: what is marked above");
    fs::create_dir(&place).unwrap();
    fs::write(place.join("run.toml"), "mine").unwrap();
    opened.window.run_ok();
    opened.window.get_by_label_contains("it has a run.toml already");
}

#[test]
fn a_model_has_nothing_to_run_until_the_form_says_what() {
    let mut opened = Open::new();
    perform(&mut opened.window, Command::Run);
    opened.window.get_by_label_contains("Say in the Fine-tune panel what it is to learn from");
    assert!(opened.window.query_by_label("There is nothing to train yet").is_none());
}

const SAID: &str = "What to say to the model";

/// Writes something to the model, and says it.
fn say(window: &mut Window, text: &str) {
    window.get_by_role_and_label(Role::MultilineTextInput, SAID).focus();
    window.run_ok();
    window.get_by_role_and_label(Role::MultilineTextInput, SAID).type_text(text);
    window.run_ok();
    press(window, Modifiers::NONE, Key::Enter);
}

fn is(mood: Mood) -> impl Fn(&Studio) -> bool {
    move |studio| *studio.state().chat.mood() == mood
}

#[test]
fn a_model_is_talked_with() {
    let mut opened = Open::new();
    perform(&mut opened.window, Command::Toggle(chat::INFO));
    opened.talk();
    say(&mut opened.window, "hi");
    until(&mut opened.window, "an answer", is(Mood::Ready));
    opened.window.get_by_label("hi");
    opened.window.get_by_label("Good day");
    opened.window.get_by_label("2 tokens, 5.0 tokens/s");
    // One that would go on for ever is stopped.
    say(&mut opened.window, "for ever");
    until(&mut opened.window, "a piece", |studio| {
        studio.state().chat.turns().last().is_some_and(|turn| turn.text == "For")
    });
    opened.window.get_by_label("Stop").click();
    opened.window.run_ok();
    until(&mut opened.window, "its end", is(Mood::Ready));
    opened.window.get_by_label("1 token, stopped");
    opened.window.get_by_label("New conversation").click();
    opened.window.run_ok();
    assert!(opened.window.query_by_label("Good day").is_none());
    opened.window.get_by_label("End").click();
    opened.window.run_ok();
    assert_eq!(*opened.window.state().state().chat.mood(), Mood::Off);
    opened.window.get_by_label_contains("Talk with ");
}

#[test]
fn a_model_without_a_template_goes_on_with_the_text() {
    let mut opened = Open::before();
    let path = model(opened.folder.path(), "bare");
    opened.open(&path);
    perform(&mut opened.window, Command::Toggle(chat::INFO));
    opened.talk();
    opened.window.get_by_label_contains("it goes on with your text");
    say(&mut opened.window, "Once upon a time");
    until(&mut opened.window, "its text", is(Mood::Ready));
    opened.window.get_by_label("Good day");
    // Without another word.
    opened.window.get_by_label("Go on").click();
    opened.window.run_ok();
    until(&mut opened.window, "more of it", is(Mood::Ready));
    opened.window.get_by_label("ever after");
    let speakers: Vec<Speaker> =
        opened.window.state().state().chat.turns().iter().map(|turn| turn.speaker).collect();
    assert_eq!(speakers, [Speaker::You, Speaker::Model, Speaker::Model]);
}

#[test]
fn what_cannot_be_talked_with_is_refused_in_words() {
    let mut opened = Open::before();
    let path = model(opened.folder.path(), "refuses");
    opened.open(&path);
    perform(&mut opened.window, Command::Toggle(chat::INFO));
    opened.window.get_by_label_contains("Talk with ").click();
    until(&mut opened.window, "a refusal", |studio| {
        matches!(studio.state().chat.mood(), Mood::Failed(_))
    });
    opened.window.get_by_label_contains("it has no chat template");
}

#[test]
fn pictures() {
    // Its path is in the picture.
    let path = Path::new("/tmp/trainyard-picture/small-model");
    fs::create_dir_all(path).unwrap();
    fs::write(path.join("config.json"), r#"{"model_type": "llama"}"#).unwrap();
    let mut results = SnapshotResults::new();
    for (mode, name) in [(ThemePreference::Dark, "dark"), (ThemePreference::Light, "light")] {
        let mut opened = Open::before();
        opened.window.set_size(vec2(1360.0, 1180.0));
        opened.open(path);
        perform(&mut opened.window, Command::Theme(mode));
        opened.write("Run folder", "/runs/small-model");
        opened.write("File", "/data/good.jsonl");
        opened.click("Show first samples");
        opened.window.remove_cursor();
        opened.window.run_ok();
        results.add(opened.window.try_snapshot(format!("window_fine_tune_{name}")));
        perform(&mut opened.window, Command::Toggle(chat::INFO));
        opened.talk();
        say(&mut opened.window, "Is the track clear?");
        until(&mut opened.window, "an answer", is(Mood::Ready));
        opened.window.remove_cursor();
        opened.window.run_ok();
        results.add(opened.window.try_snapshot(format!("window_chat_{name}")));
    }
    let path = Path::new("/tmp/trainyard-picture/encoder");
    fs::create_dir_all(path).unwrap();
    fs::write(path.join("config.json"), r#"{"model_type": "bert"}"#).unwrap();
    let table = Path::new("/tmp/trainyard-picture/bank.csv");
    fs::write(table, "text,intent\n").unwrap();
    let mut opened = Open::before();
    opened.window.set_size(vec2(1360.0, 1180.0));
    opened.open(path);
    perform(&mut opened.window, Command::Theme(ThemePreference::Light));
    opened.write("Run folder", "/runs/encoder");
    opened.write("File", table.to_str().unwrap());
    opened.click("Show first samples");
    opened.window.remove_cursor();
    opened.window.run_ok();
    results.add(opened.window.try_snapshot("window_fine_tune_table_light"));
}
