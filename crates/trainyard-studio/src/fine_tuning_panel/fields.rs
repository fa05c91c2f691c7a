//! Fields of the form, with what is wrong below them.

use eframe::egui::{Align, Id, Layout, RichText, TextEdit, Ui, vec2};

use crate::fine_tuning::{Field, Wrong};
use crate::state::State;
use crate::theme::{Theme, size};

/// Room for the name of a field, in points.
const NAME: f32 = 96.0;

/// The context of an encoder where none is written.
const ENCODER_CONTEXT: &str = "the model's, at most 128";

/// What is wrong with which field.
pub(super) struct Fields {
    wrong: Vec<Wrong>,
    /// Whether the model is an encoder.
    is_encoder: bool,
}

impl Fields {
    /// What makes no sense, and what the program refuses.
    pub(super) fn of(state: &State) -> Self {
        let mut wrong = state.fine_tuning.form().wanted().err().unwrap_or_default();
        wrong.extend(state.fine_tuning.refused().cloned());
        Self { wrong, is_encoder: state.fine_tuning.is_encoder() == Some(true) }
    }

    /// What is of no field.
    pub(super) fn others(&self) -> impl Iterator<Item = &str> {
        self.wrong.iter().filter(|wrong| wrong.field.is_none()).map(|wrong| wrong.words.as_str())
    }

    /// Whether any field is wrong.
    pub(super) fn are_wrong(&self) -> bool {
        self.wrong.iter().any(|wrong| wrong.field.is_some())
    }

    /// A line of text with its name before it.
    pub(super) fn text(&self, ui: &mut Ui, field: Field, text: &mut String) {
        let (name, hint, tip) = words(field);
        let hint = if field == Field::Context && self.is_encoder { ENCODER_CONTEXT } else { hint };
        named_row(ui, name, |ui, label| {
            let edit = TextEdit::singleline(text).hint_text(hint).desired_width(f32::INFINITY);
            ui.add(edit).labelled_by(label).on_hover_text(tip);
        });
        self.wrong(ui, field, text);
    }

    /// What is wrong with a field of this text. What is merely not written yet is no alarm.
    pub(super) fn wrong(&self, ui: &mut Ui, field: Field, text: &str) {
        let theme = Theme::of(ui.ctx());
        for wrong in self.wrong.iter().filter(|wrong| wrong.field == Some(field)) {
            let may_wait = matches!(field, Field::Model | Field::Data) || field.is_of_table();
            let is_empty = text.trim().is_empty() && may_wait;
            let words =
                RichText::new(format!("{}{}", if is_empty { "" } else { "✖ " }, wrong.words));
            let colour = if is_empty { theme.weak } else { theme.bad };
            ui.label(words.size(size::SMALL).color(colour));
        }
    }
}

/// Something with its name before it, by whose id it is named to a screen reader.
pub(super) fn named_row(ui: &mut Ui, name: &str, add: impl FnOnce(&mut Ui, Id)) {
    ui.horizontal(|ui| {
        let size = vec2(NAME, ui.spacing().interact_size.y);
        let label = ui.allocate_ui_with_layout(size, Layout::left_to_right(Align::Center), |ui| {
            ui.set_min_width(NAME);
            ui.label(name)
        });
        add(ui, label.inner.id);
    });
}

/// The name of a field, what may stand in it, and what it is.
pub(super) fn words(field: Field) -> (&'static str, &'static str, &'static str) {
    match field {
        Field::Model => ("Path", "a folder or .gguf file", "In Hugging Face layout, or GGUF"),
        Field::Data => {
            ("File", "a file or folder", "A file, a folder, or a pattern such as chats/*.jsonl")
        }
        Field::Column => ("Text", "a column", "The column of the text"),
        Field::Second => (
            "Second text",
            "none",
            "The column of a second text of each row: it is read behind the first, or, for similarity, by itself",
        ),
        Field::Label => ("Class", "a column", "The column of the classes to be learned"),
        Field::Score => ("Score", "a column", "The column of how alike the two texts are"),
        Field::FullScore => {
            ("Full score", "1", "The score of texts that say the same: scores are divided by it")
        }
        Field::Rank => ("Rank", "16", "Numbers between an adapter's two products: more learn more"),
        Field::Alpha => ("Alpha", "32", "An adapter counts alpha ÷ rank times"),
        Field::Targets => (
            "Targets",
            "all",
            "Which products get adapters: all, attention, mlp, or names such as q, v",
        ),
        Field::Context => (
            "Context",
            "the model's, at most 1024",
            "Tokens that the model sees at once: longer ones take more memory",
        ),
        Field::Batch => ("Batch", "8", "Rows of a step"),
        Field::LearningRate => {
            ("Learning rate", "2e-4", "The highest; it climbs to it and falls again")
        }
        Field::Steps => ("Steps", "100", "How often the weights change"),
        Field::Folder => ("Run folder", "", "Where the run file, its plan and the run go"),
        Field::Method | Field::Pooling | Field::Devices => ("", "", ""),
    }
}
