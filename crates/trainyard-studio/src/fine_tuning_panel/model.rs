//! Which model, and what training it would need.

use std::path::PathBuf;

use eframe::egui::{Button, Color32, RichText, Spinner, Ui};
use trainyard_plan::fit::{Fit, Largest, Verdict};
use trainyard_plan::memory::human_bytes;

use super::fields::Fields;
use crate::event::Event;
use crate::fine_tuning::{Field, Form};
use crate::message::Message;
use crate::state::State;
use crate::theme::{Theme, size};

/// Draws the model, and what the program says of it.
pub(super) fn model_ui(
    ui: &mut Ui,
    state: &State,
    form: &mut Form,
    fields: &Fields,
    out: &mut Vec<Message>,
) {
    fields.text(ui, Field::Model, &mut form.model);
    let model = PathBuf::from(form.model.trim());
    let shown = state.fine_tuning.shown().filter(|(sizes, _)| sizes.model == model);
    let is_on_board = state.document.document().model.as_ref() == Some(&model);
    let is_named = !model.as_os_str().is_empty();
    if state.fine_tuning.is_estimating() {
        ui.horizontal(|ui| {
            ui.add(Spinner::new().size(14.0));
            ui.weak("working out what it needs…");
        });
    } else if is_named && (shown.is_none() || !is_on_board) {
        let tip = "What it would need on this machine's devices, and its layers on the board";
        if ui.add(Button::new("Show on the board")).on_hover_text(tip).clicked() {
            out.push(Event::Open(model).into());
        }
    }
    match shown.filter(|_| is_on_board) {
        Some((_, fit)) => verdict_ui(ui, fit),
        None if !is_named => {
            ui.weak(
                "Open a model's folder or .gguf file: the board then shows what training it would need on this \
                 machine's devices.",
            );
        }
        None => {}
    }
}

fn verdict_ui(ui: &mut Ui, fit: &Fit) {
    let theme = Theme::of(ui.ctx());
    let (mark, colour) = verdict_look(fit.verdict, theme);
    let speed = fit.tokens_per_s.map(|speed| format!(", at most about {speed:.0} tokens/s"));
    let words = format!("{mark} {}{}", fit.verdict.text(), speed.unwrap_or_default());
    ui.label(RichText::new(words).color(colour).strong()).on_hover_text(
        "Sizes and times are estimated from the model's shapes and the devices' speeds",
    );
    if let Some(reason) = &fit.reason {
        ui.label(reason);
    }
    let small = |words: String| RichText::new(words).size(size::SMALL);
    ui.label(small(limits(&fit.largest, fit)));
    if let Some(assumed) = &fit.assumes {
        ui.label(small(format!("An encoder, taken {assumed}")));
    }
    if let Some(more) = &fit.one_more {
        let speed = more.tokens_per_s.map(|speed| format!(", about {speed:.0} tokens/s"));
        ui.label(small(format!(
            "With one more like {} ({}): {}{}; {}",
            more.like,
            human_bytes(more.budget_bytes),
            more.verdict.text(),
            speed.unwrap_or_default(),
            limits(&more.largest, fit)
        )));
    }
}

/// The sign and the colour of a verdict.
pub(super) fn verdict_look(verdict: Verdict, theme: &Theme) -> (&'static str, Color32) {
    match verdict {
        Verdict::Fits => ("✔", theme.good),
        Verdict::Tight => ("▲", theme.warn),
        Verdict::TooBig => ("✖", theme.bad),
    }
}

/// What fits at most.
fn limits(largest: &Largest, fit: &Fit) -> String {
    let context = match largest.context {
        Some(context) => format!("contexts up to {context} fit with this batch"),
        None => format!("no context fits with a batch of {}", fit.batch),
    };
    let rows = match largest.rows {
        Some(1) => "1 row".to_owned(),
        Some(rows) => format!("up to {rows} rows"),
        None => return context,
    };
    format!("{context}; {rows} at once with this context")
}
