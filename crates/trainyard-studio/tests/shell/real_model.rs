//! With the real program: a small Llama is opened, fine-tuned and talked with.

use std::fs;
use std::path::{Path, PathBuf};

use eframe::egui::{Role, vec2};
use egui_kittest::kittest::Queryable;
use trainyard_studio::command::Command;
use trainyard_studio::fine_tuning::{Field, Sample};
use trainyard_studio::message::ChatMessage;
use trainyard_studio::panels::chat;
use trainyard_studio::run::Phase;
use trainyard_studio::state::{Mood, Speaker};
use trainyard_studio::{Persisted, Studio};

use crate::real_program::program;
use crate::support::{
    Window, error, open, perform, send, set_form, settle, until, use_program, window_with,
};

/// A model of four layers whose tokens are characters, with a template of chats.
fn model(folder: &Path) -> PathBuf {
    let fixture =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../trainyard-models/tests/fixtures/hf/llama");
    let model = folder.join("llama");
    fs::create_dir(&model).unwrap();
    for name in ["config.json", "model.safetensors", "tokenizer.json"] {
        fs::copy(fixture.join(name), model.join(name)).unwrap();
    }
    let template = "{% for message in messages %}{{ message['role'][0] }}: {{ message['content'] }}\n{% endfor %}\
                    {% if add_generation_prompt %}a: {% endif %}";
    fs::write(model.join("chat_template.jinja"), template).unwrap();
    model
}

fn chats(folder: &Path) -> PathBuf {
    let file = folder.join("chats.jsonl");
    let chat = |number: usize| {
        format!(
            "{{\"prompt\": \"is track {number} clear?\", \"completion\": \"yes, {number} is\"}}\n"
        )
    };
    fs::write(&file, (0..40).map(chat).collect::<String>()).unwrap();
    file
}

fn is_ready(studio: &Studio) -> bool {
    *studio.state().chat.mood() == Mood::Ready
}

/// Says something, and waits for the answer.
fn talk(window: &mut Window, text: &str) -> String {
    until(window, "the model", is_ready);
    send(window, ChatMessage::Say(text.to_owned()));
    until(window, "an answer", is_ready);
    let turn = window.state().state().chat.turns().last().unwrap().clone();
    assert_eq!(turn.speaker, Speaker::Model);
    assert!(turn.figures.contains("token"), "{turn:?}");
    turn.text
}

#[test]
fn a_model_is_opened_fine_tuned_and_talked_with() {
    let Some(program) = program() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (model, chats) = (model(folder.path()), chats(folder.path()));
    let mut window = window_with(Persisted::default());
    window.set_size(vec2(1360.0, 1500.0));
    use_program(&mut window, Ok(program));

    // What it would need. It has fewer positions than were written for another model.
    set_form(&mut window, |form| form.context = "4096".to_owned());
    open(&mut window, &model);
    settle(&mut window);
    assert_eq!(error(&window), "");
    let at = |window: &Window| -> Vec<Option<Field>> {
        window.state().state().fine_tuning.refused().map(|wrong| wrong.field).collect()
    };
    assert_eq!(at(&window), [Some(Field::Context)]);
    assert_eq!(window.state().document().model.as_deref(), Some(model.as_path()));
    set_form(&mut window, |form| form.context = "48".to_owned());
    let (sizes, fit) = window.state().state().fine_tuning.shown().unwrap();
    assert_eq!((sizes.context, fit.context, fit.batch), (Some(48), 48, 8));
    let layers = window.state().document().profile().model.layers.clone();
    assert!(layers.iter().any(|layer| layer.frozen_bytes > 0));

    // What it would see.
    let run = folder.path().join("run");
    set_form(&mut window, |form| {
        form.data = chats.display().to_string();
        form.steps = "6".to_owned();
        form.learning_rate = "1e-3".to_owned();
        form.rank = "4".to_owned();
        form.folder = run.display().to_string();
        form.targets = "riddles".to_owned();
    });
    window.get_by_label("Show first samples").click();
    window.run_ok();
    settle(&mut window);
    assert_eq!(at(&window), [Some(Field::Targets)]);
    set_form(&mut window, |form| form.targets = "q, v".to_owned());
    window.get_by_label("Show first samples").click();
    window.run_ok();
    settle(&mut window);
    let (_, preview) = window.state().state().fine_tuning.preview().unwrap();
    assert_eq!(preview.samples.len(), 4);
    let learned = |sample: &Sample| -> String {
        sample.pieces().into_iter().filter(|it| it.counts).map(|it| it.text).collect()
    };
    assert!(preview.samples.iter().all(|it| learned(it).starts_with("yes, ")), "{preview:?}");

    // It trains.
    window.get_by_label("Start fine-tuning").click();
    window.run_ok();
    settle(&mut window);
    until(&mut window, "the end of the training", |studio| {
        studio.state().run.session().is_some_and(|session| !session.is_running())
    });
    assert_eq!(error(&window), "");
    let status = window.state().state().run.session().unwrap().status();
    assert_eq!(status.phase, Phase::Finished, "{status:?}");
    assert!(run.join("run.toml").is_file() && run.join("runs/run/journal.jsonl").is_file());

    // Other programs can have it.
    window.get_by_label("Export model…").click();
    window.run_ok();
    window.get_by_label("Save").click();
    window.run_ok();
    settle(&mut window);
    assert_eq!(error(&window), "");
    for name in ["config.json", "model.safetensors", "tokenizer.json", "README.md"] {
        assert!(run.join("exported").join(name).is_file(), "{name}");
    }

    // Both are talked with: what was trained, and the model as it was.
    perform(&mut window, Command::Toggle(chat::INFO));
    for target in ["Talk with runs/run", "Talk with "] {
        let named: Vec<_> = window.get_all_by_label_contains(target).collect();
        named.last().unwrap().click();
        drop(named);
        window.run_ok();
        settle(&mut window);
        assert!(!talk(&mut window, "is track 3 clear?").is_empty());
        window.get_by_role_and_label(Role::MultilineTextInput, "What to say to the model");
        window.get_by_label("End").click();
        window.run_ok();
    }
}
