//! The board, as a person uses it: by pointer, by keyboard and by menu.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may stop at what it does not expect"
)]

mod common;

use eframe::egui::{Event, Key, Modifiers, PointerButton, Pos2, Theme as Mode, vec2};
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use egui_kittest::{Harness, Node, SnapshotResults};
use trainyard_plan::Recompute;
use trainyard_studio::board::{Board, BoardOutput};
use trainyard_studio::desk::{Desk, Edit};
use trainyard_studio::theme;

use common::profile;

struct State {
    board: Board,
    desk: Desk,
    cursor: Option<f64>,
    output: BoardOutput,
    /// The last refusal.
    refused: Option<String>,
}

type Window = Harness<'static, State>;

fn open_sized(desk: Desk, size: (f32, f32), mode: Mode) -> Window {
    let (board, output) = (Board::default(), BoardOutput::default());
    let state = State { board, desk, cursor: None, output, refused: None };
    let show = |ui: &mut eframe::egui::Ui, state: &mut State| {
        let background = theme::Theme::of(ui.ctx()).background;
        ui.painter().rect_filled(ui.max_rect().expand(50.0), 0.0, background);
        state.output = state.board.show(ui, &mut state.desk, state.cursor);
        if state.output.refused.is_some() {
            state.refused = state.output.refused.clone();
        }
    };
    let mut harness = Harness::builder()
        .with_size(vec2(size.0, size.1))
        .with_theme(mode)
        .with_context_setup(theme::install)
        .with_max_steps(40)
        .with_step_dt(1.0 / 60.0)
        .allow_missing_glyphs()
        .build_ui_state(show, state);
    harness.run();
    harness
}

fn open(desk: Desk) -> Window {
    open_sized(desk, (1200.0, 700.0), Mode::Dark)
}

/// Layers of 10 bytes, 9 on 3 devices of so many bytes.
fn small(memory: &[u64]) -> Desk {
    Desk::new(profile(9, memory), None).unwrap()
}

fn roomy() -> Window {
    open(small(&[9000, 9000, 9000]))
}

/// Stages as (device, first, end).
fn stages(window: &Window) -> Vec<(usize, usize, usize)> {
    let stages = window.state().desk.arrangement().stages.iter();
    stages.map(|stage| (stage.device, stage.first, stage.end)).collect()
}

const START: [(usize, usize, usize); 3] = [(0, 0, 3), (1, 3, 6), (2, 6, 9)];

fn layer<'a>(window: &'a Window, name: &str) -> Node<'a> {
    let starts = format!("{name}, layer ");
    let is = move |node: &Node<'_>| {
        node.accesskit_node().label().is_some_and(|label| label.starts_with(&starts))
    };
    window.root().children_recursive().find(is).unwrap_or_else(|| panic!("no layer {name}"))
}

fn middle(node: &Node<'_>) -> Pos2 {
    node.rect().center()
}

fn column(window: &Window, device: &str) -> Pos2 {
    middle(&window.get_by_label_contains(&format!("column of {device},")))
}

/// Presses at one place and moves to another in steps.
fn carry(window: &mut Window, from: Pos2, to: Pos2) {
    carry_with(window, from, to, Modifiers::NONE);
}

fn carry_with(window: &mut Window, from: Pos2, to: Pos2, modifiers: Modifiers) {
    window.hover_at(from);
    window.step();
    window.drag_at(from);
    window.step();
    window.event(Event::ModifiersChanged(modifiers));
    for step in 1..=5 {
        window.hover_at(from + (to - from) * (step as f32 / 5.0));
        window.step();
    }
    window.run();
}

fn release(window: &mut Window, at: Pos2) {
    release_with(window, at, Modifiers::NONE);
}

fn release_with(window: &mut Window, pos: Pos2, modifiers: Modifiers) {
    let button = PointerButton::Primary;
    window.event(Event::PointerButton { pos, button, pressed: false, modifiers });
    window.event(Event::ModifiersChanged(Modifiers::NONE));
    window.remove_cursor();
    window.run();
}

