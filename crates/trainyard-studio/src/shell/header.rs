//! The strip below the menus: what is on the desk and what a step of it takes.

use eframe::egui::{self, Align, Layout, RichText, Ui};
use trainyard_plan::memory::human_bytes;

use super::menu;
use crate::command::{Command, Facts};
use crate::desk::{Assessment, Desk};
use crate::human_time::human_us;
use crate::theme::{Theme, size};

/// What the strip shows.
pub(crate) struct Header<'a> {
    pub(crate) desk: &'a Desk,
    /// Whether it is the built-in example.
    pub(crate) is_example: bool,
    /// What an edit that is under way would lead to.
    pub(crate) would_be: Option<&'a Assessment>,
    /// What a measured step takes, µs.
    pub(crate) measured_us: Option<f64>,
    pub(crate) facts: &'a Facts,
}

impl Header<'_> {
    /// Draws it; the command that was chosen.
    pub(crate) fn show(&self, ui: &mut Ui) -> Option<Command> {
        let mut chosen = None;
        ui.horizontal(|ui| {
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                let last = if self.facts.running { Command::Stop } else { Command::Run };
                for command in [last, Command::AutoPlan] {
                    if menu::button(ui, command, self.facts, command == Command::Run) {
                        chosen = Some(command);
                    }
                }
                ui.add_space(size::SPACE);
                ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                    egui::ScrollArea::horizontal().show(ui, |ui| {
                        self.name(ui);
                        self.figures(ui);
                    });
                });
            });
        });
        chosen
    }

    fn name(&self, ui: &mut Ui) {
        let theme = Theme::of(ui.ctx());
        let profile = self.desk.profile();
        ui.label(RichText::new(shortened(&profile.model.name, 40)).strong());
        let file = match (&self.desk.file, &self.desk.run_file) {
            (Some(file), _) | (None, Some(file)) => crate::app::short_name(file),
            (None, None) if self.is_example => "example".to_owned(),
            (None, None) => "not saved yet".to_owned(),
        };
        ui.label(RichText::new(shortened(&file, 40)).color(theme.weak));
        if self.desk.is_changed() {
            ui.label(RichText::new("●").color(theme.warn))
                .on_hover_text("There are edits that the file does not have");
        }
        if profile.estimated {
            ui.label(RichText::new("estimated").color(theme.warn)).on_hover_text(
                "The times follow from rates, not from measured layers. Measure in the Plan \
                 menu makes them true.",
            );
        }
    }

    fn figures(&self, ui: &mut Ui) {
        let theme = Theme::of(ui.ctx());
        let present = self.desk.present();
        let simulation = &present.simulation;
        ui.separator();
        ui.label(RichText::new("step").color(theme.weak));
        ui.label(RichText::new(human_us(simulation.step_us)).strong());
        if let Some(would_be) = self.would_be {
            let delta = would_be.delta(present);
            let colour = if delta.step <= 0.0 { theme.good } else { theme.bad };
            let words =
                format!("→ {} {}", human_us(would_be.simulation.step_us), percent(delta.step));
            ui.label(RichText::new(words).color(colour).strong());
        }
        if let Some(measured) = self.measured_us {
            ui.label(RichText::new(format!("measured {}", human_us(measured))).color(theme.accent));
        }
        ui.separator();
        ui.label(RichText::new("bubble").color(theme.weak));
        ui.label(format!("{:.0} %", simulation.bubble_fraction * 100.0))
            .on_hover_text("Idle time ÷ (ranks × step time)");
        ui.separator();
        let used = simulation.devices.len();
        ui.label(format!("{used} of {} devices", self.desk.profile().devices.len()));
        ui.separator();
        let shown = self.would_be.unwrap_or(present);
        match shown.shortage() {
            None => ui.label(RichText::new("✔ fits").color(theme.good)),
            Some(words) => {
                let over: u64 = shown.over().map(|(_, bytes)| bytes).sum();
                let text = format!("✖ over budget by {}", human_bytes(over));
                ui.label(RichText::new(text).color(theme.bad)).on_hover_text(words)
            }
        };
    }
}

fn percent(change: f64) -> String {
    let sign = if change < 0.0 { "−" } else { "+" };
    format!("({sign}{:.0} %)", change.abs() * 100.0)
}

/// The start of a long name.
fn shortened(name: &str, most: usize) -> String {
    if name.chars().count() <= most {
        return name.to_owned();
    }
    let start: String = name.chars().take(most.saturating_sub(1)).collect();
    format!("{start}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short() {
        assert_eq!(percent(-0.12), "(−12 %)");
        assert_eq!(shortened("ab", 3), "ab");
        assert_eq!(shortened("été là-bas", 4), "été…");
    }
}
