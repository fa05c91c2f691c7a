//! The bar below the menus: the open document and what a step of it takes.

use eframe::egui::{self, Align, Layout, RichText, Ui};
use trainyard_plan::memory::human_bytes;

use super::menu;
use crate::change::{Change, figure};
use crate::command::Command;
use crate::document::Document;
use crate::document::labels;
use crate::human_time::human_us;
use crate::message::{DocumentMessage, Message};
use crate::panel::Frame;
use crate::paths::short_name;
use crate::shown::TraceOnly;
use crate::state::State;
use crate::theme::{Theme, size};

/// Draws the bar.
pub(crate) fn header_ui(ui: &mut Ui, frame: &Frame, out: &mut Vec<Message>) {
    Header { state: frame.state, frame }.show(ui, out);
}

struct Header<'a> {
    state: &'a State,
    frame: &'a Frame<'a>,
}

impl Header<'_> {
    fn show(&self, ui: &mut Ui, out: &mut Vec<Message>) {
        let facts = self.frame.facts;
        ui.horizontal(|ui| {
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                let last = if facts.running { Command::Stop } else { Command::Run };
                for command in [last, Command::AutoPlan] {
                    if menu::button(ui, command, facts, command == Command::Run) {
                        out.push(command.into());
                    }
                }
                ui.add_space(size::SPACE);
                ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                    egui::ScrollArea::horizontal().show(ui, |ui| {
                        self.not_opened(ui, out);
                        if let Some(shown) = self.frame.shown.trace_only() {
                            self.without_plan(ui, shown, out);
                        } else {
                            self.name(ui);
                            self.trace(ui, out);
                            self.figures(ui);
                        }
                    });
                });
            });
        });
    }

    fn document(&self) -> &Document {
        self.state.document.document()
    }

    /// What a measured step takes, µs, where the run goes with the plan.
    fn measured_us(&self) -> Option<f64> {
        let session = self.state.run.session().filter(|_| !self.state.run_is_aside())?;
        Some(session.comparison()?.step_us.measured)
    }

    /// What was to be opened and could not be: what stands beside it is not that.
    fn not_opened(&self, ui: &mut Ui, out: &mut Vec<Message>) {
        let Some(name) = self.state.document.not_opened() else { return };
        let text = format!("✖ {} is not open", shortened(name, 40));
        ui.label(RichText::new(text).color(Theme::of(ui.ctx()).bad))
            .on_hover_text("It could not be opened. What is shown was there before.");
        if menu::cross(ui, "Close notice") {
            out.push(DocumentMessage::NotOpened(None).into());
        }
        ui.separator();
    }

    fn name(&self, ui: &mut Ui) {
        let theme = Theme::of(ui.ctx());
        let profile = self.document().profile();
        ui.label(RichText::new(shortened(&profile.model.name, 40)).strong());
        let document = self.document();
        let file =
            [&document.file, &document.run_file, &document.model].into_iter().flatten().next();
        let file = match file {
            Some(file) => short_name(file),
            None if self.state.document.is_example() => "example".to_owned(),
            None => "not saved yet".to_owned(),
        };
        ui.label(RichText::new(shortened(&file, 40)).color(theme.weak));
        if self.document().is_changed() {
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
    fn trace(&self, ui: &mut Ui, out: &mut Vec<Message>) {
        let Some(name) = self.state.view.trace_name() else { return };
        let theme = Theme::of(ui.ctx());
        ui.label(RichText::new(format!("with {}", shortened(name, 40))).color(theme.accent))
            .on_hover_text("The measured timeline is that of this trace");
        if menu::cross(ui, Command::CloseTrace.spec().name) {
            out.push(Command::CloseTrace.into());
        }
    }

    /// What is shown instead of the plan.
    fn without_plan(&self, ui: &mut Ui, shown: &TraceOnly, out: &mut Vec<Message>) {
        let theme = Theme::of(ui.ctx());
        ui.label(RichText::new(shortened(&shown.name, 40)).strong());
        ui.label(RichText::new(shown.kind.words()).color(theme.weak));
        if self.state.view.trace().is_some() && menu::cross(ui, Command::CloseTrace.spec().name) {
            out.push(Command::CloseTrace.into());
        }
        for (name, value) in &shown.figures {
            ui.separator();
            figure(ui, name, [value, value], None);
        }
    }

    fn figures(&self, ui: &mut Ui) {
        let theme = Theme::of(ui.ctx());
        let present = self.document().present();
        let shown = self.state.document.preview().unwrap_or(present);
        let delta = shown.delta(present);
        let both = [present, shown].map(|assessment| &assessment.simulation);
        ui.separator();
        let [before, after] = both.map(|simulation| human_us(simulation.step_us));
        figure(ui, "step", [&before, &after], Change::of_share(delta.step));
        if let Some(measured) = self.measured_us() {
            ui.label(RichText::new(format!("measured {}", human_us(measured))).color(theme.accent));
        }
        ui.separator();
        let [before, after] = both.map(|simulation| labels::percent(simulation.bubble_fraction));
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
