//! The panels' insides, and what they share: the time cursor and what an edit would lead to.

mod alone;
mod scenes;

use std::collections::BTreeMap;
use std::sync::Arc;

use eframe::egui::{Button, Frame, Margin, Ui, Vec2};
use trainyard_plan::Trace;

use crate::app::Studio;
use crate::board::Board;
use crate::change::Change;
use crate::command::{Command, Facts};
use crate::desk::Assessment;
use crate::human_time::human_us;
use crate::plans::Plans;
use crate::run::{RunPanel, RunWish, Session};
use crate::shell::layout::Panel;
use crate::shell::trouble::Trouble;
use crate::theme::size;
use crate::timeline::{self, Scenes, Timeline};
pub(crate) use alone::Alone;
use scenes::{Measured, Simulated};

/// The state of all panels.
#[derive(Default)]
pub(crate) struct Panels {
    board: Board,
    pub(crate) plans: Plans,
    pub(crate) timeline: Timeline,
    run: RunPanel,
    /// The instant that all panels look at, ns since the start of the step.
    cursor: Option<f64>,
    /// What an edit that is under way would lead to.
    pub(crate) would_be: Option<Arc<Assessment>>,
    /// A trace that was opened by itself.
    trace: Option<OpenedTrace>,
    /// What is shown without a plan: what was measured has nothing to do with the desk then.
    pub(crate) alone: Option<Alone>,
    predicted: Simulated,
    imagined: Simulated,
    measured: Measured,
    /// How large the panels were drawn, in points.
    sizes: BTreeMap<Panel, Vec2>,
}

/// A trace that was opened by itself.
struct OpenedTrace {
    /// Its file's name.
    name: String,
    trace: Arc<Trace>,
}

impl Panels {
    pub(crate) fn has_measured(&self) -> bool {
        self.measured.scene().is_some()
    }

    /// Whether something is worked out that will change what is drawn.
    pub(crate) fn is_busy(&self) -> bool {
        self.plans.is_planning()
    }

    /// Does in the timeline what a command of its own asks for.
    pub(crate) fn tell_timeline(&mut self, command: timeline::Command) {
        let mut timeline = std::mem::take(&mut self.timeline);
        timeline.run(self.scenes(), command);
        self.timeline = timeline;
    }

    pub(crate) fn show_trace(&mut self, name: String, trace: Arc<Trace>) {
        self.forget_trace();
        self.trace = Some(OpenedTrace { name, trace });
    }

    /// Forgets what was found for, and selected of, another desk.
    pub(crate) fn forget_desk(&mut self) {
        self.plans.forget();
        self.board.forget();
    }

    pub(crate) fn forget_trace(&mut self) {
        self.timeline.reset();
        self.cursor = None;
        self.trace = None;
    }

    /// The name of the trace that was opened by itself.
    pub(crate) fn opened_trace(&self) -> Option<&str> {
        self.trace.as_ref().map(|opened| opened.name.as_str())
    }

    /// The measured timeline that is shown.
    pub(crate) fn measured_trace(&self, session: Option<&Session>) -> Option<Arc<Trace>> {
        let of_run = || session.map(|session| Arc::new(session.state().trace().clone()));
        let opened = self.trace.as_ref().map(|opened| Arc::clone(&opened.trace));
        opened.or_else(of_run).filter(|trace| !trace.events.is_empty())
    }
}

