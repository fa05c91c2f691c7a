//! What is dragged.

use eframe::egui::{Key, Modifiers, vec2};
use egui_kittest::kittest::Queryable as _;
use trainyard_studio::document::Document;

use crate::common::profile;
use crate::support::{
    START, carry, carry_with, column, drag, drag_layer, layer, middle, open, release, release_with,
    roomy, stages,
};

#[test]
fn a_layer_at_the_edge_is_dragged_to_the_next_device() {
    let mut window = roomy();
    assert_eq!(stages(&window), START);
    drag_layer(&mut window, "l2", "d1");
    assert_eq!(stages(&window), [(0, 0, 2), (1, 2, 6), (2, 6, 9)]);
    assert_eq!(window.state().document().history().undo_words(), Some("move l2 to d1"));
    assert!(!window.state().board.is_dragging());
}

#[test]
fn while_dragging_the_would_be_is_shown_and_nothing_is_changed() {
    let mut window = roomy();
    let (from, to) = (middle(&layer(&window, "l2")), column(&window, "d1"));
    carry(&mut window, from, to);
    let preview = window.state().preview().unwrap();
    assert_eq!(preview.plan.stages[1].layers, (2, 6));
    assert_eq!(stages(&window), START);
    // Every column says whether it fits there.
    window.get_by_label("lies here");
    assert_eq!(window.query_all_by_label_contains("fits, step ").count(), 2);
    window.key_press(Key::Escape);
    window.run();
    release(&mut window, to);
    assert_eq!(stages(&window), START);
    assert!(window.state().preview().is_none());
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
    assert_eq!(window.state().preview().unwrap().plan.stages[0].layers, (0, 5));
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
    let mut window = open(Document::new(profile(6, &[9000, 200]), None).unwrap());
    let before = stages(&window);
    let (from, to) = (middle(&window.get_by_label_contains("stage 0, ")), column(&window, "d1"));
    carry(&mut window, from, to);
    // By the pointer and in the column.
    assert!(window.query_all_by_label_contains("d1 would need ").count() >= 2);
    release(&mut window, to);
    assert_eq!(stages(&window), before);
    let refused = window.state().refused.clone().unwrap();
    assert!(refused.starts_with("d1 would need ") && refused.ends_with(" more"), "{refused}");
    // And it is still to be read after the drop.
    window.get_by_label_contains("Refused: d1 would need ");
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
