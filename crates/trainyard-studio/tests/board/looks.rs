//! Large yards, long names, and pictures.

use eframe::egui::{Event, Key, Modifiers, PointerButton, Theme as Mode, vec2};
use egui_kittest::SnapshotResults;
use egui_kittest::kittest::Queryable as _;
use trainyard_plan::planner::{self, PlanRequest};
use trainyard_studio::document::{Document, Edit};

use crate::common::profile;
use crate::support::{carry, column, drag_layer, layer, middle, open, open_sized, release};

/// The example where no other schedule makes room for one more layer on the card.
fn with_whole_backwards() -> Document {
    let profile = Document::example().unwrap().profile().as_ref().clone();
    let request = PlanRequest { split_backward: false, ..PlanRequest::new(&profile) };
    let best = planner::plan(&request).unwrap().candidates.remove(0).plan;
    let mut document = Document::new(profile, Some(&best)).unwrap();
    document.edit(&Edit::SplitBackward(false)).unwrap();
    document
}

#[test]
fn four_hundred_layers_are_folded_and_unfold() {
    let mut window = open(Document::new(profile(400, &[90_000, 90_000, 90_000]), None).unwrap());
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
    let document = Document::new(long, None).unwrap();
    let window = open_sized(document, (1024.0, 400.0), Mode::Light);
    assert_eq!(window.query_all_by_label_contains("column of ").count(), 16);
}

#[test]
fn the_colours_are_explained_however_narrow_it_is() {
    for (width, name) in [(1400.0, "optimizer"), (723.0, "opt"), (566.0, "opt")] {
        let window = open_sized(Document::example().unwrap(), (width, 400.0), Mode::Dark);
        for name in ["weights", name] {
            let place = window.get_by_label(name).rect();
            assert!(place.left() > 0.0 && place.right() < width, "{name}: {place}");
        }
    }
}

#[test]
fn pictures() {
    let mut results = SnapshotResults::new();
    for (mode, name) in [(Mode::Dark, "dark"), (Mode::Light, "light")] {
        for size in [(1400.0, 500.0), (1024.0, 400.0)] {
            let mut window = open_sized(Document::example().unwrap(), size, mode);
            results.add(window.try_snapshot(format!("board_{name}_{}", size.0)));
        }
    }
    let mut window = open_sized(Document::example().unwrap(), (1400.0, 500.0), Mode::Dark);
    let (from, to) = (middle(&layer(&window, "block9")), column(&window, "cpu"));
    carry(&mut window, from, to + vec2(0.0, 120.0));
    results.add(window.try_snapshot("board_drag"));
    window.key_press(Key::Escape);
    release(&mut window, to);
    drag_layer(&mut window, "block3", "igpu");
    window.get_by_label("split into a further stage").hover();
    window.run();
    results.add(window.try_snapshot("board_drop"));
    let mut window = open_sized(with_whole_backwards(), (1024.0, 400.0), Mode::Dark);
    drag_layer(&mut window, "block9", "dgpu");
    assert!(window.state().refused.is_some());
    results.add(window.try_snapshot("board_refused"));
    let mut named = profile(400, &[90_000, 90_000, 90_000, 90_000]);
    for (index, device) in named.devices.iter_mut().enumerate() {
        device.id = format!("Gerät von nebenan mit langem Namen, Nummer {index}");
        device.name = "a card whose name goes on and on and on".into();
    }
    for layer in &mut named.model.layers {
        layer.name = format!("transformer.blocks.with.a.long.path.{}", layer.name);
    }
    let document = Document::new(named, None).unwrap();
    let mut window = open_sized(document, (820.0, 400.0), Mode::Dark);
    window.state_mut().cursor = Some(1e6);
    window.run();
    results.add(window.try_snapshot("board_long_names"));
    let mut document = Document::new(profile(400, &[90_000, 20_000, 90_000, 9000]), None).unwrap();
    document.edit(&Edit::Exclude { device: 3, excluded: true }).unwrap();
    document.edit(&Edit::Lock { layers: vec![(0, 1)], locked: true }).unwrap();
    let mut window = open_sized(document, (1400.0, 500.0), Mode::Light);
    results.add(window.try_snapshot("board_large"));
}