impl Studio {
    /// Draws all panels, and does what a person wants in them.
    pub(crate) fn show_panels(&mut self, ui: &mut Ui, facts: &Facts) {
        let context = ui.ctx().clone();
        let mut layout = std::mem::take(&mut self.kept.layout);
        let (mut wish, mut chosen) = (None, None);
        let before = self.panels.would_be.take();
        self.panels.board.considered.clone_from(&before);
        let cursor = self.panels.cursor;
        let present = Arc::clone(self.desk.present());
        layout.show(ui, &mut |ui, panel| {
            self.panels.sizes.insert(panel, ui.max_rect().size());
            match panel {
                Panel::Board => chosen = chosen.or(self.show_board(ui, facts)),
                Panel::Plans => chosen = chosen.or(self.show_plans(ui)),
                Panel::Timeline => chosen = chosen.or(self.show_timeline(ui, facts)),
                Panel::Run => wish = self.show_run(ui, facts),
            }
        });
        self.kept.layout = layout;
        if !Arc::ptr_eq(&present, self.desk.present()) {
            self.say_edit(&present);
        }
        // Panels that were drawn before the one that changed it show it in the next frame.
        let same = match (&before, &self.panels.would_be) {
            (Some(before), Some(now)) => Arc::ptr_eq(before, now),
            (None, None) => true,
            _ => false,
        };
        if !same || cursor != self.panels.cursor {
            context.request_repaint();
        }
        if let Some(wish) = wish {
            self.grant(&context, wish);
        }
        if let Some(command) = chosen {
            self.perform(&context, command);
        }
    }

    /// How large a picture of a whole panel is, in points: as wide as in the window, and large
    /// enough for what has to be scrolled to there.
    pub(crate) fn picture_size(&self, panel: Panel) -> Vec2 {
        let least = self.panels.sizes.get(&panel).copied().unwrap_or(Vec2::new(1200.0, 600.0));
        match panel {
            Panel::Board => self.panels.board.whole_size(&self.desk, least),
            Panel::Timeline => {
                let rows = Timeline::height_of(&self.panels.scenes());
                // The legend needs so much width.
                least.max(Vec2::new(800.0, rows + 2.0 * size::SPACE))
            }
            Panel::Plans | Panel::Run => least,
        }
    }

    /// Draws a panel by itself, as it looks to somebody who does nothing.
    pub(crate) fn draw_for_picture(&self, ui: &mut Ui, panel: Panel) {
        match panel {
            Panel::Board => {
                let mut desk = self.desk.clone();
                self.panels.board.for_picture().show(ui, &mut desk, self.panels.cursor);
            }
            Panel::Timeline => {
                let (mut timeline, mut cursor) = (self.panels.timeline.as_shapes(), None);
                inside().show(ui, |ui| timeline.show(ui, self.panels.scenes(), &mut cursor));
            }
            Panel::Plans | Panel::Run => {}
        }
    }

    fn show_board(&mut self, ui: &mut Ui, facts: &Facts) -> Option<Command> {
        if let Some(alone) = &self.panels.alone {
            return inside().show(ui, |ui| alone.show(ui, facts)).inner;
        }
        let stages = self.desk.arrangement().stages.clone();
        let output = self.panels.board.show(ui, &mut self.desk, self.panels.cursor);
        self.kept.first_steps.moved |= stages != self.desk.arrangement().stages;
        self.panels.would_be = output.would_be.or(self.panels.would_be.take());
        if let Some(refused) = output.refused {
            self.say(refused);
        }
        None
    }

    fn show_plans(&mut self, ui: &mut Ui) -> Option<Command> {
        if self.panels.alone.is_some() {
            inside().show(ui, |ui| ui.weak("There is no plan to change."));
            return None;
        }
        let output = inside().show(ui, |ui| self.panels.plans.show(ui, &mut self.desk)).inner;
        self.kept.first_steps.planned |= self.panels.plans.is_planning();
        self.panels.would_be = output.would_be.or(self.panels.would_be.take());
        if let Some(notice) = output.notice {
            self.say(notice);
        }
        output.copy.then_some(Command::CopyCommandLine)
    }

    fn show_timeline(&mut self, ui: &mut Ui, facts: &Facts) -> Option<Command> {
        let mut timeline = std::mem::take(&mut self.panels.timeline);
        let mut cursor = self.panels.cursor;
        let chosen = inside().show(ui, |ui| {
            let chosen = self.newest_steps_alone(ui, facts);
            timeline.show(ui, self.panels.scenes(), &mut cursor);
            chosen
        });
        (self.panels.timeline, self.panels.cursor) = (timeline, cursor);
        chosen.inner
    }

