//! What the model learns from.

use std::path::PathBuf;

use eframe::egui::Ui;

use super::fields::Fields;
use super::table;
use crate::event::Purpose;
use crate::fine_tuning::{DataKind, Field, Form, Learned};
use crate::message::{Dialog, Message, ViewMessage};
use crate::state::State;

/// Draws it.
pub(super) fn data_ui(
    ui: &mut Ui,
    state: &State,
    form: &mut Form,
    fields: &Fields,
    out: &mut Vec<Message>,
) {
    let is_encoder = state.fine_tuning.is_encoder();
    ui.horizontal_wrapped(|ui| {
        for kind in kinds(is_encoder, form.kind) {
            let (name, tip) = kind.words();
            ui.selectable_value(&mut form.kind, kind, name).on_hover_text(tip);
        }
        if ui.button("Browse…").on_hover_text("Choose a file or folder").clicked() {
            let purpose = Purpose::FineTuningData;
            let path = PathBuf::from(form.data.trim());
            out.push(ViewMessage::OpenDialog(Dialog::Path { purpose, path }).into());
        }
    });
    let masks = form.kind == DataKind::Text && is_encoder == Some(true);
    ui.weak(if masks {
        "Plain text, cut into windows of the context: words are hidden in it, to be filled in"
    } else {
        form.kind.words().1
    });
    fields.text(ui, Field::Data, &mut form.data);
    match form.kind {
        DataKind::Chat => learned_ui(ui, form),
        DataKind::Text => {}
        DataKind::Sentences => table::table_ui(ui, state, form, fields),
    }
}

/// What a model can learn from; of one that is not known, what is chosen beside what most learn from.
fn kinds(is_encoder: Option<bool>, chosen: DataKind) -> Vec<DataKind> {
    let mut kinds = DataKind::of_model(is_encoder.unwrap_or(false)).to_vec();
    if !kinds.contains(&chosen) {
        kinds.push(chosen);
    }
    kinds
}

fn learned_ui(ui: &mut Ui, form: &mut Form) {
    ui.horizontal_wrapped(|ui| {
        ui.label("Learned:");
        for learned in Learned::ALL {
            let (name, tip) = learned.words();
            ui.selectable_value(&mut form.learned, learned, name).on_hover_text(tip);
        }
    });
}
