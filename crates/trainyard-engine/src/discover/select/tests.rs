//! Choosing an adapter by what a run file says, over listed and random machines.

use super::*;
use crate::discover::fixtures;
use proptest::prelude::*;

fn device(index: usize, api: Api, kind: DeviceKind, name: &str) -> DeviceInfo {
    let compute = ComputeProbe::Works;
    DeviceInfo { index, compute, ..fixtures::device(api, kind, name) }
}

fn machine() -> Vec<DeviceInfo> {
    let mut devices = vec![
        device(0, Api::Vulkan, DeviceKind::Discrete, "NVIDIA GeForce RTX 3060"),
        device(1, Api::Vulkan, DeviceKind::Discrete, "NVIDIA GeForce RTX 3060 Ti"),
        device(2, Api::Vulkan, DeviceKind::Integrated, "Intel(R) UHD Graphics 620 (KBL GT2)"),
        device(3, Api::Vulkan, DeviceKind::Software, "llvmpipe (LLVM 15.0.6, 256 bits)"),
        device(4, Api::Gl, DeviceKind::Software, "llvmpipe (LLVM 15.0.6, 256 bits)"),
        device(5, Api::Cpu, DeviceKind::Cpu, "Some CPU"),
    ];
    devices[2].also = vec![Api::Dx12];
    devices
}

/// The position a text resolves to, or the error's text.
fn position(wanted: &str) -> Result<usize, String> {
    select(&machine(), wanted).map(|it| it.index).map_err(|error| error.to_string())
}

#[test]
fn every_form_finds_its_device() {
    for (wanted, index) in [
        ("cpu", 5),
        (" CPU ", 5),
        ("2", 2),
        ("#3", 3),
        ("gl", 4),
        ("opengl", 4),
        ("dx12", 2),
        ("integrated", 2),
        ("gl:llvmpipe", 4),
        ("GL:LLVMPIPE", 4),
        ("vulkan:llvm", 3),
        ("discrete:Ti", 1),
        ("vulkan:#1", 1),
        ("vulkan:1", 1),
        ("software:1", 4),
        ("vulkan:620", 2),
        ("software:#1", 4),
        ("llvmpipe #1", 4),
        ("NVIDIA GeForce RTX 3060", 0),
        ("vulkan: nvidia geforce rtx 3060", 0),
        ("UHD", 2),
        ("Intel(R) UHD", 2),
        ("620", 2),
        ("Some", 5),
    ] {
        assert_eq!(position(wanted), Ok(index), "{wanted}");
    }
}

#[test]
fn what_is_not_there_is_answered_with_what_is() {
    for wanted in
        ["", "  ", "metal", "virtual", "radeon", "gl:nvidia", "vulkan:#9", "#99", "x:y", ":"]
            .into_iter()
            // Numbers that occur in names.
            .chain(["6", "60", "vulkan:6", "gl:1", "discrete:30"])
    {
        let error = position(wanted).unwrap_err();
        assert!(error.starts_with(&format!("no adapter matches '{wanted}'")), "{error}");
        assert!(error.contains("#4 gl:llvmpipe"), "{error}");
    }
}

#[test]
fn what_is_ambiguous_is_answered_with_what_matches() {
    for wanted in ["vulkan", "discrete", "llvmpipe", "RTX", "software", "vulkan:"] {
        let error = position(wanted).unwrap_err();
        assert!(error.starts_with(&format!("'{wanted}' matches several adapters: #")), "{error}");
    }
    let error = position("llvmpipe").unwrap_err();
    assert!(error.contains("#3 vulkan:") && error.contains("#4 gl:"), "{error}");
    assert!(!error.contains("RTX"), "{error}");
}

#[test]
fn a_card_can_be_reached_through_its_other_api() {
    let device = select(&machine(), "dx12:UHD").unwrap();
    assert_eq!((device.api, device.also.as_slice()), (Api::Dx12, [Api::Vulkan].as_slice()));
    assert_eq!(device.adapter, "dx12:Intel(R) UHD Graphics 620 (KBL GT2)");
    assert_eq!(device.compute, ComputeProbe::NotProbed);
    assert_eq!(select(&machine(), &device.adapter).unwrap(), device);
}

#[test]
fn a_machine_without_devices_is_no_panic() {
    assert!(select(&[], "cpu").unwrap_err().to_string().contains("no devices"));
}

#[test]
fn names_of_other_tools_are_answered_with_what_is_meant() {
    for (wanted, meant) in [
        ("cuda:0", "vulkan:RTX"),
        ("CUDA", "graphics API"),
        ("mps", "which are metal here"),
        ("gpu", "neither which card"),
        ("metal", "has no card for that graphics API"),
    ] {
        let said = select(&machine(), wanted).unwrap_err().to_string();
        assert!(said.contains(meant) && said.contains("or its number"), "{said}");
    }
}

proptest! {
    #[test]
    fn no_text_panics(wanted in "\\PC{0,40}") {
        let _ = select(&machine(), &wanted);
    }

    #[test]
    fn no_near_miss_panics(
        wanted in "(vulkan|gl|cpu|software|discrete|ÄÖ|İ)?[:# ]{0,3}(llvmpipe|rtx|ß)?[:# ]{0,3}[0-9]{0,30}"
    ) {
        let _ = select(&machine(), &wanted);
    }

    #[test]
    fn what_is_found_is_in_the_list(wanted in "[a-z0-9:# ]{0,12}") {
        if let Ok(found) = select(&machine(), &wanted) {
            prop_assert_eq!(&machine()[found.index].name, &found.name);
        }
    }
}
