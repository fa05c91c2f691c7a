//! On which devices it trains, and what each would need.

use eframe::egui::{RichText, Ui};
use trainyard_plan::fit::{DeviceFit, Fit};
use trainyard_plan::memory::human_bytes;
use trainyard_plan::{Api, ComputeProbe, DeviceInfo, DeviceKind};

use super::fields::Fields;
use super::model::verdict_look;
use crate::bytes_field::bytes_field;
use crate::event::{Event, FineTuningEvent};
use crate::fine_tuning::{Field, Form};
use crate::message::Message;
use crate::run_file::{self, Entry};
use crate::state::State;
use crate::theme::{Theme, size};

/// What a point of dragging changes a budget by, bytes.
const BUDGET_SPEED: f64 = 16.0 * 1024.0 * 1024.0;

/// Draws the choice, and below it what each of the devices on the board would need.
pub(super) fn devices_ui(
    ui: &mut Ui,
    state: &State,
    form: &mut Form,
    fields: &Fields,
    out: &mut Vec<Message>,
) {
    match state.jobs.devices() {
        Some(list) => choice_ui(ui, &list.devices, form),
        None if state.jobs.looks_for_devices() => {
            ui.weak("looking for devices…");
        }
        None => unknown_ui(ui, form, out),
    }
    fields.wrong(ui, Field::Devices, "");
    if let Some(fit) = state.fine_tuning.fit_of_form() {
        needs_ui(ui, fit);
    }
}

/// The devices of the form, where those of the machine are not known.
fn unknown_ui(ui: &mut Ui, form: &mut Form, out: &mut Vec<Message>) {
    ui.horizontal_wrapped(|ui| {
        if form.devices.is_empty() {
            ui.weak("What this machine has.");
        } else {
            let named: Vec<_> = form.devices.iter().map(|entry| entry.id.as_str()).collect();
            ui.weak(named.join(", "));
        }
        if ui.button("Choose devices…").on_hover_text("Look for this machine's devices").clicked()
        {
            out.push(Event::FineTuning(FineTuningEvent::Devices).into());
        }
        if !form.devices.is_empty() && ui.button("As usual").clicked() {
            form.devices.clear();
        }
    });
}

fn choice_ui(ui: &mut Ui, devices: &[DeviceInfo], form: &mut Form) {
    let usual = usual(devices);
    let is_named =
        |device: &DeviceInfo| form.devices.iter().any(|entry| entry.adapter == device.adapter);
    let before: Vec<bool> = match form.devices.as_slice() {
        [] => usual.clone(),
        _ => devices.iter().map(is_named).collect(),
    };
    let mut chosen = before.clone();
    let is_only = before.iter().filter(|chosen| **chosen).count() == 1;
    for (device, chosen) in devices.iter().zip(&mut chosen) {
        device_ui(ui, device, is_only, chosen);
    }
    let cpu_alone = |named: &[&DeviceInfo]| matches!(named, [it] if it.api == Api::Cpu);
    if cpu_alone(&those(devices, &before)) {
        let words = "The CPU alone is taken as two devices, with half of its memory each.";
        ui.weak(RichText::new(words).size(size::SMALL));
    }
    let named = those(devices, &chosen);
    let entries = |named: &[&DeviceInfo]| {
        if cpu_alone(named) { run_file::entries(named) } else { run_file::entry_each(named) }
    };
    if chosen != before {
        // What the program takes by itself needs no names.
        form.devices = if chosen == usual { Vec::new() } else { entries(&named) };
    }
    budgets_ui(ui, form, || entries(&named));
}