    /// Says so where only the newest steps of a run are shown, or none.
    fn newest_steps_alone(&self, ui: &mut Ui, facts: &Facts) -> Option<Command> {
        if self.run_is_aside() && self.panels.trace.is_none() {
            ui.weak(
                "The run that is watched is of another plan, so it does not lie beside this one.",
            );
        }
        let (hidden, scene) = (self.hidden_steps(), self.panels.measured.scene()?);
        let (newest, command) = (scene.steps().len() as u64, Command::AllSteps);
        let says = format!("The newest {newest} of {} steps.", newest + hidden);
        let pressed = (hidden > 0).then(|| {
            ui.horizontal(|ui| {
                ui.weak(says);
                let button = Button::new(command.spec().name);
                let may = command.unavailable(facts).is_none();
                ui.add_enabled(may, button).on_hover_text(command.spec().tip).clicked()
            })
        });
        pressed.filter(|pressed| pressed.inner).map(|_| command)
    }

    /// How many steps of the run are not in the timeline any more.
    pub(crate) fn hidden_steps(&self) -> u64 {
        match (&self.panels.trace, &self.session) {
            (None, Some(session)) => session.state().forgotten_steps(),
            _ => 0,
        }
    }

    fn show_run(&mut self, ui: &mut Ui, facts: &Facts) -> Option<RunWish> {
        let why_not = Command::Run.unavailable(facts);
        let start = why_not.map_or(Ok(()), |why| Err(why.to_owned()));
        inside().show(ui, |ui| self.panels.run.show(ui, self.session.as_ref(), &start)).inner
    }

    fn grant(&mut self, context: &eframe::egui::Context, wish: RunWish) {
        match wish {
            RunWish::Start => self.perform(context, Command::Run),
            RunWish::Stop => self.perform(context, Command::Stop),
            RunWish::Resume => self.perform(context, Command::Resume),
            RunWish::OpenDirectory => self.perform(context, Command::Open),
            RunWish::Calibrate => self.perform(context, Command::Calibrate),
            RunWish::Close => {
                self.session = None;
                self.say("The run is no longer watched");
            }
            RunWish::Kill => match self.session.as_mut().map(Session::kill) {
                Some(Err(words)) => {
                    self.troubles.push_back(Trouble::new("Cannot end the training", words, ""));
                }
                Some(Ok(())) => self.say("The training is ended"),
                None => {}
            },
        }
    }

    /// Says what a person did to the plan, and what it brought. `before` is what there was.
    fn say_edit(&mut self, before: &Assessment) {
        let Some(done) = self.desk.history().done() else { return };
        let now = self.desk.present();
        match Change::of_share(now.delta(before).step) {
            Some(Change { words, .. }) => {
                self.say(format!("{done}: step {} {words}", human_us(now.simulation.step_us)));
            }
            None => self.say(done),
        }
    }

    /// Brings the scenes up to date with the desk and the run.
    pub(crate) fn take_scenes(&mut self) {
        let aside = self.run_is_aside();
        let panels = &mut self.panels;
        panels.predicted.take(Some(&self.desk.present().trace));
        panels.imagined.take(panels.would_be.as_ref().map(|would_be| &would_be.trace));
        match (&panels.trace, &self.session) {
            (Some(opened), _) => panels.measured.take_trace(&opened.trace),
            (None, Some(session)) if !aside => panels.measured.take_run(session.state()),
            (None, _) => panels.measured.clear(),
        }
        self.panels.alone = self.find_alone();
    }
}

/// Around the insides of a panel.
fn inside() -> Frame {
    Frame::new().inner_margin(Margin::same(size::SPACE as i8))
}

impl Panels {
    /// What the timeline shows.
    fn scenes(&self) -> Scenes<'_> {
        let measured = self.measured.scene();
        let predicted = self.predicted.scene().filter(|_| self.alone.is_none());
        let would_be = self.imagined.scene().filter(|_| self.alone.is_none());
        Scenes { predicted, measured, would_be }
    }
}
