//! The strip below the menus: what is on the desk and what a step of it takes.

use eframe::egui::{self, Align, Layout, RichText, Ui};
use trainyard_plan::memory::human_bytes;

use super::menu;
use crate::board::words;
use crate::change::{Change, figure};
use crate::command::{Command, Facts};
use crate::desk::{Assessment, Desk};
use crate::human_time::human_us;
use crate::panels::Alone;
use crate::theme::{Theme, size};

/// What the strip shows.
pub(crate) struct Header<'a> {
    pub(crate) desk: &'a Desk,
    /// Whether it is the built-in example.
    pub(crate) is_example: bool,
    /// The name of a trace that was opened by itself.
    pub(crate) trace: Option<&'a str>,
    /// What is shown instead of the desk.
    pub(crate) alone: Option<&'a Alone>,
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
                        if let Some(alone) = self.alone {
                            self.without_plan(ui, alone, &mut chosen);
                        } else {
                            self.name(ui);
                            self.trace(ui, &mut chosen);
                            self.figures(ui);
                        }
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

    /// A trace that lies beside the plan.
    fn trace(&self, ui: &mut Ui, chosen: &mut Option<Command>) {
        let Some(name) = self.trace else { return };
        let theme = Theme::of(ui.ctx());
        ui.label(RichText::new(format!("with {}", shortened(name, 40))).color(theme.accent))
            .on_hover_text("The measured timeline is that of this trace");
        if menu::cross(ui, Command::CloseTrace.spec().name) {
            *chosen = Some(Command::CloseTrace);
        }
    }

    /// What is shown instead of the plan.
    fn without_plan(&self, ui: &mut Ui, alone: &Alone, chosen: &mut Option<Command>) {
        let theme = Theme::of(ui.ctx());
        ui.label(RichText::new(shortened(&alone.name, 40)).strong());
        ui.label(RichText::new(format!("a {} without a plan", alone.kind)).color(theme.weak));
        if self.trace.is_some() && menu::cross(ui, Command::CloseTrace.spec().name) {
            *chosen = Some(Command::CloseTrace);
        }
        let mut figure = |name: &str, value: &str| {
            ui.separator();
            figure(ui, name, [value, value], None);
        };
        if let Some(step_us) = alone.step_us {
            figure("newest step", &human_us(step_us));
        }
        figure("steps", &alone.steps.to_string());
        figure("devices", &alone.devices.to_string());
    }

    fn figures(&self, ui: &mut Ui) {
        let theme = Theme::of(ui.ctx());
        let present = self.desk.present();
        let shown = self.would_be.unwrap_or(present);
        let delta = shown.delta(present);
        let both = [present, shown].map(|assessment| &assessment.simulation);
        ui.separator();
        let [before, after] = both.map(|simulation| human_us(simulation.step_us));
        figure(ui, "step", [&before, &after], Change::of_share(delta.step));
        if let Some(measured) = self.measured_us {
            ui.label(RichText::new(format!("measured {}", human_us(measured))).color(theme.accent));
        }
        ui.separator();
        let [before, after] = both.map(|simulation| words::percent(simulation.bubble_fraction));
        figure(ui, "bubble", [&before, &after], Change::of_points(delta.bubble))
            .on_hover_text("Idle time ÷ (ranks × step time)");
        ui.separator();
        let all = shown.profile.devices.len();
        let [before, after] =
            both.map(|simulation| format!("{} of {all}", simulation.devices.len()));
        figure(ui, "devices", [&before, &after], None);
        ui.separator();
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
    fn names_are_short() {
        assert_eq!(shortened("ab", 3), "ab");
        assert_eq!(shortened("été là-bas", 4), "été…");
    }
}
