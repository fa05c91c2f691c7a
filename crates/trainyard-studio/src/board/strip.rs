//! The strip above the columns: what the step takes, and would take.

use eframe::egui::{Align, Label, Layout, RichText, Sense, Ui};

use super::measure::Measure;
use super::{bars, words};
use crate::desk::{Assessment, Desk};
use crate::human_time::human_us;
use crate::theme::{Category, Theme, size};

/// About how high it is with the space below, in points.
pub(super) const HEIGHT: f32 = 40.0;
/// The legend needs so much, in points.
const LEGEND: f32 = 400.0;

/// Draws the strip.
pub(super) fn show(ui: &mut Ui, desk: &Desk, would_be: Option<&Assessment>, measure: &mut Measure) {
    let theme = Theme::of(ui.ctx());
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = size::SPACE;
        figures(ui, desk, would_be, theme);
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
            if would_be.is_none() && ui.available_width() > LEGEND {
                ui.separator();
                legend(ui, theme);
            }
        });
    });
}

/// Step time, bubble, and each device's memory where it changes.
fn figures(ui: &mut Ui, desk: &Desk, would_be: Option<&Assessment>, theme: &Theme) {
    let now = &desk.present().simulation;
    let weak = |text: &str| RichText::new(text).size(size::SMALL).color(theme.weak);
    ui.label(weak("step"));
    let step = human_us(now.step_us);
    let bubble = words::percent(now.bubble_fraction);
    let Some(after) = would_be else {
        ui.strong(step);
        ui.label(weak("bubble")).on_hover_text("idle ÷ (ranks × step time)");
        ui.strong(bubble);
        ui.label(weak("schedule"));
        ui.add(Label::new(&now.schedule).truncate());
        if let Some(shortage) = desk.present().shortage() {
            let text = RichText::new(format!("over budget: {shortage}")).color(theme.bad);
            ui.add(Label::new(text).truncate());
        }
        return;
    };
    let delta = after.delta(desk.present());
    ui.label(format!("{step} →"));
    ui.strong(human_us(after.simulation.step_us));
    change(ui, delta.step, theme);
    ui.label(weak("bubble"));
    ui.label(format!("{bubble} → {}", words::percent(after.simulation.bubble_fraction)));
    for (profile, device) in after.profile.devices.iter().zip(&delta.devices) {
        if let Some(change) = words::memory_change(device.before_bytes, device.after_bytes) {
            ui.add(Label::new(weak(&profile.id)).truncate());
            coloured(ui, change, theme);
        }
    }
}

/// A change of a time, by arrow, sign and colour.
pub(super) fn change(ui: &mut Ui, share: f64, theme: &Theme) {
    if let Some(words) = words::change(share) {
        coloured(ui, (words, share > 0.0), theme);
    }
}

/// A change in words, and whether it is for the worse.
pub(super) fn coloured(ui: &mut Ui, (words, worse): (String, bool), theme: &Theme) {
    let colour = if worse { theme.bad } else { theme.good };
    ui.label(RichText::new(words).color(colour).strong());
}

/// What the colours and patterns of the memory bars are. Laid out from right to left.
fn legend(ui: &mut Ui, theme: &Theme) {
    ui.spacing_mut().item_spacing.x = size::GAP;
    for category in Category::ALL.into_iter().rev() {
        ui.label(RichText::new(category.name()).size(size::SMALL).color(theme.weak));
        let (rect, _) = ui.allocate_exact_size([14.0, 10.0].into(), Sense::hover());
        bars::swatch(ui.painter(), rect, theme.memory(category), category.pattern(), theme);
        ui.add_space(size::GAP);
    }
}
