//! Which of the adapters that are there now is the one that was listed.

use super::*;
use crate::discover::fixtures::adapter;

fn found(position: usize, api: Api, kind: DeviceKind, name: &str, pci: &str) -> FoundAdapter {
    FoundAdapter { position, ..adapter((api, kind, name), pci, (0x10de, 0x2503)) }
}

#[test]
fn an_address_tells_equal_cards_apart() {
    let card = |position, pci| found(position, Api::Vulkan, DeviceKind::Discrete, "RTX", pci);
    let there = [card(0, "0000:01:00.0"), card(1, "0000:02:00.0")];
    assert_eq!(find(&there[1].info, &there), Some(1));
    let gone = card(0, "0000:03:00.0");
    assert_eq!(find(&gone.info, &there), None);
}

#[test]
fn an_ordinal_tells_equals_without_address_apart() {
    let card = |position, api| found(position, api, DeviceKind::Discrete, "RTX", "");
    for api in [Api::Vulkan, Api::Dx12] {
        let there = [card(0, api), card(1, api)];
        let mut second = there[1].info.clone();
        second.adapter = format!("{}:RTX #1", api.text());
        assert_eq!(find(&second, &there), Some(1));
        assert_eq!(find(&there[0].info, &there), Some(0));
    }
}

#[test]
fn a_card_is_found_under_the_name_its_other_api_gives_it() {
    let mut wanted = found(0, Api::Vulkan, DeviceKind::Discrete, "NVIDIA RTX", "0000:01:00.0").info;
    wanted.api = Api::Gl;
    let there = [
        found(0, Api::Gl, DeviceKind::Software, "llvmpipe", ""),
        found(1, Api::Gl, DeviceKind::Other, "NVIDIA RTX/PCIe/SSE2", ""),
    ];
    assert_eq!(find(&wanted, &there), Some(1));
    assert_eq!(find(&wanted, &there[..1]), None);
}

#[test]
fn an_adapter_that_is_not_there_is_an_error_that_says_so() {
    let info = found(0, Api::Gl, DeviceKind::Discrete, "no such card", "").info;
    let error = open(&info).unwrap_err().to_string();
    assert!(error.contains("cannot open device 'gl:no such card'"), "{error}");
    assert!(error.contains("trainyard devices"), "{error}");
}

#[test]
fn the_cpu_opens() {
    let mut info = found(0, Api::Gl, DeviceKind::Cpu, "CPU", "").info;
    info.api = Api::Cpu;
    assert!(open(&info).is_ok());
}

#[test]
fn native_shaders_are_for_other_builds_or_devices_as_told() {
    use wgpu::Backend::{Gl, Vulkan};
    let refused = check_shaders(true, DeviceKind::Software, Vulkan).unwrap_err();
    let remedy = "build it without --features native-shaders, or choose another device";
    assert!(refused.ends_with(remedy), "{refused}");
    assert!(check_shaders(false, DeviceKind::Software, Vulkan).is_ok());
    assert!(check_shaders(true, DeviceKind::Discrete, Vulkan).is_ok());
    assert!(check_shaders(true, DeviceKind::Software, Gl).is_ok());
}
