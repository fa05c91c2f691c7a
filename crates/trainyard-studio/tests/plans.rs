//! The plans panel, as a person uses it.
#![allow(clippy::unwrap_used, reason = "a test may stop at what it does not expect")]

use std::sync::Arc;

use eframe::egui::{Theme as Mode, vec2};
use egui_kittest::kittest::Queryable as _;
use egui_kittest::{Harness, SnapshotResults};
use trainyard_studio::document::{Assessment, Document, Edit, How, ScheduleChoice};
use trainyard_studio::effect::Effect;
use trainyard_studio::event::Event;
use trainyard_studio::message::{DocumentMessage, Message, PlanningMessage, ViewMessage};
use trainyard_studio::plan_search::{Search, Terms};
use trainyard_studio::plans::Plans;
use trainyard_studio::state::{DocumentState, Planning};
use trainyard_studio::theme;

struct State {
    plans: Plans,
    planning: Planning,
    document: DocumentState,
    /// What was said last.
    notice: Option<String>,
}

impl State {
    fn document(&self) -> &Document {
        self.document.document()
    }

    /// What an alternative would lead to that the pointer is over.
    fn preview(&self) -> Option<&Assessment> {
        self.document.preview().map(AsRef::as_ref)
    }

    fn send(&mut self, message: Message) {
        let effects = match message {
            Message::Document(message) => self.document.update(message),
            Message::Planning(message) => self.planning.update(message),
            Message::Event(Event::Plan) => {
                let (terms, ask) = (Terms::of(self.document()), self.planning.ask().clone());
                let search = Search::start(terms.clone(), ask, Arc::new(|| {})).unwrap();
                self.planning.update(PlanningMessage::Started { search, terms })
            }
            Message::View(ViewMessage::Status(words)) => {
                self.notice = Some(words);
                Vec::new()
            }
            _ => Vec::new(),
        };
        for effect in effects {
            if let Effect::Send(message) = effect {
                self.send(message);
            }
        }
    }

    /// Draws the panel, and does what comes of it.
    fn show(&mut self, ui: &mut eframe::egui::Ui) {
        let mut out = self.planning.poll();
        self.plans.show(ui, &self.document, &self.planning, &mut out);
        let is_preview =
            |it: &Message| matches!(it, Message::Document(DocumentMessage::Preview(_)));
        if !out.iter().any(is_preview) {
            self.send(DocumentMessage::Preview(None).into());
        }
        for message in out {
            if !is_preview(&message) {
                ui.ctx().request_repaint();
            }
            self.send(message);
        }
    }
}

type Window = Harness<'static, State>;

fn open_in(document: Document, mode: Mode) -> Window {
    let state = State {
        plans: Plans::default(),
        planning: Planning::default(),
        document: DocumentState::new(document),
        notice: None,
    };
    let show = |ui: &mut eframe::egui::Ui, state: &mut State| {
        let surface = theme::Theme::of(ui.ctx()).surface;
        ui.painter().rect_filled(ui.max_rect().expand(50.0), 0.0, surface);
        state.show(ui);
    };
    let mut harness = Harness::builder()
        .with_size(vec2(360.0, 900.0))
        .with_theme(mode)
        .with_context_setup(theme::install)
        .build_ui_state(show, state);
    harness.run();
    harness
}

fn open(document: Document) -> Window {
    open_in(document, Mode::Dark)
}

/// Presses the button and waits for the planner, not for a time.
fn auto_plan(window: &mut Window) {
    window.get_by_label("Auto-plan").click();
    window.run_steps(2);
    window.state_mut().planning.wait();
    window.run();
}

/// A document whose present plan is not the best.
fn worse() -> Document {
    let mut document = Document::example().unwrap();
    let edit = Edit::Move { layers: vec![(20, 22)], device: 2, how: How::Split };
    document.edit(&edit).unwrap();
    document
}

#[test]
fn auto_plan_finds_alternatives_hover_previews_and_click_takes() {
    let mut window = open(worse());
    assert!(window.query_by_label_contains("plan 1:").is_none());
    let present = Arc::clone(window.state().document().present());
    let before = present.simulation.step_us;
    auto_plan(&mut window);
    let found = window.state().planning.alternatives().len();
    assert!(found > 1, "{found}");
    let best = window.state().planning.alternatives()[0].arrangement.stages.clone();
    window.get_by_label_contains("plan 1:").hover();
    window.run();
    let preview = window.state().preview().unwrap();
    assert!(preview.simulation.step_us < before);
    // Hovering alone changes nothing.
    assert!(Arc::ptr_eq(window.state().document().present(), &present));
    window.get_by_label_contains("plan 1:").click();
    window.run();
    assert_eq!(window.state().document().arrangement().stages, best);
    assert_eq!(window.state().document().history().undo_words(), Some("take the planner's best"));
    assert!(window.query_by_label_contains(", present").is_some());
    // It is explained, and there is something to compare with.
    assert!(window.query_by_label_contains("as fast as").is_some());
    assert_eq!(window.state().document().reference.as_ref().unwrap().name, "the planner's best");
}

