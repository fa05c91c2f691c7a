//! The welcome: beside the example, which already works, it says what to do first.

use eframe::egui::{self, Align, Button, Layout, RichText, Ui};

use super::menu;
use super::recent::recent_list;
use crate::command::Command;
use crate::event::Event;
use crate::message::{Message, ViewMessage};
use crate::panel::Frame;
use crate::theme::{Theme, size};

/// Draws the welcome.
pub(crate) fn welcome_ui(ui: &mut Ui, frame: &Frame, out: &mut Vec<Message>) {
    let (facts, preferences) = (frame.facts, &frame.state.preferences);
    let steps = preferences.first_steps();
    let theme = Theme::of(ui.ctx());
    ui.horizontal(|ui| {
        ui.heading("Trainyard Studio");
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            if menu::cross(ui, "Close the welcome") {
                out.push(ViewMessage::Welcome(false).into());
            }
        });
    });
    ui.label(
        RichText::new("Train a model that fits on none of your GPUs alone, on all of them.")
            .color(theme.weak),
    );
    ui.add_space(size::MARGIN);
    ui.label(
        "Here is an example: a GPT on a machine with a graphics card, a graphics unit and a \
         processor, already split as the planner finds best. Nothing of it needs a GPU.",
    );
    if !steps.done() {
        ui.add_space(size::MARGIN);
        ui.label(RichText::new("Three steps").strong());
        step(ui, 1, steps.moved, "Drag a layer to another device and watch the step time.");
        step(ui, 2, steps.planned, "Auto-plan: let the planner find the best split.");
        step(ui, 3, steps.ran, "Run: train it and see the measured timeline.");
    }
    ui.add_space(size::MARGIN);
    ui.label(RichText::new("Your own").strong());
    for command in [Command::UseMyDevices, Command::Open] {
        let why_not = command.unavailable(facts);
        let button = Button::new(command.spec().name).min_size([ui.available_width(), 32.0].into());
        let button = ui.add_enabled(why_not.is_none(), button).on_hover_text(command.spec().tip);
        if menu::with_reason(button, why_not).clicked() {
            out.push(command.into());
        }
    }
    if !facts.has_program {
        ui.add_space(size::GAP);
        ui.colored_label(
            theme.warn,
            "The program trainyard is not beside the studio. Planning works without it; running \
             and measuring need it.",
        );
        if ui.link("Say where it is…").clicked() {
            out.push(Command::Settings.into());
        }
    }
    if let Some(path) = recent_list(ui, preferences.recent().paths().take(6)) {
        out.push(Event::Open(path).into());
    }
}

fn step(ui: &mut Ui, number: usize, done: bool, words: &str) {
    let theme = Theme::of(ui.ctx());
    ui.horizontal_top(|ui| {
        let (mark, colour) =
            if done { ("✔".to_owned(), theme.good) } else { (number.to_string(), theme.accent) };
        ui.add_sized([18.0, 18.0], egui::Label::new(RichText::new(mark).color(colour).strong()));
        let text = RichText::new(words);
        let text = if done { text.color(theme.weak) } else { text };
        let label = ui.add(egui::Label::new(text).wrap());
        let state = if done { "done" } else { "to do" };
        label.widget_info(|| {
            egui::WidgetInfo::labeled(
                egui::Role::Label,
                true,
                format!("Step {number}, {state}: {words}"),
            )
        });
    });
}
