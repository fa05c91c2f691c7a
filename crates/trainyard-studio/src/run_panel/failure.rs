//! The error, with the last lines of the program's output.

use eframe::egui::{CollapsingHeader, Frame, Label, Margin, RichText, ScrollArea, Ui};

use super::icons::{self, Icon};
use crate::run::{Phase, Status};
use crate::sentence::sentence;
use crate::theme::{Theme, size};

/// The last lines take no more of the panel's height, in points.
const MOST: f32 = 96.0;

pub(super) fn show(ui: &mut Ui, theme: &Theme, status: &Status, remarks: &[String]) {
    let is_trouble = matches!(status.phase, Phase::Failed | Phase::Gone | Phase::Unreadable);
    if is_trouble {
        ui.add_space(size::GAP);
        Frame::new()
            .fill(theme.bad.gamma_multiply(0.12))
            .stroke((1.0, theme.bad))
            .corner_radius(size::CORNER)
            .inner_margin(Margin::same(size::SPACE as i8))
            .show(ui, |ui| {
                ui.set_width(ui.available_width());
                ui.label(sentence(&status.words));
                lines(ui, &status.last_lines);
            });
    } else {
        ui.weak(sentence(&status.words));
    }
    for remark in remarks {
        ui.horizontal(|ui| {
            icons::paint(ui, Icon::Warning, size::BODY, theme.warn);
            ui.add(Label::new(sentence(remark)).wrap());
        });
    }
}

fn lines(ui: &mut Ui, lines: &[String]) {
    if lines.is_empty() {
        return;
    }
    let head = if let [_] = lines {
        "Its last line".to_owned()
    } else {
        format!("Its last {} lines", lines.len())
    };
    CollapsingHeader::new(head).id_salt("last lines").default_open(true).show(ui, |ui| {
        let text = lines.join("\n");
        // The very last ones say what happened.
        ScrollArea::vertical().max_height(MOST).stick_to_bottom(true).show(ui, |ui| {
            ui.add(Label::new(RichText::new(&text).monospace().size(size::SMALL)).wrap());
        });
        if ui.button("Copy").on_hover_text("Copy these lines").clicked() {
            ui.ctx().copy_text(text);
        }
    });
}
