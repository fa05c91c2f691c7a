//! Devices as they really are on this machine. Every test passes where there is no adapter at all.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use burn::tensor::Tensor;
use trainyard_engine::discover::{self, Isolation, ListOptions, select};
use trainyard_engine::open::open;
use trainyard_plan::{Api, ComputeProbe, DeviceKind, MemorySource};

/// Held by every test that starts children. A program cannot be started while it is open for
/// writing, and a child that another test starts at that moment inherits the open file.
fn starting_children() -> MutexGuard<'static, ()> {
    static CHILDREN: Mutex<()> = Mutex::new(());
    CHILDREN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn in_process(probe: bool) -> ListOptions {
    ListOptions { probe, isolation: Isolation::InProcess, ..ListOptions::default() }
}

#[test]
fn the_list_is_in_order_and_every_name_finds_its_device() {
    let devices = discover::list(&in_process(false));
    let cpu = devices.last().unwrap();
    assert_eq!((cpu.kind, cpu.api, cpu.adapter.as_str()), (DeviceKind::Cpu, Api::Cpu, "cpu"));
    for (index, device) in devices.iter().enumerate() {
        assert_eq!(device.index, index);
        assert_eq!(&select(&devices, &device.adapter).unwrap(), device, "{}", device.adapter);
        assert_eq!(&select(&devices, &index.to_string()).unwrap(), device);
        assert!(device.max_buffer_bytes > 0, "{}", device.adapter);
        match device.kind {
            DeviceKind::Software => {
                assert_eq!(device.memory.source, MemorySource::Estimated);
                assert!(device.also.is_empty(), "software adapters are not folded");
            }
            DeviceKind::Cpu => assert_eq!(device.compute, ComputeProbe::Works),
            _ => {}
        }
        assert!(device.memory.free_bytes <= device.memory.total_bytes, "{}", device.adapter);
    }
}

#[test]
fn listing_twice_gives_the_same_devices() {
    let names = |devices: Vec<trainyard_plan::DeviceInfo>| {
        devices.into_iter().map(|it| (it.adapter, it.name)).collect::<Vec<_>>()
    };
    let first = names(discover::list(&in_process(false)));
    assert_eq!(first, names(discover::list(&in_process(false))));
}

#[test]
fn every_adapter_opens_twice_and_computes() {
    for info in discover::list(&in_process(false)) {
        if cfg!(feature = "native-shaders") && info.kind == DeviceKind::Software {
            continue;
        }
        let (one, two) = (open(&info).unwrap(), open(&info).unwrap());
        if info.api != Api::Cpu {
            assert_ne!(one, two, "{}: each opening is a device of its own", info.adapter);
        }
        for device in [one, two] {
            let sum = Tensor::<1>::from_floats([1.0, 2.0], &device) + 1.0;
            let data = sum.try_into_data().unwrap();
            assert_eq!(data.try_to_vec::<f32>().unwrap(), [2.0, 3.0], "{}", info.adapter);
        }
    }
}

#[test]
fn a_child_that_is_no_program_of_ours_falls_back_to_this_process() {
    let Some(program) =
        ["/bin/true", "/usr/bin/true"].iter().find(|it| std::fs::exists(it).unwrap())
    else {
        return;
    };
    let _children = starting_children();
    let isolation = Isolation::Child((*program).into());
    let there = discover::survey(&ListOptions { isolation, ..in_process(false) });
    assert!(there.troubles.is_empty(), "{:?}", there.troubles);
    let names = |devices: &[trainyard_plan::DeviceInfo]| {
        devices.iter().map(|it| it.adapter.clone()).collect::<Vec<_>>()
    };
    assert_eq!(names(&there.devices), names(&discover::list(&in_process(false))));
}

#[cfg(unix)]
#[expect(clippy::unwrap_used, reason = "helpers of tests")]
mod children {
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;

    use super::*;

