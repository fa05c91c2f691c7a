//! On which devices it trains.

use eframe::egui::Ui;
use trainyard_plan::memory::human_bytes;
use trainyard_plan::{ComputeProbe, DeviceInfo};

use super::fields::Fields;
use crate::event::{Event, FineTuningEvent};
use crate::fine_tuning::{Field, Form};
use crate::message::Message;
use crate::run_file;
use crate::state::State;

/// Draws the choice.
pub(super) fn devices_ui(
    ui: &mut Ui,
    state: &State,
    form: &mut Form,
    fields: &Fields,
    out: &mut Vec<Message>,
) {
    if form.devices.is_empty() {
        ui.weak("Devices: what this machine has, as the board shows them.");
    } else {
        let named: Vec<_> = form.devices.iter().map(|entry| entry.id.as_str()).collect();
        ui.weak(format!("Devices: {}.", named.join(", ")));
    }
    match state.jobs.devices() {
        Some(list) => {
            let mut chosen: Vec<bool> = list.devices.iter().map(|it| is_chosen(form, it)).collect();
            let before = chosen.clone();
            for (device, chosen) in list.devices.iter().zip(&mut chosen) {
                device_ui(ui, device, chosen);
            }
            if chosen != before {
                let chosen = list.devices.iter().zip(&chosen).filter(|(_, chosen)| **chosen);
                let chosen: Vec<&DeviceInfo> = chosen.map(|(device, _)| device).collect();
                form.devices =
                    if chosen.is_empty() { Vec::new() } else { run_file::entries(&chosen) };
            }
        }
        None if state.jobs.looks_for_devices() => {
            ui.weak("looking for devices…");
        }
        None => {
            ui.horizontal(|ui| {
                if ui.button("Choose devices…").clicked() {
                    out.push(Event::FineTuning(FineTuningEvent::Devices).into());
                }
                if !form.devices.is_empty() && ui.button("Take all").clicked() {
                    form.devices.clear();
                }
            });
        }
    }
    fields.wrong(ui, Field::Devices, "");
}

fn is_chosen(form: &Form, device: &DeviceInfo) -> bool {
    form.devices.iter().any(|entry| entry.adapter == device.adapter)
}

fn device_ui(ui: &mut Ui, device: &DeviceInfo, chosen: &mut bool) {
    let memory = device.memory.total_bytes.map_or("unknown".to_owned(), human_bytes);
    let words = format!("{} ({}, {memory})", device.name, device.api.text());
    let fails = matches!(device.compute, ComputeProbe::Fails { .. });
    ui.add_enabled_ui(!fails || *chosen, |ui| {
        ui.checkbox(chosen, words)
            .on_hover_text(&device.adapter)
            .on_disabled_hover_text("it fails");
    });
}
