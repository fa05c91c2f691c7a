//! The keyboard and the context menu.

use eframe::egui::{Key, Modifiers};
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use trainyard_plan::Recompute;

use crate::support::{START, layer, open, roomy, small, stages};

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
    assert_eq!(window.state().document().arrangement().locks.get(&4), Some(&1));
    assert!(layer(&window, "l4").accesskit_node().label().unwrap().ends_with(", locked"));
    window.key_press(Key::R);
    window.run();
    assert_eq!(window.state().document().arrangement().stages[1].recompute, Recompute::Full);
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
    assert_eq!(window.state().document().arrangement().stages[1].recompute, Recompute::None);
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
