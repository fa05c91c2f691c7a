//! Which entries are one physical card, in what order devices are listed, and what they are called.

use trainyard_plan::{Api, DeviceInfo, DeviceKind, MemorySource};

use super::adapters::FoundAdapter;
use super::select;

/// Folds the entries of one physical card into the one with the best API, and orders the rest:
/// discrete, integrated, virtual, other, software; then by name, then by API.
///
/// Software adapters are never folded: no card is shared, and each API's is worth having.
pub(super) fn fold(mut found: Vec<FoundAdapter>) -> Vec<FoundAdapter> {
    found.sort_by_key(|it| api_rank(it.info.api));
    let mut cards: Vec<FoundAdapter> = Vec::new();
    for adapter in found {
        let api = adapter.info.api;
        let same = cards.iter_mut().find(|card| {
            card.info.api != api && !card.info.also.contains(&api) && same_card(card, &adapter)
        });
        match same {
            None => cards.push(adapter),
            Some(card) => {
                card.info.also.push(api);
                if card.info.memory.source == MemorySource::Unknown {
                    card.info.memory = adapter.info.memory;
                }
            }
        }
    }
    cards.sort_by(|a, b| order(&a.info).cmp(&order(&b.info)));
    cards
}

/// What devices are sorted by.
fn order(info: &DeviceInfo) -> (u8, &str, u8) {
    (kind_rank(info.kind), &info.name, api_rank(info.api))
}

/// Better kinds first.
pub(crate) fn kind_rank(kind: DeviceKind) -> u8 {
    match kind {
        DeviceKind::Discrete => 0,
        DeviceKind::Integrated => 1,
        DeviceKind::Virtual => 2,
        DeviceKind::Other => 3,
        DeviceKind::Software => 4,
        DeviceKind::Cpu => 5,
    }
}

/// Better APIs first.
fn api_rank(api: Api) -> u8 {
    match api {
        Api::Vulkan => 0,
        Api::Metal => 1,
        Api::Dx12 => 2,
        Api::Gl => 3,
        Api::Cpu => 4,
    }
}

/// Whether two entries of different APIs are one physical card.
///
/// A PCI address decides where both have one. wgpu gives a Direct3D adapter the address of the
/// first card of its model, so that one does not count. Otherwise the model decides: its PCI
/// numbers, or its name where OpenGL gives no number.
pub(crate) fn same_card(a: &FoundAdapter, b: &FoundAdapter) -> bool {
    if a.info.kind == DeviceKind::Software || b.info.kind == DeviceKind::Software {
        return false;
    }
    let addressed = |it: &FoundAdapter| !it.info.pci_bus_id.is_empty() && it.info.api != Api::Dx12;
    if addressed(a) && addressed(b) {
        return a.info.pci_bus_id == b.info.pci_bus_id;
    }
    if a.vendor_id != 0 && b.vendor_id != 0 {
        if a.vendor_id != b.vendor_id {
            return false;
        }
        if a.device_id != 0 && b.device_id != 0 {
            return a.device_id == b.device_id;
        }
    }
    let name = model_name(&a.info.name);
    !name.is_empty() && name == model_name(&b.info.name)
}

