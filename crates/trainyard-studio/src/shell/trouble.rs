//! What went wrong, in words: a name, what happened and where, and what can be done.

use eframe::egui::{self, Context, RichText};

use super::modal::modal;
use crate::open::OpenError;
use crate::theme::{Theme, size};

/// Something that went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// What could not be done: "Cannot open plan.json".
    pub title: String,
    /// What happened, and where.
    pub text: String,
    /// What can be done about it.
    pub remedy: String,
}

impl Trouble {
    pub(crate) fn new(
        title: impl Into<String>,
        text: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { title: title.into(), text: text.into(), remedy: remedy.into() }
    }

    /// A file that cannot be opened.
    pub(crate) fn of_open(name: &str, error: &OpenError) -> Self {
        Self::new(format!("Cannot open {name}"), error.to_string(), error.remedy())
    }
}

/// Shows it; whether it is to be closed.
pub(crate) fn show(context: &Context, trouble: &Trouble) -> bool {
    let mut understood = false;
    let closed = modal(context, &trouble.title, 520.0, |ui| {
        let theme = Theme::of(ui.ctx());
        ui.add(
            egui::Label::new(RichText::new(&trouble.text).color(theme.bad)).selectable(true).wrap(),
        );
        if !trouble.remedy.is_empty() {
            ui.add_space(size::SPACE);
            ui.add(egui::Label::new(&trouble.remedy).selectable(true).wrap());
        }
        ui.add_space(size::MARGIN);
        ui.horizontal(|ui| {
            understood = ui.button("OK").clicked();
            if ui.button("Copy message").clicked() {
                ui.ctx().copy_text(format!("{}: {}", trouble.title, trouble.text));
            }
        });
    });
    closed || understood
}
