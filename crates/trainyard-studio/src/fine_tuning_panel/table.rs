//! A table of texts: what is learned of it, and which columns have that.

use eframe::egui::{ComboBox, Label, RichText, Ui};
use trainyard_plan::TableColumn;

use super::fields::{Fields, named_row, words};
use crate::fine_tuning::{Field, Form, Pooling, Task, Texts};
use crate::state::State;

/// Draws the choice.
pub(super) fn table_ui(ui: &mut Ui, state: &State, form: &mut Form, fields: &Fields) {
    ui.horizontal_wrapped(|ui| {
        ui.label("Learned:");
        for task in Task::ALL {
            let (name, tip) = task.words();
            ui.selectable_value(&mut form.texts.task, task, name).on_hover_text(tip);
        }
    });
    ui.weak(form.texts.task.words().1);
    let columns = state.fine_tuning.columns();
    for field in form.columns() {
        let Some(name) = named(&mut form.texts, *field) else { continue };
        match columns {
            Some(columns) => column_ui(ui, *field, name, columns, fields),
            // Until they are known.
            None => fields.text(ui, *field, name),
        }
    }
    if form.texts.task == Task::Embed {
        fields.text(ui, Field::FullScore, &mut form.texts.full_score);
    }
    if form.texts.task.pools() {
        ui.horizontal_wrapped(|ui| {
            let tip = "How the vectors of a text's tokens become one";
            ui.label("Pooling:").on_hover_text(tip);
            for pooling in Pooling::ALL {
                let (name, tip) = pooling.words();
                ui.selectable_value(&mut form.texts.pooling, pooling, name).on_hover_text(tip);
            }
        });
        fields.wrong(ui, Field::Pooling, "");
    }
}

/// The name of a column that is for something.
fn named(texts: &mut Texts, field: Field) -> Option<&mut String> {
    match field {
        Field::Column => Some(&mut texts.column),
        Field::Second => Some(&mut texts.second),
        Field::Label => Some(&mut texts.label),
        Field::Score => Some(&mut texts.score),
        _ => None,
    }
}

/// The choice of a column among those of the table.
fn column_ui(
    ui: &mut Ui,
    field: Field,
    name: &mut String,
    columns: &[TableColumn],
    fields: &Fields,
) {
    let (title, hint, tip) = words(field);
    named_row(ui, title, |ui, label| {
        let shown = if name.is_empty() { hint } else { name.as_str() };
        let chosen = ComboBox::from_id_salt(title).selected_text(shown).truncate();
        let response = chosen.show_ui(ui, |ui| {
            if field == Field::Second {
                ui.selectable_value(name, String::new(), hint);
            }
            for column in columns {
                let first = column.cells.join("\n");
                ui.selectable_value(name, column.name.clone(), &column.name).on_hover_text(first);
            }
        });
        response.response.labelled_by(label).on_hover_text(tip);
        let chosen = columns.iter().find(|column| column.name == *name);
        if let Some(cell) = chosen.and_then(|column| column.cells.first()) {
            ui.add(Label::new(RichText::new(format!("“{cell}”")).weak()).truncate());
        }
    });
    fields.wrong(ui, field, name);
}
