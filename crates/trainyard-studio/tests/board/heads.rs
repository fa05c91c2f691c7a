//! The heads of the columns and of the stages.

use eframe::egui::Key;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use trainyard_plan::Recompute;
use trainyard_studio::document::Document;
use trainyard_studio::message::DocumentMessage;

use crate::common::profile;
use crate::support::{open, roomy, stages};

#[test]
fn devices_are_locked_and_switched_off_by_their_heads() {
    let mut window = roomy();
    window.get_by_label("lock all layers of d1").click();
    window.run();
    assert_eq!(window.state().document().arrangement().locks.len(), 3);
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
    assert_eq!(window.state().document().arrangement().stages[2].recompute, Recompute::Full);
    window.get_by_label("stage 2 recomputes").click();
    window.run();
    assert_eq!(window.state().document().arrangement().stages[2].recompute, Recompute::None);
}

#[test]
fn the_budget_is_typed_as_people_write_sizes() {
    let mut window = open(Document::example().unwrap());
    let reserve = window.state().document().profile().devices[0].reserve_bytes;
    window.get_by_label("budget of dgpu").click();
    window.run();
    window.get_by_label("budget of dgpu").type_text("6.5 GiB");
    window.run();
    window.key_press(Key::Enter);
    window.run();
    let bytes = window.state().document().arrangement().memory_bytes[0];
    assert_eq!(bytes, (13 << 29) + reserve);
    // It is named with the number that was typed.
    assert_eq!(window.state().document().history().undo_words(), Some("give dgpu 6.50 GiB"));
}

#[test]
fn at_the_time_cursor_bars_say_so() {
    let mut window = open(Document::example().unwrap());
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

/// The example with a cpu of so many bytes: no multiple of what the slider steps by.
fn odd(bytes: u64) -> Document {
    let mut profile = Document::example().unwrap().profile().as_ref().clone();
    let cpu = profile.devices.iter_mut().find(|device| device.id == "cpu").unwrap();
    (cpu.memory_bytes, cpu.reserve_bytes) = (bytes, 2 << 30);
    Document::planned(&profile).unwrap()
}

#[test]
fn a_budget_that_the_slider_cannot_show_exactly_is_not_edited_by_being_seen() {
    for bytes in [48 << 30, 18_575_733_555] {
        let mut window = open(odd(bytes));
        assert_eq!(window.state().document().history().undo_words(), None);
        assert!(!window.state().document().is_changed());
        // And nothing comes between an edit, its undo and its redo.
        window.get_by_label("stage 0 recomputes").click();
        window.run();
        let edited = window.state().document().arrangement().clone();
        window.state_mut().send(DocumentMessage::Undo);
        window.run();
        assert!(!window.state().document().is_changed());
        window.state_mut().send(DocumentMessage::Redo);
        window.run();
        assert_eq!(*window.state().document().arrangement(), edited);
    }
}

#[test]
fn a_budget_that_is_looked_at_in_its_field_and_left_is_not_edited() {
    let mut window = open(odd(18_575_733_555));
    window.get_by_label("budget of cpu").click();
    window.run();
    window.key_press(Key::Enter);
    window.run();
    assert_eq!(window.state().document().history().undo_words(), None);
}

#[test]
fn a_budget_is_slid() {
    let mut window = open(odd(48 << 30));
    let before = window.state().document().arrangement().memory_bytes[2];
    window.get_by_label("budget of cpu, slider").focus();
    window.run();
    window.key_press(Key::ArrowLeft);
    window.run();
    assert!(window.state().document().arrangement().memory_bytes[2] < before);
}

#[test]
fn a_device_in_use_is_switched_off_though_its_neighbours_cannot_take_its_layers() {
    for (index, name) in ["dgpu", "igpu"].into_iter().enumerate() {
        let mut window = open(Document::example().unwrap());
        window.get_by_label(&format!("switch off {name}")).click();
        window.run();
        window.get_by_label(&format!("column of {name}, switched off"));
        assert!(stages(&window).iter().all(|(device, ..)| *device != index));
        assert!(window.state().document().present().fits());
        window.state_mut().send(DocumentMessage::Undo);
        window.run();
        assert!(!window.state().document().is_changed());
    }
}

#[test]
fn a_refused_edit_is_told_on_the_board_until_something_else_is_done() {
    let mut window = open(Document::new(profile(6, &[9000, 200]), None).unwrap());
    window.get_by_label("switch off d0").click();
    window.run();
    let told = "Refused: nothing fits without d0: d1 would need ";
    window.get_by_label_contains(told);
    window.get_by_label("stage 0 recomputes").click();
    window.run();
    assert!(window.query_by_label_contains(told).is_none());
}
