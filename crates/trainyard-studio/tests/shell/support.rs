//! A window for the tests of the shell, and hands to use it with.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use eframe::egui::{Context, Key, Modifiers, Role, vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;
use trainyard_plan::chrome;
use trainyard_studio::command::Command;
use trainyard_studio::document::{Document, Edit};
use trainyard_studio::fine_tuning::Form;
use trainyard_studio::message::{DocumentMessage, FineTuningMessage, Message, RunMessage};
use trainyard_studio::run::{Program, ProgramMissing};
use trainyard_studio::{Persisted, Studio};

pub(crate) type Window<'a> = Harness<'a, Studio>;

/// A window with what was kept, in which no program is found.
pub(crate) fn window_with<'a>(persisted: Persisted) -> Window<'a> {
    let studio = Studio::new(persisted).unwrap();
    let mut window = Harness::builder()
        .with_size(vec2(1360.0, 860.0))
        .build_ui_state(|ui, studio: &mut Studio| studio.show(ui), studio);
    // It looked in the usual places; a test must not depend on what is there.
    use_program(&mut window, Program::find_in(None, None, None));
    window
}

/// Hands a message to the studio, and draws what comes of it.
pub(crate) fn send(window: &mut Window, message: impl Into<Message>) {
    let context = context(window);
    window.state_mut().send(&context, message);
    window.run_ok();
}

pub(crate) fn use_program(window: &mut Window, program: Result<Program, ProgramMissing>) {
    send(window, RunMessage::UseProgram(program));
}

pub(crate) fn edit(window: &mut Window, edit: Edit) {
    send(window, DocumentMessage::Edit { edit, on_board: false });
}

/// Whether a panel is seen.
pub(crate) fn shows(window: &Window, panel: &str) -> bool {
    window.state().facts().shown.iter().any(|shown| shown == panel)
}

pub(crate) fn window<'a>() -> Window<'a> {
    window_with(Persisted::default())
}

pub(crate) fn context(window: &Window) -> Context {
    window.ctx.clone()
}

pub(crate) fn perform(window: &mut Window, command: Command) {
    let context = context(window);
    window.state_mut().perform(&context, command);
    window.run_ok();
}

/// Opens a file and draws until it is there.
pub(crate) fn open(window: &mut Window, path: &Path) {
    let context = context(window);
    window.state_mut().open(&context, path);
    settle(window);
}

/// Draws until no other thread has anything to say.
pub(crate) fn settle(window: &mut Window) {
    for _ in 0..100_000 {
        window.step();
        if !window.state().is_busy() {
            window.run_ok();
            return;
        }
        std::thread::yield_now();
    }
    panic!("it never ends");
}

/// Changes the form of a fine-tuning.
pub(crate) fn set_form(window: &mut Window, change: impl FnOnce(&mut Form)) {
    let mut form = window.state().state().fine_tuning.form().clone();
    change(&mut form);
    send(window, FineTuningMessage::Set(Box::new(form)));
    settle(window);
}

/// Nothing takes as long; a test that waits for something that never comes ends by this.
const TOO_LONG: Duration = Duration::from_mins(1);

/// Draws until something that another thread has to say is so.
pub(crate) fn until(window: &mut Window, what: &str, is_so: impl Fn(&Studio) -> bool) {
    let began = Instant::now();
    while !is_so(window.state()) {
        assert!(began.elapsed() < TOO_LONG, "waited for {what} in vain");
        window.step();
        std::thread::yield_now();
    }
    window.run_ok();
}

pub(crate) fn press(window: &mut Window, modifiers: Modifiers, key: Key) {
    window.key_press_modifiers(modifiers, key);
    window.run_ok();
}

/// Writes a path into the dialog that asks where a file goes.
pub(crate) fn write_path(window: &mut Window, path: &Path) {
    const FIELD: &str = "Write to this file:";
    window.get_by_role_and_label(Role::TextInput, FIELD).focus();
    window.run_ok();
    press(window, Modifiers::COMMAND, Key::A);
    let field = window.get_by_role_and_label(Role::TextInput, FIELD);
    field.type_text(&path.to_string_lossy());
    window.run_ok();
}

pub(crate) fn error(window: &Window) -> String {
    let error = window.state().errors().next();
    error.map_or_else(String::new, |it| format!("{} / {} / {}", it.title, it.text, it.remedy))
}

/// A folder with a profile, a plan of it and a trace.
pub(crate) fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let document = Document::example().unwrap();
    let write = |name: &str, text: String| fs::write(folder.path().join(name), text).unwrap();
    write("profile.json", serde_json::to_string(document.profile().as_ref()).unwrap());
    write("plan.json", serde_json::to_string(&document.present().plan).unwrap());
    write("trace.json", chrome::to_string(&document.present().trace));
    write("run.toml", "[model]\nkind = \"gpt\"\n".to_owned());
    folder
}
