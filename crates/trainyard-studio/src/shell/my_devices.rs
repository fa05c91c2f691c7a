//! “Use my devices…”: this machine's devices, and a run file made for those that are chosen.

use std::path::{Path, PathBuf};

use eframe::egui::{self, Button, Context, RichText, Ui};
use trainyard_plan::memory::human_bytes;
use trainyard_plan::{ComputeProbe, DeviceInfo, DeviceKind, DeviceList};

use super::modal::{modal, section};
use crate::event::Event;
use crate::message::{JobsMessage, Message, ViewMessage};
use crate::run_file::{self, Starter};
use crate::state::Jobs;
use crate::theme::{Theme, size};

/// The dialog.
#[derive(Debug)]
pub(crate) struct MyDevices {
    /// What was found, once `trainyard devices` has looked for them.
    found: Option<Found>,
    model: Starter,
    folder: String,
}

#[derive(Debug)]
struct Found {
    devices: Vec<(DeviceInfo, bool)>,
}

impl MyDevices {
    /// The dialog before anything is found. `home` is where a folder for the run is suggested.
    pub(crate) fn new(home: &Path) -> Self {
        let folder = run_file::free_directory(&home.join("trainyard"), "my-run");
        Self { found: None, model: Starter::Small, folder: folder.display().to_string() }
    }

    /// Takes what was found. Devices that work and are no drawing of the CPU are chosen; the CPU
    /// with them.
    fn take(&mut self, list: &DeviceList) {
        let choose = |device: &DeviceInfo| {
            let works = !matches!(device.compute, ComputeProbe::Fails { .. });
            (device.clone(), works && device.kind != DeviceKind::Software)
        };
        self.found = Some(Found { devices: list.devices.iter().map(choose).collect() });
    }

    pub(crate) fn show(&mut self, context: &Context, jobs: &Jobs, out: &mut Vec<Message>) {
        if let (None, Some(list), false) = (&self.found, jobs.devices(), jobs.looks_for_devices()) {
            self.take(list);
        }
        let mut made = None;
        let closed = modal(context, "Use my devices", 620.0, |ui| {
            let Some(found) = &mut self.found else {
                ui.horizontal(|ui| {
                    ui.spinner();
                    ui.label("trainyard devices is looking for devices and tries each of them…");
                });
                return;
            };
            found.show(ui);
            section(ui, "What to train");
            let label = ui.label("The model:");
            let choice = egui::ComboBox::from_id_salt("model")
                .width(380.0)
                .selected_text(self.model.name())
                .show_ui(ui, |ui| {
                    for model in Starter::ALL {
                        ui.selectable_value(&mut self.model, model, model.name());
                    }
                });
            choice.response.labelled_by(label.id);
            ui.weak("The run file that is made can be changed with any editor.");
            section(ui, "Where");
            let label = ui.label("A folder for run.toml, profile.json and plan.json:");
            let folder = egui::TextEdit::singleline(&mut self.folder).desired_width(f32::INFINITY);
            ui.add(folder).labelled_by(label.id);
            ui.add_space(size::MARGIN);
            made = buttons(ui, found, self.model, &self.folder);
        });
        if closed {
            // The list is for this dialog alone.
            out.extend([ViewMessage::CloseDialog.into(), JobsMessage::ForgetDevices.into()]);
        }
        out.extend(made.map(Message::from));
    }
}

impl Found {
    fn show(&mut self, ui: &mut Ui) {
        let theme = Theme::of(ui.ctx());
        if self.devices.is_empty() {
            ui.label(
                "No device was found, not even the CPU. “trainyard devices” in a terminal says \
                 more.",
            );
            return;
        }
        ui.label("Choose the devices that the model may be placed on:");
        egui::Grid::new("devices").num_columns(5).striped(true).show(ui, |ui| {
            for heading in ["Device", "Kind", "API", "Memory", ""] {
                ui.label(RichText::new(heading).color(theme.weak));
            }
            ui.end_row();
            for (device, chosen) in &mut self.devices {
                ui.checkbox(chosen, &device.name).on_hover_text(&device.adapter);
                ui.label(device.kind.text());
                ui.label(device.api.text());
                ui.label(device.memory.total_bytes.map_or("unknown".to_owned(), human_bytes));
                match &device.compute {
                    ComputeProbe::Works => ui.label(RichText::new("✔ works").color(theme.good)),
                    ComputeProbe::Fails { reason } => {
                        let words = RichText::new("✖ fails").color(theme.bad);
                        ui.label(words).on_hover_text(reason)
                    }
                    ComputeProbe::NotProbed => {
                        ui.label(RichText::new("not tried").color(theme.weak))
                    }
                };
                ui.end_row();
            }
        });
    }

    fn chosen(&self) -> Vec<&DeviceInfo> {
        self.devices.iter().filter(|(_, chosen)| *chosen).map(|(device, _)| device).collect()
    }
}

fn buttons(ui: &mut Ui, found: &Found, model: Starter, folder: &str) -> Option<Event> {
    let chosen = found.chosen();
    let directory = PathBuf::from(folder.trim());
    let why_not = if chosen.is_empty() {
        Some("choose a device first".to_owned())
    } else if directory.as_os_str().is_empty() {
        Some("name a folder first".to_owned())
    } else if directory.join("run.toml").exists() {
        Some("the folder has a run.toml already; name another, or open that".to_owned())
    } else {
        None
    };
    let mut made = None;
    ui.horizontal(|ui| {
        for (text, measure, tip) in [
            ("Measure, then plan", true, "Runs each sort of layer on each device: a minute or so"),
            ("Plan from estimates", false, "At once, from how fast the devices multiply matrices"),
        ] {
            let button = ui.add_enabled(why_not.is_none(), Button::new(text)).on_hover_text(tip);
            if button.clicked() {
                let text = run_file::text(model, &run_file::entries(&chosen));
                made = Some(Event::MakeRunFile { directory: directory.clone(), text, measure });
            }
        }
    });
    if let Some(why_not) = why_not {
        ui.colored_label(Theme::of(ui.ctx()).warn, why_not);
    }
    if let [_] = chosen[..] {
        ui.weak("A single device becomes two ranks with half of its memory each.");
    }
    made
}