    /// A program that answers probes the way `body` says.
    fn program(folder: &tempfile::TempDir, body: &str) -> PathBuf {
        let path = folder.path().join("program");
        std::fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    fn survey(body: &str, probe: bool, patience: Duration) -> discover::Survey {
        let _children = starting_children();
        let folder = tempfile::tempdir().unwrap();
        let isolation = Isolation::Child(program(&folder, body));
        discover::survey(&ListOptions { probe, isolation, patience })
    }

    /// Answers the listing of Vulkan with one made-up card, and of the rest with nothing.
    fn listing_one_card(when_computing: &str) -> String {
        let card = serde_json::json!({ "Ok": [{
            "position": 0, "vendor_id": 4318, "device_id": 9475,
            "info": {
                "index": 0, "adapter": "", "name": "Made-up Card", "kind": "discrete",
                "api": "vulkan", "also": [], "driver": "", "vendor": "NVIDIA",
                "pci_bus_id": "0000:01:00.0",
                "memory": { "total_bytes": 100, "free_bytes": 50, "source": "reported" },
                "max_buffer_bytes": 10, "f16": true, "timestamps": true,
                "compute": { "result": "not_probed" },
            },
        }]});
        format!(
            "case $TRAINYARD_PROBE in\n\
             enumerate:vulkan) echo 'noise of a driver'; echo 'trainyard-probe-answer: {card}';;\n\
             enumerate:*) echo 'trainyard-probe-answer: {{\"Ok\":[]}}';;\n\
             compute:vulkan:0) {when_computing};;\n\
             esac"
        )
    }

    const PATIENCE: Duration = Duration::from_secs(30);

    #[test]
    fn a_driver_that_crashes_while_listing_takes_only_its_api() {
        let there = survey("echo 'radv: GPU fell off' >&2; kill -SEGV $$", true, PATIENCE);
        assert_eq!(there.devices.len(), 1, "the CPU is left");
        assert_eq!(there.devices[0].kind, DeviceKind::Cpu);
        assert!(!there.troubles.is_empty());
        for trouble in there.troubles {
            assert!(
                trouble.reason.contains("its driver crashed (signal 11)"),
                "{}",
                trouble.reason
            );
            assert!(trouble.reason.contains("radv: GPU fell off"), "{}", trouble.reason);
        }
    }

    /// What became of the computation on the made-up card.
    fn computing(script: &str, patience: Duration) -> ComputeProbe {
        let there = survey(&listing_one_card(script), true, patience);
        let names: Vec<_> = there.devices.iter().map(|it| it.adapter.as_str()).collect();
        assert_eq!(names, ["vulkan:Made-up Card", "cpu"]);
        there.devices[0].compute.clone()
    }

    #[test]
    fn a_driver_that_crashes_while_computing_is_told_so() {
        let ComputeProbe::Fails { reason } = computing("kill -SEGV $$", PATIENCE) else {
            panic!("a crash is a failure")
        };
        assert_eq!(reason, "its driver crashed (signal 11)");
    }

    #[test]
    fn a_driver_that_hangs_is_killed() {
        let ComputeProbe::Fails { reason } = computing("exec sleep 600", Duration::from_secs(2))
        else {
            panic!("no answer is a failure")
        };
        assert_eq!(reason, "it did not answer within 2 s");
    }

    #[test]
    fn a_driver_that_gives_up_is_quoted() {
        let script = "echo 'no shader compiler' >&2; exit 3";
        let ComputeProbe::Fails { reason } = computing(script, PATIENCE) else {
            panic!("an exit code is a failure")
        };
        assert_eq!(
            reason,
            "its driver gave up (exit code 3); the last it said: no shader compiler"
        );
    }

    #[test]
    fn an_answer_counts_even_if_the_driver_crashes_afterwards() {
        let script = r#"echo 'trainyard-probe-answer: {"result":"works"}'; kill -SEGV $$"#;
        assert_eq!(computing(script, PATIENCE), ComputeProbe::Works);
    }
}
