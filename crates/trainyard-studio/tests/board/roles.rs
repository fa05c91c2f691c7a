//! What trains and what is frozen, and how it is held.

use eframe::egui::Theme as Mode;
use egui_kittest::SnapshotResults;
use egui_kittest::kittest::Queryable as _;
use trainyard_plan::Precision;
use trainyard_studio::document::Document;

use crate::common::profile;
use crate::support::{Window, layer, open_sized};

/// Nine layers: the first frozen as it is, adapters beside packed ones, the last one trained.
fn adapted() -> Document {
    let mut adapted = profile(9, &[40 << 20, 40 << 20]);
    adapted.model.layers[0].frozen_bytes = 6 << 20;
    adapted.model.layers[0].param_bytes = 0;
    for layer in &mut adapted.model.layers[1..8] {
        (layer.param_bytes, layer.frozen_bytes) = (200 << 10, 3 << 20);
        layer.frozen_as = vec!["q4_1".to_owned()];
    }
    adapted.model.layers[8].param_bytes = 1 << 20;
    adapted.model.layers[8].buffer_bytes = 1 << 10;
    adapted.devices[1].precision = Precision::F16;
    Document::new(adapted, None).unwrap()
}

fn says(window: &Window, name: &str) -> String {
    use egui_kittest::kittest::NodeT as _;
    layer(window, name).accesskit_node().label().unwrap_or_default()
}

#[test]
fn frozen_layers_are_named_so_and_the_hatching_is_explained() {
    let mut window = open_sized(adapted(), (1200.0, 700.0), Mode::Dark);
    assert!(says(&window, "l0").contains(", frozen weights"));
    assert!(says(&window, "l3").contains(", frozen weights"));
    assert!(!says(&window, "l8").contains("frozen"));
    window.get_by_label("frozen");
    window.get_by_label_contains("f32 and q4_1");
    window.get_by_label_contains("f16 and q4_1");
    layer(&window, "l3").hover();
    window.run_steps(60);
    window.get_by_label("weights: trained 200 KiB, frozen 3.00 MiB as q4_1");
    layer(&window, "l8").hover();
    window.run_steps(60);
    window.get_by_label("weights: trained 1.00 MiB, buffers 1.00 KiB");
    let plain = open_sized(Document::example().unwrap(), (1200.0, 700.0), Mode::Dark);
    assert!(plain.query_by_label("frozen").is_none());
}

#[test]
fn pictures() {
    let mut results = SnapshotResults::new();
    for (mode, name) in [(Mode::Dark, "dark"), (Mode::Light, "light")] {
        let mut window = open_sized(adapted(), (1024.0, 400.0), mode);
        results.add(window.try_snapshot(format!("board_frozen_{name}")));
    }
}
