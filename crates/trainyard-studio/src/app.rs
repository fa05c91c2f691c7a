//! The application: everything that is drawn inside the window.

use eframe::egui;

/// The text column is narrower than the window: long lines are hard to read.
const COLUMN_WIDTH: f32 = 480.0;

/// The application's state. There is none yet.
#[derive(Debug, Default)]
pub struct Studio;

impl Studio {
    /// Draws one frame. `ui` is the whole window, without margin or background.
    pub fn show(&mut self, ui: &mut egui::Ui) {
        egui::CentralPanel::default().show(ui, |ui| {
            egui::ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
                ui.vertical_centered(|ui| {
                    ui.set_max_width(COLUMN_WIDTH);
                    ui.add_space(ui.available_height() * 0.2);
                    welcome(ui);
                });
            });
        });
    }
}

impl eframe::App for Studio {
    fn ui(&mut self, ui: &mut egui::Ui, _frame: &mut eframe::Frame) {
        self.show(ui);
    }
}

/// Says what this window will be, and what to use until then.
fn welcome(ui: &mut egui::Ui) {
    ui.heading("Trainyard Studio");
    ui.add_space(8.0);
    ui.label("Train a model that fits on none of your GPUs alone, on all of them.");
    ui.add_space(24.0);
    ui.label(
        "This window will show your devices, let you drag layers between them, and draw the \
         predicted timeline and memory beside the measured ones. It is not written yet.",
    );
    ui.add_space(24.0);
    ui.label("Until then, use the command line:");
    ui.add_space(8.0);
    for (command, what) in [
        ("trainyard demo", "everything in two minutes, with or without a GPU"),
        ("trainyard devices", "what this machine can train on"),
        ("trainyard train run.toml", "train the model of a run file"),
    ] {
        ui.monospace(command);
        ui.weak(what);
        ui.add_space(4.0);
    }
}
