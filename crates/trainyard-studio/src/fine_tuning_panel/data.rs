//! What the model learns from.

use std::path::PathBuf;

use eframe::egui::Ui;

use super::fields::Fields;
use crate::event::Purpose;
use crate::fine_tuning::{DataKind, Field, Form, Learned};
use crate::message::{Dialog, Message, ViewMessage};

/// Draws it.
pub(super) fn data_ui(ui: &mut Ui, form: &mut Form, fields: &Fields, out: &mut Vec<Message>) {
    ui.horizontal_wrapped(|ui| {
        for kind in DataKind::ALL {
            let (name, tip) = kind.words();
            ui.selectable_value(&mut form.kind, kind, name).on_hover_text(tip);
        }
        if ui.button("Browse…").on_hover_text("Choose a file or folder").clicked() {
            let purpose = Purpose::FineTuningData;
            let path = PathBuf::from(form.data.trim());
            out.push(ViewMessage::OpenDialog(Dialog::Path { purpose, path }).into());
        }
    });
    ui.weak(form.kind.words().1);
    fields.text(ui, Field::Data, &mut form.data);
    if form.kind == DataKind::Chat {
        ui.horizontal_wrapped(|ui| {
            ui.label("Learned:");
            for learned in Learned::ALL {
                let (name, tip) = learned.words();
                ui.selectable_value(&mut form.learned, learned, name).on_hover_text(tip);
            }
        });
    }
}
