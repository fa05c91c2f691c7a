//! With whom a conversation begins.

use std::path::{Path, PathBuf};

use eframe::egui::{Button, DragValue, Ui};

use super::{failure_ui, turns};
use crate::command::Facts;
use crate::event::Event;
use crate::message::Message;
use crate::paths::short_name;
use crate::run::{Session, Talk, Trains};
use crate::state::State;

/// How answers are chosen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    temperature: f64,
    tokens: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { temperature: 0.7, tokens: 300 }
    }
}

/// Draws whom one can talk with.
pub(super) fn begin_ui(
    ui: &mut Ui,
    state: &State,
    facts: &Facts,
    settings: &mut Settings,
    out: &mut Vec<Message>,
) {
    failure_ui(ui, &state.chat);
    let targets = targets(state);
    if targets.is_empty() {
        ui.weak(
            "Open a run of a language model, or a model's folder or .gguf file: then you can talk with it here.",
        );
    }
    if state.fine_tuning.is_encoder() == Some(true) {
        ui.weak("The model that is open is an encoder: it reads texts and writes none.");
    }
    for (target, which, what) in targets {
        let name = short_name(&target);
        let button = Button::new(format!("Talk with {name}{which}")).truncate();
        let button = ui.add_enabled(facts.has_program, button);
        let why_not = "the program trainyard was not found; Settings say where it is";
        if button.on_hover_text(what).on_disabled_hover_text(why_not).clicked() {
            let temperature_percent = (settings.temperature * 100.0).round() as u32;
            let talk = Talk { target, temperature_percent, tokens: settings.tokens };
            out.push(Event::Talk(talk).into());
        }
    }
    ui.horizontal_wrapped(|ui| {
        let tip = "0 always takes the likeliest token, 1 as the model says, more is wilder";
        let label = ui.label("temperature");
        let field = DragValue::new(&mut settings.temperature).range(0.0..=2.0).speed(0.01);
        ui.add(field).labelled_by(label.id).on_hover_text(tip);
        let label = ui.label("answers up to");
        let field = DragValue::new(&mut settings.tokens).range(1..=100_000).suffix(" tokens");
        ui.add(field).labelled_by(label.id);
        turns::copy_ui(ui, &state.chat);
    });
}

/// The run that is watched, and the model that is open.
fn targets(state: &State) -> Vec<(PathBuf, &'static str, &'static str)> {
    let writes = |session: &&Session| {
        session.files().trains != Trains::Encoder && session.state().checkpoints().next().is_some()
    };
    let run = state.run.session().filter(writes);
    let run = run.map(|session| {
        let what = "As it is at its newest checkpoint";
        (session.directory().to_owned(), " (trained)", what)
    });
    let described = Path::new(state.fine_tuning.form().model.trim());
    let open = state.document.document().model.as_deref();
    let described = (!described.as_os_str().is_empty()).then_some(described);
    let is_encoder = |model: &Path| {
        let shown = state.fine_tuning.shown().filter(|(sizes, _)| sizes.model == model);
        shown.is_some_and(|(_, fit)| fit.encoder)
    };
    let model = open.or(described).filter(|model| !is_encoder(model));
    let model = model.map(|model| (model.to_owned(), "", "As its files have it"));
    run.into_iter().chain(model).collect()
}
