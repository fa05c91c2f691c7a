//! The bar above the columns: what the step takes, and would take.

use eframe::egui::{Align, Label, Layout, RichText, Sense, Ui};

use super::bars;
use super::measure::Measure;
use super::roles;
use crate::change::{Change, figure};
use crate::document::labels;
use crate::document::{Assessment, Document};
use crate::human_time::human_us;
use crate::theme::{Category, Theme, size};

/// About how high it is with the space below, in points.
pub(super) const HEIGHT: f32 = 40.0;
/// The legend needs so much, in points.
const LEGEND: f32 = 400.0;
/// And so much with short names.
const SHORT_LEGEND: f32 = 260.0;
/// And that of frozen layers so much more.
const FROZEN: f32 = 70.0;
/// Step, bubble and schedule need so much, in points.
const FIGURES: f32 = 250.0;
/// The choice of a size needs so much, in points.
const SIZES: f32 = 170.0;

/// Draws the bar. `refused` says why the last edit was not done.
pub(super) fn show(
    ui: &mut Ui,
    document: &Document,
    preview: Option<&Assessment>,
    refused: Option<&str>,
    measure: &mut Measure,
) {
    let theme = Theme::of(ui.ctx());
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = size::SPACE;
        figures(ui, document, preview, refused.is_none(), theme);
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let sizes = Measure::ALL.into_iter().rev();
            for choice in sizes {
                let name = format!("size blocks by {}", choice.name());
                let chosen = ui.selectable_label(*measure == choice, choice.name());
                if chosen.accessible_name(&name).on_hover_text(&name).clicked() {
                    *measure = choice;
                }
            }
            ui.label(RichText::new("size by").size(size::SMALL).color(theme.weak));
            if let (Some(words), None) = (refused, preview) {
                ui.separator();
                ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                    let text = RichText::new(format!("Refused: {words}"));
                    ui.add(Label::new(text.color(theme.bad).strong()).truncate());
                });
            } else if preview.is_none() && ui.available_width() > SHORT_LEGEND {
                ui.separator();
                let layers = &document.profile().model.layers;
                legend(ui, layers.iter().any(|layer| layer.frozen_bytes > 0), theme);
            }
        });
    });
}

/// Step time, bubble, and each device's memory where it changes; else the schedule, where there is
/// `room`.
fn figures(
    ui: &mut Ui,
    document: &Document,
    preview: Option<&Assessment>,
    room: bool,
    theme: &Theme,
) {
    let present = document.present();
    let shown = preview.unwrap_or(present);
    let delta = shown.delta(present);
    let both = [present.as_ref(), shown].map(|assessment| &assessment.simulation);
    // The bar of the window has them too; where there is little room, the legend has it.
    if preview.is_some() || !room || ui.available_width() >= FIGURES + SHORT_LEGEND + SIZES {
        let [before, after] = both.map(|simulation| human_us(simulation.step_us));
        figure(ui, "step", [&before, &after], Change::of_share(delta.step));
        let [before, after] = both.map(|simulation| labels::percent(simulation.bubble_fraction));
        figure(ui, "bubble", [&before, &after], None).on_hover_text("idle ÷ (ranks × step time)");
    }
    let weak = |text: &str| RichText::new(text).size(size::SMALL).color(theme.weak);
    if preview.is_none() && room {
        ui.label(weak("schedule"));
        ui.add(Label::new(&present.simulation.schedule).truncate());
        if let Some(shortage) = present.shortage() {
            let text = RichText::new(format!("over budget: {shortage}")).color(theme.bad);
            ui.add(Label::new(text).truncate());
        }
    }
    for (profile, device) in shown.profile.devices.iter().zip(&delta.devices) {
        if let Some(change) = Change::of_bytes(device.before_bytes, device.after_bytes) {
            ui.add(Label::new(weak(&profile.id)).truncate());
            change.show(ui);
        }
    }
}

/// What the colours and patterns of the memory bars are, and of blocks where some layers are frozen. Laid out
/// from right to left.
fn legend(ui: &mut Ui, has_frozen: bool, theme: &Theme) {
    let room = if has_frozen { ui.available_width() - FROZEN } else { ui.available_width() };
    let short = room <= LEGEND;
    ui.spacing_mut().item_spacing.x = size::GAP;
    if has_frozen {
        let label = ui.label(RichText::new("frozen").size(size::SMALL).color(theme.weak));
        label.on_hover_text("Hatched layers do not train: no gradients, no optimizer state");
        let (rect, _) = ui.allocate_exact_size([14.0, 10.0].into(), Sense::hover());
        ui.painter().rect_filled(rect, 0.0, theme.layer("block"));
        roles::hatch_frozen(ui.painter(), rect, theme);
        ui.add_space(size::GAP);
        ui.separator();
    }
    for category in Category::ALL.into_iter().rev() {
        let name = if short { category.short_name() } else { category.name() };
        let label = ui.label(RichText::new(name).size(size::SMALL).color(theme.weak));
        if short {
            label.on_hover_text(category.name());
        }
        let (rect, _) = ui.allocate_exact_size([14.0, 10.0].into(), Sense::hover());
        bars::swatch(ui.painter(), rect, theme.memory(category), category.pattern(), theme);
        ui.add_space(size::GAP);
    }
}