/// The model's name without what each API adds to it: `NVIDIA GeForce RTX 3060/PCIe/SSE2`,
/// `Mesa Intel(R) UHD Graphics 620 (KBL GT2)`, `AMD Radeon RX 6800 (RADV NAVI21)`.
fn model_name(name: &str) -> String {
    let lower = name.to_lowercase().replace("(r)", "").replace("(tm)", "");
    let bare = lower.split(" (").next().unwrap_or_default().split('/').next().unwrap_or_default();
    bare.trim().trim_start_matches("mesa ").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Numbers the devices and gives each the shortest name that [`select()`] resolves to it alone:
/// `vulkan:llvmpipe`, else with the driver's whole name, else with `#k` for the k-th of equals.
pub(super) fn name(devices: &mut [DeviceInfo]) {
    for (index, device) in devices.iter_mut().enumerate() {
        device.index = index;
    }
    for index in 0..devices.len() {
        let device = &devices[index];
        let Some(text) = candidates(device, devices).into_iter().find(|text| {
            select(devices, text).is_ok_and(|it| it.index == index && it.api == device.api)
        }) else {
            // Its position always resolves.
            devices[index].adapter = format!("#{index}");
            continue;
        };
        devices[index].adapter = text;
    }
}

/// Names to try for a device, the shortest first.
fn candidates(device: &DeviceInfo, devices: &[DeviceInfo]) -> Vec<String> {
    if device.api == Api::Cpu {
        return vec!["cpu".to_owned()];
    }
    let api = device.api.text();
    let short = device.name.split(" (").next().unwrap_or_default().trim();
    let equals_before = devices
        .iter()
        .take(device.index)
        .filter(|it| it.api == device.api && it.name == device.name)
        .count();
    let mut texts = Vec::new();
    if !short.is_empty() {
        texts.push(format!("{api}:{short}"));
    }
    texts.push(format!("{api}:{}", device.name));
    texts.push(format!("{api}:{} #{equals_before}", device.name));
    texts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discover::fixtures;

    fn adapter(api: Api, kind: DeviceKind, name: &str, pci: &str, ids: (u32, u32)) -> FoundAdapter {
        fixtures::adapter((api, kind, name), pci, ids)
    }

    fn named(found: Vec<FoundAdapter>) -> Vec<DeviceInfo> {
        let mut devices: Vec<_> = fold(found).into_iter().map(|it| it.info).collect();
        name(&mut devices);
        devices
    }

    #[test]
    fn one_card_over_three_apis_is_one_device() {
        use DeviceKind::{Discrete, Other};
        let devices = named(vec![
            adapter(Api::Gl, Other, "NVIDIA GeForce RTX 3060/PCIe/SSE2", "", (0x10de, 0)),
            adapter(
                Api::Dx12,
                Discrete,
                "NVIDIA GeForce RTX 3060",
                "0000:01:00.0",
                (0x10de, 0x2503),
            ),
            adapter(
                Api::Vulkan,
                Discrete,
                "NVIDIA GeForce RTX 3060",
                "0000:01:00.0",
                (0x10de, 0x2503),
            ),
        ]);
        assert_eq!(devices.len(), 1);
        assert_eq!(devices[0].api, Api::Vulkan);
        assert_eq!(devices[0].also, [Api::Dx12, Api::Gl]);
        assert_eq!(devices[0].adapter, "vulkan:NVIDIA GeForce RTX 3060");
    }

    #[test]
    fn two_equal_cards_stay_two_and_can_be_told_apart() {
        let card = |api, pci| adapter(api, DeviceKind::Discrete, "Arc A770", pci, (0x8086, 0x56a0));
        let devices = named(vec![
            card(Api::Vulkan, "0000:01:00.0"),
            card(Api::Vulkan, "0000:02:00.0"),
            // Direct3D reports the first card's address for both.
            card(Api::Dx12, "0000:01:00.0"),
            card(Api::Dx12, "0000:01:00.0"),
        ]);
        assert_eq!(devices.len(), 2);
        assert!(devices.iter().all(|it| it.also == [Api::Dx12]));
        assert_eq!(devices[0].adapter, "vulkan:Arc A770 #0");
        assert_eq!(devices[1].adapter, "vulkan:Arc A770 #1");
        assert_eq!(select(&devices, "vulkan:Arc A770 #1").unwrap().pci_bus_id, "0000:02:00.0");
    }

    #[test]
    fn software_is_never_folded_and_comes_after_cards() {
        use DeviceKind::{Integrated, Software};
        let devices = named(vec![
            adapter(Api::Gl, Software, "llvmpipe (LLVM 15.0.6, 256 bits)", "", (0x10005, 0)),
            adapter(Api::Vulkan, Software, "llvmpipe (LLVM 15.0.6, 256 bits)", "", (0x10005, 0)),
            adapter(
                Api::Gl,
                Integrated,
                "Mesa Intel(R) UHD Graphics 620 (KBL GT2)",
                "",
                (0x8086, 0),
            ),
            adapter(
                Api::Vulkan,
                Integrated,
                "Intel(R) UHD Graphics 620 (KBL GT2)",
                "0000:00:02.0",
                (0x8086, 0x5917),
            ),
        ]);
        let names: Vec<_> = devices.iter().map(|it| it.adapter.as_str()).collect();
        assert_eq!(names, ["vulkan:Intel(R) UHD Graphics 620", "vulkan:llvmpipe", "gl:llvmpipe"]);
        assert_eq!(devices[0].also, [Api::Gl]);
    }

    #[test]
    fn different_cards_stay_apart() {
        let amd = adapter(
            Api::Vulkan,
            DeviceKind::Discrete,
            "AMD Radeon RX 6800 (RADV)",
            "",
            (0x1002, 1),
        );
        let gl =
            adapter(Api::Gl, DeviceKind::Other, "AMD Radeon RX 6800 (radeonsi)", "", (0x1002, 0));
        let other =
            adapter(Api::Gl, DeviceKind::Other, "AMD Radeon RX 6900 (radeonsi)", "", (0x1002, 0));
        assert!(same_card(&amd, &gl));
        assert!(!same_card(&amd, &other));
    }

    #[test]
    fn a_name_that_is_the_start_of_another_still_resolves() {
        let card = |name| adapter(Api::Vulkan, DeviceKind::Discrete, name, "", (0x10de, 0));
        let devices = named(vec![card("RTX 3060"), card("RTX 3060 Ti")]);
        assert_eq!(devices[0].adapter, "vulkan:RTX 3060");
        assert_eq!(devices[1].adapter, "vulkan:RTX 3060 Ti");
    }
}
