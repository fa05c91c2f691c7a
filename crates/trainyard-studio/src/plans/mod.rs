//! The plans panel: what the planner offers, how it differs, and why.
//!
//! [`Plans`] is the state of the view. The planner runs on a thread of its own (`ask`); the panel
//! never waits for it.

mod ask;
mod diff;
mod present;
mod rows;
mod why;

use std::sync::Arc;

use eframe::egui::{
    Button, CollapsingHeader, ComboBox, Context, Label, RichText, ScrollArea, Spinner, Ui,
};
use serde::{Deserialize, Serialize};
use trainyard_plan::memory::human_bytes;
use trainyard_plan::planner::Objective;
use trainyard_plan::simulate::Simulation;

use crate::board::words;
use crate::change::Change;
use crate::command::Command;
use crate::desk::{Assessment, Delta, Desk, Edit, Reference};
use crate::human_time::human_us;
use crate::theme::{Theme, size};
pub use ask::{Alternative, Ask};
use ask::{Answer, Job, Terms};

/// The name of the planner's best as a reference.
const BEST: &str = "the planner's best";

/// What a plan can be best at, its name, and what that means.
const OBJECTIVES: [(Objective, &str, &str); 3] = [
    (Objective::Time, "time", "the shortest step"),
    (Objective::Memory, "memory", "the smallest largest share of a budget"),
    (Objective::Latency, "latency", "the shortest way of one micro-batch"),
];

/// The plans panel's view: what is not the desk's.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Plans {
    /// What the planner is asked.
    pub ask: Ask,
    #[serde(skip)]
    job: Option<Job>,
    #[serde(skip)]
    answer: Answer,
    /// What the answer keeps to.
    #[serde(skip)]
    terms: Option<Terms>,
    /// What the plans of the answer are best at.
    #[serde(skip)]
    best_at: Objective,
    /// Whether nobody was told of the answer yet.
    #[serde(skip)]
    fresh: bool,
    /// What the last edit in this panel brought, until there is another.
    #[serde(skip)]
    last: Option<(String, Delta, Arc<Assessment>)>,
}

/// The names of devices take no more, in points.
const NAME: f32 = 90.0;

/// What a frame of the panel leaves to others.
#[derive(Clone, Debug, Default)]
pub struct PlansOutput {
    /// What would be, while the pointer is over an alternative.
    pub would_be: Option<Arc<Assessment>>,
    /// What a person should know, in words.
    pub notice: Option<String>,
    /// Whether the command line that trains this plan is to be copied.
    pub copy: bool,
}