#[test]
fn a_cancelled_search_is_not_heard() {
    let mut window = open(worse());
    window.get_by_label("Auto-plan").click();
    window.run_steps(2);
    // It may be through already; then there is nothing to cancel.
    if let Some(cancel) = window.query_by_label("Cancel") {
        cancel.click();
        window.run_steps(2);
    }
    assert!(!window.state().planning.is_planning());
    window.run();
    window.get_by_label("Auto-plan");
}

#[test]
fn where_nothing_fits_the_planner_says_what_would() {
    let mut document = worse();
    for device in 0..3 {
        document.edit(&Edit::Memory { device, bytes: 3 << 30 }).unwrap();
    }
    let mut window = open(document);
    auto_plan(&mut window);
    window.get_by_label("No plan fits.");
    window.get_by_label_contains("short by");
    assert!(window.state().planning.alternatives().is_empty());
}

#[test]
fn locks_and_exclusions_are_kept_and_later_ones_make_the_answer_old() {
    let mut document = worse();
    document.edit(&Edit::Exclude { device: 1, excluded: true }).unwrap();
    let mut window = open(document);
    auto_plan(&mut window);
    let uses_igpu =
        |stages: &[trainyard_studio::document::Placed]| stages.iter().any(|s| s.device == 1);
    let alternatives = window.state().planning.alternatives();
    assert!(!alternatives.is_empty());
    for alternative in alternatives {
        assert!(!uses_igpu(&alternative.arrangement.stages));
        assert!(alternative.arrangement.excluded.contains(&1));
    }
    let edit = Edit::Exclude { device: 1, excluded: false };
    window.state_mut().send(DocumentMessage::Edit { edit, on_board: false }.into());
    window.run();
    window.get_by_label_contains("plan again");
    let stages = window.state().document().arrangement().stages.clone();
    window.get_by_label_contains("plan 1:").click();
    window.run();
    assert_eq!(window.state().document().arrangement().stages, stages);
}

#[test]
fn the_schedule_is_chosen_and_its_effect_is_said() {
    let mut window = open(Document::example().unwrap());
    window.get_by_label("schedule of this plan").click();
    window.run();
    window.get_by_label("gpipe").click();
    window.run();
    let choice = ScheduleChoice::Named("gpipe".into());
    assert_eq!(window.state().document().arrangement().schedule, choice);
    window.get_by_label("schedule gpipe:");
    // What the edit brought is gone with it.
    window.state_mut().send(DocumentMessage::Undo.into());
    window.run();
    assert!(window.query_by_label("schedule gpipe:").is_none());
    assert!(window.state().document().arrangement().split_backward);
    window.get_by_label("split backwards").click();
    window.run();
    assert!(!window.state().document().arrangement().split_backward);
}

#[test]
fn the_difference_from_the_start_names_what_moved() {
    let mut window = open(worse());
    window.get_by_label("compared with").click();
    window.run();
    window.get_by_label("the start").click();
    window.run();
    window.get_by_label_contains("block19–block20:");
}

#[test]
fn the_planners_best_to_compare_with_is_the_newest_unless_another_was_chosen() {
    let mut window = open(worse());
    let is_best = |window: &Window| {
        let (state, best) = (window.state(), &window.state().planning.alternatives()[0]);
        let reference = state.document().reference.as_ref().unwrap();
        Arc::ptr_eq(&reference.assessment, &best.assessment)
    };
    auto_plan(&mut window);
    assert!(is_best(&window));
    window.get_by_label("best at memory").click();
    window.run();
    auto_plan(&mut window);
    assert!(is_best(&window));
    window.get_by_label("Best first: the smallest largest share of a budget.");
    window.get_by_label("compared with").click();
    window.run();
    window.get_by_label("the start").click();
    window.run();
    auto_plan(&mut window);
    assert_eq!(window.state().document().reference.as_ref().unwrap().name, "the start");
}

#[test]
fn pictures() {
    let mut results = SnapshotResults::new();
    for (mode, name) in [(Mode::Dark, "dark"), (Mode::Light, "light")] {
        let mut window = open_in(worse(), mode);
        auto_plan(&mut window);
        results.add(window.try_snapshot(format!("plans_{name}")));
    }
}