/// How much memory each may use. The program says it by itself unless a person does.
fn budgets_ui(ui: &mut Ui, form: &mut Form, entries: impl FnOnce() -> Vec<Entry>) {
    if form.devices.is_empty() {
        let tip = "Say how much memory each device may use";
        if ui.button("Budgets…").on_hover_text(tip).clicked() {
            form.devices = entries();
        }
        return;
    }
    for Entry { id, memory_bytes, .. } in &mut form.devices {
        let Some(budget) = memory_bytes else { continue };
        ui.horizontal(|ui| {
            ui.label(format!("{id} may use"));
            let about = (format!("memory for {id}"), "Click to write, drag to change".to_owned());
            *budget = bytes_field(ui, about, *budget, BUDGET_SPEED).unwrap_or(*budget);
        });
    }
}

/// Those that are chosen.
fn those<'a>(devices: &'a [DeviceInfo], chosen: &[bool]) -> Vec<&'a DeviceInfo> {
    let chosen = devices.iter().zip(chosen).filter(|(_, chosen)| **chosen);
    chosen.map(|(device, _)| device).collect()
}

/// Which devices the program takes where a run file names none: every GPU, or else the CPU.
fn usual(devices: &[DeviceInfo]) -> Vec<bool> {
    let is_gpu = |device: &DeviceInfo| {
        use DeviceKind::{Discrete, Integrated, Virtual};
        matches!(device.kind, Discrete | Integrated | Virtual)
    };
    let has_gpu = devices.iter().any(is_gpu);
    let is_usual =
        |device: &DeviceInfo| if has_gpu { is_gpu(device) } else { device.api == Api::Cpu };
    devices.iter().map(is_usual).collect()
}

/// One device. The last that is chosen stays chosen.
fn device_ui(ui: &mut Ui, device: &DeviceInfo, is_only: bool, chosen: &mut bool) {
    let memory = device.memory.total_bytes.map_or("memory unknown".to_owned(), human_bytes);
    // It computes on the CPU as well, only slower.
    let kind = if device.kind == DeviceKind::Software { "software, " } else { "" };
    let words = format!("{} ({kind}{}, {memory})", device.name, device.api.text());
    let fails = matches!(device.compute, ComputeProbe::Fails { .. });
    let why_not = if fails { "It cannot compute: it fails" } else { "At least one takes part" };
    let may = if *chosen { !is_only } else { !fails };
    ui.add_enabled_ui(may, |ui| {
        ui.checkbox(chosen, words).on_hover_text(&device.adapter).on_disabled_hover_text(why_not);
    });
}

/// What each device would need of what it has.
fn needs_ui(ui: &mut Ui, fit: &Fit) {
    let theme = Theme::of(ui.ctx());
    let need = |device: &DeviceFit| {
        let (mark, colour) = verdict_look(device.verdict, theme);
        let (needed, has) = (human_bytes(device.needed_bytes), human_bytes(device.budget_bytes));
        let words =
            format!("{mark} {}: needs {needed} of {has}, {}", device.id, device.verdict.text());
        RichText::new(words).size(size::SMALL).color(colour)
    };
    for device in &fit.devices {
        ui.label(need(device));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(adapter: &str, kind: &str, api: &str) -> DeviceInfo {
        serde_json::from_value(serde_json::json!({
            "index": 0, "adapter": adapter, "name": "It", "kind": kind, "api": api,
            "also": [], "driver": "", "vendor": "", "pci_bus_id": "",
            "memory": {"total_bytes": null, "free_bytes": null, "source": "reported"},
            "max_buffer_bytes": 1, "f16": false, "timestamps": false,
            "compute": {"result": "works"},
        }))
        .unwrap()
    }

    #[test]
    fn without_a_choice_every_gpu_takes_part_or_else_the_cpu() {
        let [gpu, soft, cpu] = [
            device("vulkan:A", "discrete", "vulkan"),
            device("vulkan:L", "software", "vulkan"),
            device("cpu", "cpu", "cpu"),
        ];
        assert_eq!(usual(&[gpu, soft.clone(), cpu.clone()]), [true, false, false]);
        assert_eq!(usual(&[soft, cpu]), [false, true]);
    }
}
