//! The about box: versions, adapter, devices.

use eframe::egui::{self, Context};
use trainyard_plan::DeviceList;
use trainyard_plan::memory::human_bytes;

use super::modal::{modal, section};

/// The version of egui that is drawn with.
const EGUI: &str = "0.37";

/// Shows the box; whether it is to be closed. `adapter` is what draws the window.
pub(crate) fn about_ui(
    context: &Context,
    adapter: Option<&str>,
    devices: Option<&DeviceList>,
) -> bool {
    modal(context, "About Trainyard Studio", 520.0, |ui| {
        ui.label("Split a model over unlike devices, see what a step will take, and train it.");
        section(ui, "Versions");
        egui::Grid::new("versions").num_columns(2).show(ui, |ui| {
            for (what, version) in [
                ("Trainyard Studio", env!("CARGO_PKG_VERSION")),
                ("egui", EGUI),
                ("Licence", env!("CARGO_PKG_LICENSE")),
                ("Window drawn by", adapter.unwrap_or("not reported")),
            ] {
                ui.weak(what);
                ui.label(version);
                ui.end_row();
            }
        });
        section(ui, "Devices");
        let Some(devices) = devices else {
            ui.weak("Not looked for yet: “Use my devices…” in the Plan menu does.");
            return;
        };
        for device in &devices.devices {
            let memory = device.memory.total_bytes.map_or("unknown".to_owned(), human_bytes);
            ui.label(format!(
                "{} — {}, {}, {memory}",
                device.name,
                device.kind.text(),
                device.api.text()
            ));
        }
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_version_of_egui_is_the_one_in_use() {
        let manifest = include_str!("../../../../Cargo.toml");
        assert!(manifest.contains(&format!("eframe = {{ version = \"{}.", super::EGUI)));
    }
}