fn drag(window: &mut Window, from: Pos2, to: Pos2) {
    carry(window, from, to);
    release(window, to);
}

fn drag_layer(window: &mut Window, name: &str, device: &str) {
    let (from, to) = (middle(&layer(window, name)), column(window, device));
    drag(window, from, to);
}

#[test]
fn a_layer_at_the_edge_is_dragged_to_the_next_device() {
    let mut window = roomy();
    assert_eq!(stages(&window), START);
    drag_layer(&mut window, "l2", "d1");
    assert_eq!(stages(&window), [(0, 0, 2), (1, 2, 6), (2, 6, 9)]);
    assert_eq!(window.state().desk.history().undo_words(), Some("move l2 to d1"));
    assert!(!window.state().board.is_dragging());
}

#[test]
fn while_dragging_the_would_be_is_shown_and_nothing_is_changed() {
    let mut window = roomy();
    let (from, to) = (middle(&layer(&window, "l2")), column(&window, "d1"));
    carry(&mut window, from, to);
    let would_be = window.state().output.would_be.clone().unwrap();
    assert_eq!(would_be.plan.stages[1].layers, (2, 6));
    assert_eq!(stages(&window), START);
    // Every column says whether it fits there.
    window.get_by_label("lies here");
    assert_eq!(window.query_all_by_label_contains("fits, step ").count(), 2);
    window.key_press(Key::Escape);
    window.run();
    release(&mut window, to);
    assert_eq!(stages(&window), START);
    assert!(window.state().output.would_be.is_none());
}

#[test]
fn a_whole_stage_goes_by_its_header_and_devices_swap_by_theirs() {
    let mut window = roomy();
    let from = middle(&window.get_by_label_contains("stage 0, l0–l2"));
    let to = column(&window, "d1");
    drag(&mut window, from, to);
    assert_eq!(stages(&window), [(1, 0, 6), (2, 6, 9)]);
    let (from, to) = (column(&window, "d1"), column(&window, "d2"));
    drag(&mut window, from, to);
    assert_eq!(stages(&window), [(2, 0, 6), (1, 6, 9)]);
    // d0 is idle now, and takes layers.
    window.get_by_label("column of d0, idle");
    layer(&window, "l0").click();
    window.run();
    drag_layer(&mut window, "l0", "d0");
    assert_eq!(stages(&window), [(0, 0, 1), (2, 1, 6), (1, 6, 9)]);
}

#[test]
fn a_boundary_is_dragged_over_layers() {
    let mut window = roomy();
    let from = middle(&window.get_by_label("boundary at the end of stage 0"));
    let to = layer(&window, "l1").rect().center_top() + vec2(0.0, 3.0);
    drag(&mut window, from, to);
    assert_eq!(stages(&window), [(0, 0, 1), (1, 1, 6), (2, 6, 9)]);
    // And from the other side, over the layers of the stage after it.
    let from = middle(&window.get_by_label("boundary at the start of stage 2"));
    let to = layer(&window, "l7").rect().center_bottom() - vec2(0.0, 3.0);
    drag(&mut window, from, to);
    assert_eq!(stages(&window), [(0, 0, 1), (1, 1, 8), (2, 8, 9)]);
}

#[test]
fn a_middle_layer_asks_what_it_means() {
    let mut window = roomy();
    drag_layer(&mut window, "l4", "d0");
    assert_eq!(stages(&window), START);
    window.get_by_label("split into a further stage");
    window.get_by_label("move the boundary").hover();
    window.run();
    assert_eq!(window.state().output.would_be.clone().unwrap().plan.stages[0].layers, (0, 5));
    window.get_by_label("move the boundary").click();
    window.run();
    assert_eq!(stages(&window), [(0, 0, 5), (1, 5, 6), (2, 6, 9)]);
    assert!(window.query_by_label("move the boundary").is_none());
}

