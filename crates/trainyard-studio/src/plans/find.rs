//! Controls of the planner, and the plans it found.

use std::sync::Arc;

use eframe::egui::{Button, Checkbox, ComboBox, RichText, ScrollArea, Spinner, Ui};
use trainyard_plan::planner::Objective;

use super::rows;
use crate::document::{Document, Edit};
use crate::event::Event;
use crate::message::{DocumentMessage, Message, PlanningMessage};
use crate::plan_search::BEST;
use crate::state::Planning;
use crate::theme::{Theme, size};

/// Objectives of the planner: value, name, tooltip.
const OBJECTIVES: [(Objective, &str, &str); 3] = [
    (Objective::Time, "time", "the shortest step"),
    (Objective::Memory, "memory", "the smallest largest share of a budget"),
    (Objective::Latency, "latency", "the shortest way of one micro-batch"),
];

/// Draws what to ask, and the button.
pub(super) fn ask_ui(
    ui: &mut Ui,
    document: &Document,
    planning: &Planning,
    out: &mut Vec<Message>,
) {
    let mut ask = planning.ask().clone();
    ui.horizontal_wrapped(|ui| {
        for (objective, name, hint) in OBJECTIVES {
            let chosen = ask.objective == objective;
            let label = ui.selectable_label(chosen, name).on_hover_text(hint);
            if label.accessible_name(format!("best at {name}")).clicked() {
                ask.objective = objective;
            }
        }
    });
    ui.horizontal_wrapped(|ui| {
        ComboBox::from_id_salt("schedule to plan with")
            .selected_text(&ask.schedule)
            .width(110.0)
            .show_ui(ui, |ui| {
                for choice in Edit::schedule_choices() {
                    let name = choice.name().to_owned();
                    ui.selectable_value(&mut ask.schedule, name.clone(), name);
                }
            })
            .response
            .accessible_name("schedule to plan with")
            .on_hover_text("the schedule that the planner uses; auto tries all");
        let can = !document.profile().micro_batch_choices().is_empty();
        let checkbox = Checkbox::new(&mut ask.micro_batches, "choose micro-batches");
        ui.add_enabled(can, checkbox).on_disabled_hover_text(
            "the profile does not say what other micro-batches would cost; measure two sizes",
        );
    });
    if ask != *planning.ask() {
        out.push(PlanningMessage::Ask(ask).into());
    }
    ui.horizontal(|ui| {
        if planning.is_planning() {
            ui.add(Spinner::new().size(16.0));
            let says = if planning.found().is_some() { "explaining…" } else { "planning…" };
            ui.label(says);
            if ui.button("Cancel").clicked() {
                out.push(PlanningMessage::Cancel.into());
            }
        } else {
            let theme = Theme::of(ui.ctx());
            let text = RichText::new("Auto-plan").color(theme.surface).strong();
            if ui.add(Button::new(text).fill(theme.accent)).clicked() {
                out.push(Event::Plan.into());
            }
        }
    });
}

/// Draws what the planner found.
pub(super) fn answer_ui(
    ui: &mut Ui,
    document: &Document,
    planning: &Planning,
    out: &mut Vec<Message>,
) {
    let theme = Theme::of(ui.ctx());
    let found = match planning.found() {
        None => {
            if !planning.is_planning() {
                ui.weak(
                    "Finds the best plans for these devices within their budgets. Locked \
                     layers and devices that are off stay as they are.",
                );
            }
            return;
        }
        Some(Err(reason)) => {
            ui.label(RichText::new("No plan fits.").color(theme.bad).strong());
            ScrollArea::horizontal().id_salt("why nothing fits").show(ui, |ui| {
                ui.label(RichText::new(reason).monospace().size(size::SMALL));
            });
            return;
        }
        Some(Ok(found)) => found,
    };
    let holds = planning.holds(document);
    if !holds {
        let text = "Budgets, locks, devices or how backwards run have changed since; plan again.";
        ui.label(RichText::new(text).color(theme.warn));
    }
    ui.add_enabled_ui(holds, |ui| {
        let known = OBJECTIVES.iter().find(|(objective, ..)| *objective == planning.best_at());
        if let Some((_, _, hint)) = known.filter(|_| planning.best_at() != Objective::Time) {
            // The rows show step times, which are then in no order.
            ui.weak(format!("Best first: {hint}."));
        }
        rows::heading(ui);
        for (index, alternative) in found.iter().enumerate() {
            let response = rows::show(ui, document, index, alternative);
            if response.hovered() || response.has_focus() {
                let preview = Arc::clone(&alternative.assessment);
                out.push(DocumentMessage::Preview(Some(preview)).into());
            }
            if response.clicked() {
                let what = match index {
                    0 => BEST.to_owned(),
                    index => format!("the planner's number {}", index + 1),
                };
                let arrangement = Box::new(alternative.arrangement.clone());
                let edit = Edit::Take { what, arrangement };
                out.push(DocumentMessage::Edit { edit, on_board: false }.into());
            }
        }
    });
}
