//! What leaves the window as files.

use std::fs;
use std::path::Path;

use eframe::egui::{Key, Modifiers, vec2};
use egui_kittest::kittest::Queryable as _;
use trainyard_studio::command::{Command, Export};

use crate::support::{Window, error, folder, perform, press, settle, window, write_path};

/// In a low window rows of the timeline and blocks of the board lie below the fold.
#[test]
fn pictures_hold_whole_panels() {
    let setup = egui_kittest::wgpu::default_wgpu_setup();
    let options = eframe::egui_wgpu::RendererOptions::PREDICTABLE;
    let graphics = egui_kittest::wgpu::create_render_state(setup, options);
    let mut window = window();
    window.set_size(vec2(900.0, 500.0));
    window.run_ok();
    window.state_mut().draw_on_gpu(&graphics);
    perform(&mut window, Command::OpenExample);
    let folder = folder();
    let profile = window.state().document().profile().as_ref().clone();
    let devices: Vec<&str> = profile.devices.iter().map(|device| device.id.as_str()).collect();
    let layers: Vec<&str> = profile.model.layers.iter().map(|layer| layer.name.as_str()).collect();
    // The timeline has no row for a device that does nothing.
    let used = window.state().document().present().simulation.devices.clone();
    let used: Vec<&str> = used.iter().map(|device| device.id.as_str()).collect();
    for (export, words) in [
        (Export::TimelineSvg, [&used[..], &["predicted", "warm-up"]].concat()),
        (Export::BoardSvg, [devices.clone(), layers].concat()),
    ] {
        let path = folder.path().join(export.file_name());
        export_to(&mut window, export, &path);
        let text = fs::read_to_string(&path).unwrap();
        for word in words {
            assert!(text.contains(word), "{word} in {}", path.display());
        }
        assert!(!text.contains("Search"), "a picture cannot be searched");
    }
    // Rows of two devices, and columns of all blocks, at two pixels a point.
    for (export, least) in [(Export::TimelinePng, 500), (Export::BoardPng, 600)] {
        let path = folder.path().join(export.file_name());
        export_to(&mut window, export, &path);
        let image = image::open(&path).unwrap();
        assert!(image.height() > least, "{} is {} high", path.display(), image.height());
        image.save(Path::new(env!("CARGO_TARGET_TMPDIR")).join(export.file_name())).unwrap();
    }
}

/// Chooses an export in the menu's way and gives it a path.
fn export_to(window: &mut Window, export: Export, path: &Path) {
    perform(window, Command::Export(export));
    write_path(window, path);
    press(window, Modifiers::NONE, Key::Enter);
    settle(window);
    assert_eq!(error(window), "");
}

#[test]
fn nothing_is_written_under_the_ending_of_another_format() {
    let folder = folder();
    let path = folder.path().join("events.json");
    let mut window = window();
    perform(&mut window, Command::Export(Export::Events));
    write_path(&mut window, &path);
    window.get_by_label("It is written as CSV: its name must end in .csv.");
    press(&mut window, Modifiers::NONE, Key::Enter);
    settle(&mut window);
    assert!(!path.exists());
    let path = path.with_extension("csv");
    write_path(&mut window, &path);
    press(&mut window, Modifiers::NONE, Key::Enter);
    settle(&mut window);
    assert_eq!(error(&window), "");
    assert!(path.exists());
}
