//! The plans panel, as a person uses it.
#![allow(clippy::unwrap_used, reason = "a test may stop at what it does not expect")]

use std::sync::Arc;

use eframe::egui::{Theme as Mode, vec2};
use egui_kittest::kittest::Queryable as _;
use egui_kittest::{Harness, SnapshotResults};
use trainyard_studio::desk::{Desk, Edit, How, ScheduleChoice};
use trainyard_studio::plans::{Plans, PlansOutput};
use trainyard_studio::theme;

struct State {
    plans: Plans,
    desk: Desk,
    output: PlansOutput,
    notice: Option<String>,
}

type Window = Harness<'static, State>;

fn open_in(desk: Desk, mode: Mode) -> Window {
    let state =
        State { plans: Plans::default(), desk, output: PlansOutput::default(), notice: None };
    let show = |ui: &mut eframe::egui::Ui, state: &mut State| {
        let surface = theme::Theme::of(ui.ctx()).surface;
        ui.painter().rect_filled(ui.max_rect().expand(50.0), 0.0, surface);
        state.output = state.plans.show(ui, &mut state.desk);
        if state.output.notice.is_some() {
            state.notice = state.output.notice.clone();
        }
    };
    let mut harness = Harness::builder()
        .with_size(vec2(360.0, 900.0))
        .with_theme(mode)
        .with_context_setup(theme::install)
        .build_ui_state(show, state);
    harness.run();
    harness
}

fn open(desk: Desk) -> Window {
    open_in(desk, Mode::Dark)
}

/// Presses the button and waits for the planner, not for a time.
fn auto_plan(window: &mut Window) {
    window.get_by_label("Auto-plan").click();
    window.run_steps(2);
    window.state_mut().plans.wait();
    window.run();
}

/// A desk whose present plan is not the best.
fn worse() -> Desk {
    let mut desk = Desk::example().unwrap();
    let edit = Edit::Move { layers: vec![(20, 22)], device: 2, how: How::Split };
    desk.edit(&edit).unwrap();
    desk
}

#[test]
fn auto_plan_finds_alternatives_hover_previews_and_click_takes() {
    let mut window = open(worse());
    assert!(window.query_by_label_contains("plan 1:").is_none());
    let present = Arc::clone(window.state().desk.present());
    let before = present.simulation.step_us;
    auto_plan(&mut window);
    let found = window.state().plans.alternatives().len();
    assert!(found > 1, "{found}");
    let best = window.state().plans.alternatives()[0].arrangement.stages.clone();
    window.get_by_label_contains("plan 1:").hover();
    window.run();
    let would_be = window.state().output.would_be.clone().unwrap();
    assert!(would_be.simulation.step_us < before);
    // Hovering alone changes nothing.
    assert!(Arc::ptr_eq(window.state().desk.present(), &present));
    window.get_by_label_contains("plan 1:").click();
    window.run();
    assert_eq!(window.state().desk.arrangement().stages, best);
    assert_eq!(window.state().desk.history().undo_words(), Some("take the planner's best"));
    assert!(window.query_by_label_contains(", present").is_some());
    // It is explained, and there is something to compare with.
    assert!(window.query_by_label_contains("as fast as").is_some());
    assert_eq!(window.state().desk.reference.as_ref().unwrap().name, "the planner's best");
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
    assert!(!window.state().plans.is_planning());
    window.run();
    window.get_by_label("Auto-plan");
}

#[test]
fn where_nothing_fits_the_planner_says_what_would() {
    let mut desk = worse();
    for device in 0..3 {
        desk.edit(&Edit::Memory { device, bytes: 3 << 30 }).unwrap();
    }
    let mut window = open(desk);
    auto_plan(&mut window);
    window.get_by_label("No plan fits.");
    window.get_by_label_contains("short by");
    assert!(window.state().plans.alternatives().is_empty());
}

#[test]
fn locks_and_exclusions_are_kept_and_later_ones_make_the_answer_old() {
    let mut desk = worse();
    desk.edit(&Edit::Exclude { device: 1, excluded: true }).unwrap();
    let mut window = open(desk);
    auto_plan(&mut window);
    let uses_igpu =
        |stages: &[trainyard_studio::desk::Placed]| stages.iter().any(|s| s.device == 1);
    let alternatives = window.state().plans.alternatives();
    assert!(!alternatives.is_empty());
    for alternative in alternatives {
        assert!(!uses_igpu(&alternative.arrangement.stages));
        assert!(alternative.arrangement.excluded.contains(&1));
    }
    let edit = Edit::Exclude { device: 1, excluded: false };
    window.state_mut().desk.edit(&edit).unwrap();
    window.run();
    window.get_by_label_contains("plan again");
    let stages = window.state().desk.arrangement().stages.clone();
    window.get_by_label_contains("plan 1:").click();
    window.run();
    assert_eq!(window.state().desk.arrangement().stages, stages);
}

#[test]
fn the_schedule_is_chosen_and_its_effect_is_said() {
    let mut window = open(Desk::example().unwrap());
    window.get_by_label("schedule of this plan").click();
    window.run();
    window.get_by_label("gpipe").click();
    window.run();
    let choice = ScheduleChoice::Named("gpipe".into());
    assert_eq!(window.state().desk.arrangement().schedule, choice);
    window.get_by_label("schedule gpipe:");
    // What the edit brought is gone with it.
    window.state_mut().desk.undo();
    window.run();
    assert!(window.query_by_label("schedule gpipe:").is_none());
    window.get_by_label("split backwards").click();
    window.run();
    assert!(window.state().desk.arrangement().split_backward);
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
        let (state, best) = (window.state(), &window.state().plans.alternatives()[0]);
        let reference = state.desk.reference.as_ref().unwrap();
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
    assert_eq!(window.state().desk.reference.as_ref().unwrap().name, "the start");
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
