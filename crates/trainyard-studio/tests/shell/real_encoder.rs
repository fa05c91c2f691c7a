//! With the real program: a small BERT is opened, and learns the classes of a table's texts, how alike its pairs are,
//! and hidden words.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use eframe::egui::vec2;
use egui_kittest::kittest::Queryable;
use trainyard_studio::command::Command;
use trainyard_studio::fine_tuning::{DataKind, Field, Form, Pooling, Task};
use trainyard_studio::panels::chat;
use trainyard_studio::run::Phase;
use trainyard_studio::{Persisted, Studio};

use crate::real_program::program;
use crate::support::{
    Window, error, open, perform, set_form, settle, until, use_program, window_with,
};

/// A BERT of two blocks with a tokenizer of words.
fn model(folder: &Path) -> PathBuf {
    let fixture =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../trainyard-models/tests/fixtures/hf/bert");
    let model = folder.join("bert");
    fs::create_dir(&model).unwrap();
    for name in ["config.json", "model.safetensors"] {
        fs::copy(fixture.join(name), model.join(name)).unwrap();
    }
    let special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "late", "early", "express"];
    let words = (0..29).map(|number| format!("train{number}"));
    let known = special.iter().map(ToString::to_string).chain(words);
    fs::write(model.join("vocab.txt"), known.collect::<Vec<_>>().join("\n")).unwrap();
    model
}

/// Texts with their classes, and pairs with scores.
fn table(folder: &Path) -> PathBuf {
    let file = folder.join("trains.csv");
    let mut text = String::from("number,said,other,kind,alike\n");
    for row in 0..40 {
        let kind = ["late", "early"][row % 2];
        let (one, other) = (row % 29, row * 7 % 29);
        writeln!(text, "{row},train{one} {kind},train{other} {kind},{kind},{}", row % 6).unwrap();
    }
    fs::write(&file, text).unwrap();
    file
}

fn refused(window: &Window) -> Vec<(Option<Field>, String)> {
    let refused = window.state().state().fine_tuning.refused();
    refused.map(|wrong| (wrong.field, wrong.words.clone())).collect()
}

fn click(window: &mut Window, name: &str) {
    window.get_by_label(name).click();
    window.run_ok();
    settle(window);
}

fn form<'a>(window: &'a Window) -> &'a Form {
    window.state().state().fine_tuning.form()
}

#[test]
fn an_encoder_learns_from_a_table_of_texts() {
    let Some(program) = program() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (model, table) = (model(folder.path()), table(folder.path()));
    let mut window = window_with(Persisted::default());
    window.set_size(vec2(1360.0, 1700.0));
    use_program(&mut window, Ok(program));
    open(&mut window, &model);
    settle(&mut window);
    assert_eq!(error(&window), "");
    let (_, fit) = window.state().state().fine_tuning.shown().unwrap();
    assert!(fit.encoder && fit.context == 17, "{fit:?}");
    // It learns from tables, not from chats; columns are those of the table.
    assert_eq!(form(&window).kind, DataKind::Sentences);
    assert!(window.query_by_label("Chats").is_none());
    let run = folder.path().join("run");
    set_form(&mut window, |form| {
        form.data = table.display().to_string();
        form.folder = run.display().to_string();
        (form.steps, form.rank) = ("6".to_owned(), "4".to_owned());
        form.texts.pooling = Pooling::Mean;
    });
    let names: Vec<String> = window
        .state()
        .state()
        .fine_tuning
        .columns()
        .unwrap()
        .iter()
        .map(|it| it.name.clone())
        .collect();
    assert_eq!(names, ["number", "said", "other", "kind", "alike"]);
    assert!(["said", "other"].contains(&form(&window).texts.column.as_str()));
    set_form(&mut window, |form| form.texts.column = "said".to_owned());
    window.get_by_label_contains("name the column of the classes");
    // One that is there no more is refused beside its field.
    fs::rename(&table, folder.path().join("gone.csv")).unwrap();
    set_form(&mut window, |form| form.texts.label = "kind".to_owned());
    click(&mut window, "Show first samples");
    assert_eq!(refused(&window)[0].0, Some(Field::Data), "{:?}", refused(&window));
    fs::rename(folder.path().join("gone.csv"), &table).unwrap();
    click(&mut window, "Show first samples");
    assert_eq!(refused(&window), []);
    let (_, preview) = window.state().state().fine_tuning.preview().unwrap();
    let sample = &preview.samples[0];
    let target = sample.target.clone().unwrap();
    let text: String = sample.pieces().into_iter().map(|piece| piece.text).collect();
    assert!(text.starts_with("[CLS]") && text.contains(&target), "{text} {target}");
    window.get_by_label(&format!("sample 1: 4 tokens, to be learned: {target}"));
    // Hidden words, and pairs.
    set_form(&mut window, |form| form.texts.task = Task::Masked);
    click(&mut window, "Show first samples");
    let (_, preview) = window.state().state().fine_tuning.preview().unwrap();
    assert!(preview.samples.iter().all(|sample| sample.target.is_none()));
    set_form(&mut window, |form| {
        form.texts.task = Task::Embed;
        (form.texts.second, form.texts.score) = ("other".to_owned(), "alike".to_owned());
        form.texts.full_score = "5".to_owned();
    });
    click(&mut window, "Show first samples");
    assert_eq!(refused(&window), []);
    let (_, preview) = window.state().state().fine_tuning.preview().unwrap();
    assert_eq!(preview.samples[0].starts.len(), 2);
    // It trains.
    set_form(&mut window, |form| form.texts.task = Task::Classify);
    set_form(&mut window, |form| form.texts.second.clear());
    click(&mut window, "Start fine-tuning");
    let has_ended =
        |studio: &Studio| studio.state().run.session().is_some_and(|session| !session.is_running());
    until(&mut window, "the end of the training", has_ended);
    assert_eq!(error(&window), "");
    let status = window.state().state().run.session().unwrap().status();
    assert_eq!(status.phase, Phase::Finished, "{status:?}");
    let text = fs::read_to_string(run.join("run.toml")).unwrap();
    assert!(text.contains("task = \"classify\"\npooling = \"mean\""), "{text}");
    assert!(text.contains("label = \"kind\"") && !text.contains("second"), "{text}");
    // It writes no texts, and has no form for other programs yet.
    assert!(window.query_by_label("Export model…").is_none());
    perform(&mut window, Command::Toggle(chat::INFO));
    window.get_by_label_contains("reads texts and writes none");
    assert!(window.query_by_label_contains("Talk with ").is_none());
}
