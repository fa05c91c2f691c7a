//! The form that fine-tunes a pretrained model: what it needs, what it sees, and its start.
//!
//! What is written stands in [`FineTuning`](crate::state::FineTuning), word by word; what makes no sense or is
//! refused by the program is said below its field.

mod data;
mod devices;
mod fields;
mod model;
mod samples;
mod start;
mod table;

use eframe::egui::{RichText, ScrollArea, Ui};
use trainyard_plan::Precision;

use crate::command::Facts;
use crate::fine_tuning::{Field, Form, Method};
use crate::message::{FineTuningMessage, Message};
use crate::state::State;
use crate::theme::size;
use fields::Fields;

/// The panel's own state: how a person looks at it.
#[derive(Debug, Default)]
pub(crate) struct FineTuningPanel {
    /// Whether samples are shown token by token.
    by_token: bool,
}

impl FineTuningPanel {
    /// Draws the panel.
    pub(crate) fn show(
        &mut self,
        ui: &mut Ui,
        state: &State,
        facts: &Facts,
        out: &mut Vec<Message>,
    ) {
        let before = state.fine_tuning.form();
        let mut form = before.clone();
        let fields = Fields::of(state);
        ui.spacing_mut().scroll.floating_allocated_width = size::SPACE;
        ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
            ui.spacing_mut().item_spacing.y = 6.0;
            section(ui, "Model");
            model::model_ui(ui, state, &mut form, &fields, out);
            ui.separator();
            section(ui, "What trains");
            method_ui(ui, &mut form, &fields);
            ui.separator();
            section(ui, "Where it trains");
            devices::devices_ui(ui, state, &mut form, &fields, out);
            ui.separator();
            section(ui, "What it learns from");
            data::data_ui(ui, state, &mut form, &fields, out);
            samples::samples_ui(ui, state, facts, &mut self.by_token, out);
            ui.separator();
            section(ui, "Training");
            training_ui(ui, &mut form, &fields);
            ui.separator();
            start::start_ui(ui, state, facts, &mut form, &fields, out);
        });
        if form != *before {
            out.push(FineTuningMessage::Set(Box::new(form)).into());
        }
    }
}

fn section(ui: &mut Ui, title: &str) {
    ui.label(RichText::new(title).strong());
}

fn method_ui(ui: &mut Ui, form: &mut Form, fields: &Fields) {
    ui.horizontal_wrapped(|ui| {
        for method in Method::ALL {
            let (name, tip) = method.words();
            ui.selectable_value(&mut form.method, method, name).on_hover_text(tip);
        }
    });
    ui.weak(form.method.words().1);
    fields.wrong(ui, Field::Method, "");
    ui.horizontal_wrapped(|ui| {
        ui.label("Cards compute in:");
        for precision in Precision::ALL {
            let tip =
                "Products alone: weights and all else are f32, and CPU devices compute in f32";
            ui.selectable_value(&mut form.precision, precision, precision.text())
                .on_hover_text(tip);
        }
    });
    if form.method != Method::Full {
        fields.text(ui, Field::Rank, &mut form.rank);
        fields.text(ui, Field::Alpha, &mut form.alpha);
        fields.text(ui, Field::Targets, &mut form.targets);
    }
    fields.text(ui, Field::Context, &mut form.context);
    fields.text(ui, Field::Batch, &mut form.batch);
}

fn training_ui(ui: &mut Ui, form: &mut Form, fields: &Fields) {
    fields.text(ui, Field::LearningRate, &mut form.learning_rate);
    fields.text(ui, Field::Steps, &mut form.steps);
}