#[test]
fn with_alt_a_middle_layer_splits_its_stage() {
    let mut window = roomy();
    let (from, to) = (middle(&layer(&window, "l4")), column(&window, "d0"));
    carry_with(&mut window, from, to, Modifiers::ALT);
    release_with(&mut window, to, Modifiers::ALT);
    assert_eq!(stages(&window), [(0, 0, 3), (1, 3, 4), (0, 4, 5), (1, 5, 6), (2, 6, 9)]);
}

#[test]
fn the_menu_at_a_drop_can_be_left() {
    let mut window = roomy();
    drag_layer(&mut window, "l4", "d0");
    window.get_by_label("leave them where they are").click();
    window.run();
    assert_eq!(stages(&window), START);
    assert!(window.query_by_label("move the boundary").is_none());
}

#[test]
fn an_infeasible_drop_is_refused_in_words() {
    let mut window = open(Desk::new(profile(6, &[9000, 200]), None).unwrap());
    let before = stages(&window);
    let (from, to) = (middle(&window.get_by_label_contains("stage 0, ")), column(&window, "d1"));
    carry(&mut window, from, to);
    // By the pointer and in the column.
    assert!(window.query_all_by_label_contains("d1 would need ").count() >= 2);
    release(&mut window, to);
    assert_eq!(stages(&window), before);
    let refused = window.state().refused.clone().unwrap();
    assert!(refused.starts_with("d1 would need ") && refused.ends_with(" more"), "{refused}");
}

#[test]
fn a_selection_of_several_is_dragged_at_once() {
    let mut window = roomy();
    layer(&window, "l4").click();
    window.run();
    layer(&window, "l5").click_modifiers(Modifiers::SHIFT);
    window.run();
    assert_eq!(window.state().board.selected(), [(4, 6)]);
    drag_layer(&mut window, "l4", "d2");
    assert_eq!(stages(&window), [(0, 0, 3), (1, 3, 4), (2, 4, 9)]);
    layer(&window, "l0").click();
    window.run();
    layer(&window, "l8").click_modifiers(Modifiers::COMMAND);
    window.run();
    assert_eq!(window.state().board.selected(), [(0, 1), (8, 9)]);
    drag_layer(&mut window, "l8", "d1");
    assert_eq!(stages(&window), [(1, 0, 1), (0, 1, 3), (1, 3, 4), (2, 4, 8), (1, 8, 9)]);
}

#[test]
fn the_keyboard_selects_and_moves() {
    let mut window = roomy();
    layer(&window, "l1").click();
    window.run();
    window.key_press(Key::ArrowDown);
    window.run();
    assert_eq!(window.state().board.selected(), [(2, 3)]);
    assert!(layer(&window, "l2").is_focused());
    window.key_press_modifiers(Modifiers::COMMAND, Key::ArrowRight);
    window.run();
    assert_eq!(stages(&window), [(0, 0, 2), (1, 2, 6), (2, 6, 9)]);
    // It keeps the focus where it went.
    window.key_press_modifiers(Modifiers::SHIFT, Key::ArrowDown);
    window.run();
    assert_eq!(window.state().board.selected(), [(2, 4)]);
    window.key_press_modifiers(Modifiers::COMMAND, Key::ArrowLeft);
    window.run();
    assert_eq!(stages(&window), [(0, 0, 4), (1, 4, 6), (2, 6, 9)]);
    window.key_press(Key::ArrowRight);
    window.run();
    assert_eq!(window.state().board.selected(), [(4, 5)]);
    window.key_press(Key::ArrowDown);
    window.run();
    window.key_press_modifiers(Modifiers::ALT, Key::ArrowLeft);
    window.run();
    assert_eq!(stages(&window), [(0, 0, 4), (1, 4, 5), (0, 5, 6), (2, 6, 9)]);
}

