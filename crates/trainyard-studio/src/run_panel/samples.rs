//! What a language model wrote after its validations.

use eframe::egui::{CollapsingHeader, Label, RichText, Ui};

use super::parts::title;
use crate::run::RunState;

/// The newest text, and those before it for whoever asks.
pub(super) fn show(ui: &mut Ui, state: &RunState) {
    title(ui, "Last samples");
    for (index, sample) in state.samples().iter().enumerate() {
        let head = format!("after step {}", sample.step);
        CollapsingHeader::new(head).default_open(index == 0).id_salt(sample.step).show(ui, |ui| {
            let text = RichText::new(sample.text.trim()).monospace();
            ui.add(Label::new(text).wrap().selectable(true));
        });
    }
}
