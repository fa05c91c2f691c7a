//! The whole window: pictures of it, and what its header says while something is dragged.

use eframe::egui::{Pos2, ThemePreference, Vec2, vec2};
use egui_kittest::SnapshotResults;
use egui_kittest::kittest::Queryable;
use trainyard_studio::command::Command;
use trainyard_studio::panels::INFOS;

use crate::support::{Window, perform, settle, shows, window};

fn middle(window: &Window, label: &str) -> Pos2 {
    window.get_by_label_contains(label).rect().center()
}

/// Presses on one thing and moves to another, without letting go.
fn carry(window: &mut Window, from: &str, to: &str, beside: Vec2) {
    let (from, to) = (middle(window, from), middle(window, to) + beside);
    window.hover_at(from);
    window.step();
    window.drag_at(from);
    window.step();
    for share in [0.2, 0.6, 1.0] {
        window.hover_at(from.lerp(to, share));
        window.step();
    }
    window.run_ok();
}

#[test]
fn the_header_shows_what_a_drag_would_lead_to() {
    let mut window = window();
    assert!(window.query_all_by_label_contains("→").all(|it| it.rect().top() > 80.0));
    carry(&mut window, "block9, layer ", "column of cpu,", Vec2::ZERO);
    let both = window.query_all_by_label_contains("→");
    // Of step, bubble and devices.
    assert_eq!(both.filter(|it| it.rect().top() < 80.0).count(), 3);
}

#[test]
fn an_alternative_that_is_pointed_at_is_shown_on_the_board() {
    let mut window = window();
    perform(&mut window, Command::AutoPlan);
    settle(&mut window);
    // In the bar above the columns.
    let changes = |window: &Window| {
        let all = window.query_all_by_label_contains("→");
        all.filter(|it| (80.0..140.0).contains(&it.rect().top()) && it.rect().left() < 1000.0)
            .count()
    };
    assert_eq!(changes(&window), 0);
    window.get_by_label_contains("plan 2:").hover();
    window.run_ok();
    assert!(changes(&window) > 0);
    window.hover_at(Pos2::new(2.0, 2.0));
    window.run_ok();
    assert_eq!(changes(&window), 0);
}

#[test]
fn pictures() {
    let mut results = SnapshotResults::new();
    for (mode, name) in [(ThemePreference::Dark, "dark"), (ThemePreference::Light, "light")] {
        let mut window = window();
        perform(&mut window, Command::Theme(mode));
        results.add(window.try_snapshot(format!("window_welcome_{name}")));
        perform(&mut window, Command::Welcome);
        carry(&mut window, "block9, layer ", "column of cpu,", vec2(0.0, 120.0));
        results.add(window.try_snapshot(format!("window_drag_{name}")));
        window.remove_cursor();
        window.drop_at(Pos2::new(2.0, 2.0));
        window.run_ok();
        for panel in INFOS.into_iter().chain(INFOS) {
            if shows(&window, panel.id) {
                perform(&mut window, Command::Toggle(panel));
            }
        }
        results.add(window.try_snapshot(format!("window_no_panels_{name}")));
    }
}