impl Plans {
    /// Draws the panel.
    pub fn show(&mut self, ui: &mut Ui, desk: &mut Desk) -> PlansOutput {
        let mut output = PlansOutput { notice: self.poll(desk), ..PlansOutput::default() };
        // The scroll bar has room of its own, beside the rows.
        ui.spacing_mut().scroll.floating_allocated_width = size::SPACE;
        ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
            ui.spacing_mut().item_spacing.y = 6.0;
            section(ui, "Find plans");
            self.ask(ui, desk, &mut output);
            self.answer(ui, desk, &mut output);
            ui.separator();
            section(ui, "This plan");
            if let Some((what, before)) = present::show(ui, desk, &mut output) {
                let now = Arc::clone(desk.present());
                self.last = Some((what, now.delta(&before), now));
            }
            self.last.take_if(|(.., then)| !Arc::ptr_eq(then, desk.present()));
            if let Some((what, delta, _)) = &self.last {
                present::brought(ui, what, delta);
            }
            let command = Command::CopyCommandLine.spec();
            output.copy = ui.button(command.name).on_hover_text(command.tip).clicked();
            ui.separator();
            self.difference(ui, desk);
            if let Some(explanation) = &self.answer.explanation {
                ui.separator();
                let title = RichText::new("Why the planner's best is as it is").strong();
                CollapsingHeader::new(title).default_open(true).show(ui, |ui| {
                    why::show(ui, explanation);
                });
            }
        });
        output
    }

    /// Begins to plan with the desk's devices, budgets, locks and exclusions.
    ///
    /// # Errors
    /// In words, where there is no thread to plan on.
    pub fn start(&mut self, desk: &Desk, context: &Context) -> Result<(), String> {
        self.cancel();
        let terms = Terms::of(desk);
        self.answer = Answer::default();
        self.fresh = true;
        self.best_at = self.ask.objective;
        self.job = Some(Job::start(terms.clone(), self.ask.clone(), context.clone())?);
        self.terms = Some(terms);
        Ok(())
    }

    /// Stops to listen to what is being planned.
    pub fn cancel(&mut self) {
        if let Some(job) = self.job.take() {
            job.cancel();
        }
    }

    /// Forgets what was found for another desk.
    pub fn forget(&mut self) {
        self.cancel();
        *self = Self { ask: self.ask.clone(), ..Self::default() };
    }

    /// Whether the planner has not said all it has to say.
    #[must_use]
    pub fn is_planning(&self) -> bool {
        self.job.is_some()
    }

    /// Waits until the planner has said all. Never called while drawing.
    pub fn wait(&mut self) {
        if let Some(job) = self.job.take() {
            job.wait(&mut self.answer);
        }
    }

    /// The plans that were found, best first.
    #[must_use]
    pub fn alternatives(&self) -> &[Alternative] {
        match &self.answer.found {
            Some(Ok(found)) => found,
            _ => &[],
        }
    }

    /// Takes what the planner says; in words, when it has found something.
    fn poll(&mut self, desk: &mut Desk) -> Option<String> {
        if let Some(job) = &self.job
            && !job.poll(&mut self.answer)
        {
            self.job = None;
        }
        if !self.fresh || self.answer.found.is_none() {
            return None;
        }
        self.fresh = false;
        // What a person chose to compare with stays; an older best is no longer one.
        let chosen = desk.reference.take().filter(|reference| reference.name != BEST);
        desk.reference = chosen.or_else(|| self.best());
        Some(match self.alternatives() {
            [] => "The planner found no plan that fits".to_owned(),
            [best, ..] => {
                let step = human_us(best.assessment.simulation.step_us);
                format!("The planner's best takes {step} a step; it is in the plans panel")
            }
        })
    }

    /// The planner's best to compare with.
    fn best(&self) -> Option<Reference> {
        let best = self.alternatives().first()?;
        Some(Reference { name: BEST.to_owned(), assessment: Arc::clone(&best.assessment) })
    }

    /// What to ask, and the button.
    fn ask(&mut self, ui: &mut Ui, desk: &Desk, output: &mut PlansOutput) {
        ui.horizontal_wrapped(|ui| {
            for (objective, name, hint) in OBJECTIVES {
                let chosen = self.ask.objective == objective;
                let label = ui.selectable_label(chosen, name).on_hover_text(hint);
                if label.accessible_name(format!("best at {name}")).clicked() {
                    self.ask.objective = objective;
                }
            }
        });
        ui.horizontal_wrapped(|ui| {
            ComboBox::from_id_salt("schedule to plan with")
                .selected_text(&self.ask.schedule)
                .width(110.0)
                .show_ui(ui, |ui| {
                    for choice in Edit::schedule_choices() {
                        let name = choice.name().to_owned();
                        ui.selectable_value(&mut self.ask.schedule, name.clone(), name);
                    }
                })
                .response
                .accessible_name("schedule to plan with")
                .on_hover_text("the schedule that the planner uses; auto tries all");
            let can = !desk.profile().micro_batch_choices().is_empty();
            let box_ =
                eframe::egui::Checkbox::new(&mut self.ask.micro_batches, "choose micro-batches");
            ui.add_enabled(can, box_).on_disabled_hover_text(
                "the profile does not say what other micro-batches would cost; measure two sizes",
            );
        });
        ui.horizontal(|ui| {
            if self.job.is_some() {
                ui.add(Spinner::new().size(16.0));
                let says =
                    if self.answer.found.is_some() { "explaining…" } else { "planning…" };
                ui.label(says);
                if ui.button("Cancel").clicked() {
                    self.cancel();
                }
            } else {
                let theme = Theme::of(ui.ctx());
                let text = RichText::new("Auto-plan").color(theme.surface).strong();
                let button = ui.add(Button::new(text).fill(theme.accent));
                if button.clicked()
                    && let Err(reason) = self.start(desk, ui.ctx())
                {
                    output.notice = Some(reason);
                }
            }
        });
    }

    /// What the planner found.
    fn answer(&mut self, ui: &mut Ui, desk: &mut Desk, output: &mut PlansOutput) {
        let theme = Theme::of(ui.ctx());
        let found = match &self.answer.found {
            None => {
                if self.job.is_none() {
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
        let holds = self.terms.as_ref().is_some_and(|terms| terms.hold(desk));
        if !holds {
            let text =
                "Budgets, locks, devices or how backwards run have changed since; plan again.";
            ui.label(RichText::new(text).color(theme.warn));
        }
        let mut taken = None;
        ui.add_enabled_ui(holds, |ui| {
            let known = OBJECTIVES.iter().find(|(objective, ..)| *objective == self.best_at);
            if let Some((_, _, hint)) = known.filter(|_| self.best_at != Objective::Time) {
                // The rows show step times, which are then in no order.
                ui.weak(format!("Best first: {hint}."));
            }
            rows::heading(ui);
            for (index, alternative) in found.iter().enumerate() {
                let response = rows::show(ui, desk, index, alternative);
                if response.hovered() || response.has_focus() {
                    output.would_be = Some(Arc::clone(&alternative.assessment));
                }
                if response.clicked() {
                    let what = match index {
                        0 => BEST.to_owned(),
                        index => format!("the planner's number {}", index + 1),
                    };
                    let arrangement = Box::new(alternative.arrangement.clone());
                    taken = Some(Edit::Take { what, arrangement });
                }
            }
        });
        if let Some(Err(refusal)) = taken.map(|edit| desk.edit(&edit)) {
            output.notice = Some(refusal.0);
        }
    }

    /// How the present plan differs from another.
    fn difference(&self, ui: &mut Ui, desk: &mut Desk) {
        let theme = Theme::of(ui.ctx());
        let best = self.best();
        ui.horizontal_wrapped(|ui| {
            ui.strong("Compared with");
            let now =
                desk.reference.as_ref().map_or("nothing", |reference| reference.name.as_str());
            let now = now.to_owned();
            ComboBox::from_id_salt("compared with")
                .selected_text(&now)
                .show_ui(ui, |ui| {
                    if ui.selectable_label(now == "nothing", "nothing").clicked() {
                        desk.reference = None;
                    }
                    if let Some(saved) = desk.saved_reference()
                        && ui.selectable_label(now == saved.name, &saved.name).clicked()
                    {
                        desk.reference = Some(saved);
                    }
                    if let Some(best) = best
                        && ui.selectable_label(now == best.name, &best.name).clicked()
                    {
                        desk.reference = Some(best);
                    }
                })
                .response
                .accessible_name("compared with");
        });
        let Some(reference) = &desk.reference else { return };
        let (before, after) = (&reference.assessment, desk.present());
        let delta = after.delta(before);
        let simulations = (&before.simulation, &after.simulation);
        eframe::egui::Grid::new("difference").num_columns(4).spacing([8.0, 3.0]).show(ui, |ui| {
            let mut row = |what: &str, from: String, to: String, change: Option<Change>| {
                ui.scope(|ui| {
                    ui.set_max_width(NAME);
                    ui.add(Label::new(RichText::new(what).color(theme.weak)).truncate());
                });
                ui.label(from);
                ui.label(format!("→ {to}"));
                present::or_as_before(ui, change);
                ui.end_row();
            };
            let (from, to) = simulations;
            let step = Change::of_share(delta.step);
            row("step", human_us(from.step_us), human_us(to.step_us), step);
            let bubble = |simulation: &Simulation| words::percent(simulation.bubble_fraction);
            row("bubble", bubble(from), bubble(to), Change::of_points(delta.bubble));
            for (device, bytes) in after.profile.devices.iter().zip(&delta.devices) {
                let (from, to) = (bytes.before_bytes, bytes.after_bytes);
                let change = Change::of_bytes(from, to);
                row(&device.id, human_bytes(from), human_bytes(to), change);
            }
        });
        let moved = diff::moved(&before.plan, &after.plan);
        if moved.is_empty() {
            ui.weak("no layer lies elsewhere");
        }
        for moved in moved {
            let layers = words::layers(&after.profile, moved.layers);
            let text = format!("{layers}: {} → {}", moved.from, moved.to);
            ui.add(Label::new(text).truncate());
        }
    }
}

fn section(ui: &mut Ui, title: &str) {
    ui.label(RichText::new(title).strong());
}