#[test]
fn the_keyboard_locks_recomputes_and_opens_the_menu() {
    let mut window = roomy();
    layer(&window, "l4").click();
    window.run();
    window.key_press(Key::L);
    window.run();
    assert_eq!(window.state().desk.arrangement().locks.get(&4), Some(&1));
    assert!(layer(&window, "l4").accesskit_node().label().unwrap().ends_with(", locked"));
    window.key_press(Key::R);
    window.run();
    assert_eq!(window.state().desk.arrangement().stages[1].recompute, Recompute::Full);
    window.key_press(Key::Enter);
    window.run();
    // The keys go on at the first item that may be pressed: a locked layer cannot be moved.
    window.run();
    assert!(window.get_by_label("unlock").is_focused());
    window.get_by_label("keep the activations of stage 1").focus();
    window.run();
    window.key_press(Key::Enter);
    window.run();
    assert!(layer(&window, "l4").is_focused());
    assert_eq!(window.state().desk.arrangement().stages[1].recompute, Recompute::None);
}

#[test]
fn a_boundary_moves_by_arrow_keys() {
    let mut window = roomy();
    window.get_by_label("boundary at the end of stage 0").focus();
    window.run();
    window.key_press(Key::ArrowUp);
    window.run();
    assert_eq!(stages(&window), [(0, 0, 2), (1, 2, 6), (2, 6, 9)]);
}

#[test]
fn the_context_menu_moves_cuts_and_joins() {
    let mut window = roomy();
    layer(&window, "l4").click_secondary();
    window.run();
    window.get_by_label("move to d0");
    window.get_by_label("split off to d0");
    window.get_by_label("cut stage 1 before l4").click();
    window.run();
    assert_eq!(stages(&window), [(0, 0, 3), (1, 3, 4), (1, 4, 6), (2, 6, 9)]);
    layer(&window, "l3").click_secondary();
    window.run();
    window.get_by_label("join stages 1 and 2").click();
    window.run();
    assert_eq!(stages(&window), START);
    layer(&window, "l4").click_secondary();
    window.run();
    window.get_by_label("split off to d2").click();
    window.run();
    assert_eq!(stages(&window), [(0, 0, 3), (1, 3, 4), (2, 4, 5), (1, 5, 6), (2, 6, 9)]);
}

#[test]
fn the_context_menu_says_what_does_not_fit() {
    let mut window = open(small(&[9000, 9000, 100]));
    window.get_by_label_contains("stage 0, ").click_secondary();
    window.run();
    assert!(!window.get_by_label("move to d1").accesskit_node().is_disabled());
    let d2 = window.get_by_label("move to d2");
    assert!(d2.accesskit_node().is_disabled());
}

#[test]
fn devices_are_locked_and_switched_off_by_their_heads() {
    let mut window = roomy();
    window.get_by_label("lock all layers of d1").click();
    window.run();
    assert_eq!(window.state().desk.arrangement().locks.len(), 3);
    window.get_by_label("switch off d1").click();
    window.run();
    let refused = window.state().refused.clone().unwrap();
    assert!(refused.contains("locked to d1"), "{refused}");
    window.get_by_label("unlock all layers of d1").click();
    window.run();
    window.get_by_label("switch off d1").click();
    window.run();
    assert_eq!(stages(&window), [(0, 0, 6), (2, 6, 9)]);
    window.get_by_label("column of d1, switched off");
    window.get_by_label("switch on d1").click();
    window.run();
    window.get_by_label("column of d1, idle");
}

#[test]
fn the_recompute_toggle_of_a_stage() {
    let mut window = roomy();
    window.get_by_label("stage 2 recomputes").click();
    window.run();
    assert_eq!(window.state().desk.arrangement().stages[2].recompute, Recompute::Full);
    window.get_by_label("stage 2 recomputes").click();
    window.run();
    assert_eq!(window.state().desk.arrangement().stages[2].recompute, Recompute::None);
}

