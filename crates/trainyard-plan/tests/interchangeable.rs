//! The planner tries one order only of interchangeable devices. A device that differs in a single thing
//! is not interchangeable: here it is useless, and the other one has to be found without it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use trainyard_plan::planner::{PlanRequest, RecomputeChoice, closed_form_optimum, plan};
use trainyard_plan::{DeviceProfile, LayerProfile, LinkCost, LinkProfile, ModelProfile, Profile};

type Difference = fn(&mut Profile);

/// Four layers of 30 µs, of which a device can hold two; each cut adds 1 µs each way.
fn profile() -> Profile {
    let layer = |index| LayerProfile {
        name: format!("layer{index}"),
        param_bytes: 100,
        input_bytes: 10,
        output_bytes: 10,
        ..LayerProfile::default()
    };
    let model = ModelProfile {
        name: "even".into(),
        optimizer_bytes_per_param_byte: 2,
        fresh_bytes_per_param_byte: 0,
        kernels: None,
        layers: (0..4).map(layer).collect(),
    };
    let device = |id: &str| DeviceProfile {
        id: id.into(),
        memory_bytes: 1000,
        forward_us: vec![10.0; 4],
        input_grad_us: vec![10.0; 4],
        weight_grad_us: vec![10.0; 4],
        ..DeviceProfile::default()
    };
    let devices = ["a", "b", "c"].map(device).to_vec();
    let default_link = Some(LinkCost { latency_us: 0.0, bytes_per_us: 10.0 });
    Profile { devices, default_link, ..Profile::new(model, 10) }
}

#[test]
fn a_device_that_differs_in_one_thing_is_not_interchangeable() {
    fn slow(profile: &mut Profile, ways: &[(&str, &str)]) {
        let link = |(from, to): &(&str, &str)| LinkProfile {
            from: (*from).into(),
            to: (*to).into(),
            latency_us: 1e6,
            bytes_per_us: 10.0,
        };
        profile.links.extend(ways.iter().map(link));
    }
    let differences: [(&str, Difference); 9] = [
        ("memory", |profile| profile.devices[0].memory_bytes = 0),
        ("reserve", |profile| profile.devices[0].reserve_bytes = 1000),
        ("overhead", |profile| profile.devices[0].overhead_bytes = 1000),
        ("forward", |profile| profile.devices[0].forward_us = vec![1e6; 4]),
        ("backward", |profile| profile.devices[0].weight_grad_us = vec![1e6; 4]),
        ("saved", |profile| profile.devices[0].saved_bytes = Some(vec![1000; 4])),
        ("work", |profile| profile.devices[0].workspace_bytes = Some(vec![1000; 4])),
        // No way between a and b, either, so that only b and c go together.
        ("to c", |profile| slow(profile, &[("a", "c"), ("a", "b"), ("b", "a")])),
        ("from c", |profile| slow(profile, &[("c", "a"), ("a", "b"), ("b", "a")])),
    ];
    for (what, differ) in differences {
        let mut profile = profile();
        differ(&mut profile);
        let recompute = RecomputeChoice::None;
        let request = PlanRequest {
            schedule: "1f1b".parse().unwrap(),
            recompute,
            ..PlanRequest::new(&profile)
        };
        let best = closed_form_optimum(&request)
            .unwrap()
            .unwrap_or_else(|| unreachable!("{what}: no plan"));
        let mut used: Vec<&str> = best.stages.iter().map(|stage| stage.device.as_str()).collect();
        used.sort_unstable();
        assert_eq!(used, ["b", "c"], "{what}");
        // The whole way with its cut, and the longer of two equal stages nine times more.
        assert!(
            (best.cost - (4.0 * 30.0 + 2.0 + 9.0 * 60.0)).abs() < 1e-9,
            "{what}: {}",
            best.cost
        );
    }
}

#[test]
fn equal_devices_are_used_in_their_order() {
    // A device holds one layer, so it takes four of five.
    let mut profile = profile();
    for device in &mut profile.devices {
        device.memory_bytes = 500;
    }
    for id in ["d", "e"] {
        let id = id.to_owned();
        profile.devices.push(DeviceProfile { id, ..profile.devices[0].clone() });
    }
    let request = PlanRequest { schedule: "1f1b".parse().unwrap(), ..PlanRequest::new(&profile) };
    let stages = plan(&request).unwrap().candidates.remove(0).plan.stages;
    let devices: Vec<&str> = stages.iter().map(|stage| stage.device.as_str()).collect();
    assert_eq!(devices, ["a", "b", "c", "d"]);
}