#[test]
fn the_budget_is_typed_as_people_write_sizes() {
    let mut window = open(Desk::example().unwrap());
    let reserve = window.state().desk.profile().devices[0].reserve_bytes;
    window.get_by_label("budget of dgpu").click();
    window.run();
    window.get_by_label("budget of dgpu").type_text("6.5 GiB");
    window.run();
    window.key_press(Key::Enter);
    window.run();
    let bytes = window.state().desk.arrangement().memory_bytes[0];
    assert_eq!(bytes, (13 << 29) + reserve);
}

#[test]
fn at_the_time_cursor_bars_say_so() {
    let mut window = open(Desk::example().unwrap());
    window.get_by_label_contains("memory of dgpu at its peak");
    window.state_mut().cursor = Some(0.0);
    window.run();
    let start = window.get_by_label_contains("memory of dgpu at 0 ns");
    let start = start.accesskit_node().label().unwrap();
    window.state_mut().cursor = Some(1e8);
    window.run();
    let later = window.get_by_label_contains("memory of dgpu at 100 ms");
    assert_ne!(
        later.accesskit_node().label().unwrap().rsplit(": ").next(),
        start.rsplit(": ").next()
    );
}

#[test]
fn four_hundred_layers_are_folded_and_unfold() {
    let mut window = open(Desk::new(profile(400, &[90_000, 90_000, 90_000]), None).unwrap());
    let folded = window.get_by_label_contains("l0–l132, 133 layers of 400");
    let at = middle(&folded);
    for pressed in [true, false, true, false] {
        let button = PointerButton::Primary;
        let modifiers = Modifiers::NONE;
        window.event(Event::PointerMoved(at));
        window.event(Event::PointerButton { pos: at, button, pressed, modifiers });
    }
    window.run();
    assert!(window.query_by_label_contains("l0–l132, ").is_none());
    drag_layer(&mut window, "l0", "d1");
}

#[test]
fn long_names_and_sixteen_devices_are_drawn() {
    let mut long = profile(40, &[9000; 16]);
    for (index, device) in long.devices.iter_mut().enumerate() {
        device.id = format!("{index} Gerät {}", "沉思録 ".repeat(40));
        device.name = "n".repeat(200);
    }
    for layer in &mut long.model.layers {
        layer.name = format!("{} {}", layer.name, "длинное имя ".repeat(16));
    }
    let desk = Desk::new(long, None).unwrap();
    let window = open_sized(desk, (1024.0, 400.0), Mode::Light);
    assert_eq!(window.query_all_by_label_contains("column of ").count(), 16);
}

#[test]
fn pictures() {
    let mut results = SnapshotResults::new();
    for (mode, name) in [(Mode::Dark, "dark"), (Mode::Light, "light")] {
        for size in [(1400.0, 500.0), (1024.0, 400.0)] {
            let mut window = open_sized(Desk::example().unwrap(), size, mode);
            results.add(window.try_snapshot(format!("board_{name}_{}", size.0)));
        }
    }
    let mut window = open_sized(Desk::example().unwrap(), (1400.0, 500.0), Mode::Dark);
    let (from, to) = (middle(&layer(&window, "block9")), column(&window, "cpu"));
    carry(&mut window, from, to + vec2(0.0, 120.0));
    results.add(window.try_snapshot("board_drag"));
    window.key_press(Key::Escape);
    release(&mut window, to);
    drag_layer(&mut window, "block3", "igpu");
    window.get_by_label("split into a further stage").hover();
    window.run();
    results.add(window.try_snapshot("board_drop"));
    let mut desk = Desk::new(profile(400, &[90_000, 20_000, 90_000, 9000]), None).unwrap();
    desk.edit(&Edit::Exclude { device: 3, excluded: true }).unwrap();
    desk.edit(&Edit::Lock { layers: vec![(0, 1)], locked: true }).unwrap();
    let mut window = open_sized(desk, (1400.0, 500.0), Mode::Light);
    results.add(window.try_snapshot("board_large"));
}
