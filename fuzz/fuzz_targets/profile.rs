//! Any bytes as a profile. One that is read can be written and read again, and a plan of its equal
//! shares can be simulated.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trainyard_plan::simulate::simulate_traced;
use trainyard_plan::{Plan, Profile, Recompute, Schedule, Stage, chrome};

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(profile) = Profile::from_json(text) else { return };
    let written = serde_json::to_string(&profile).expect("a profile can be written");
    // But for the last digit of a time, which serde_json may round otherwise.
    let again = Profile::from_json(&written).expect("what was written can be read");
    assert_eq!(again.model, profile.model);

    let layers = profile.model.layers.len();
    let ranks = profile.devices.len().min(layers);
    let m = profile.micro_batches.min(8);
    for name in Schedule::names() {
        let Ok(schedule) = Schedule::named(name, ranks, m) else { continue };
        let owners = schedule.owners();
        if owners.len() > layers {
            continue;
        }
        let stage = |(index, rank): (usize, &usize)| Stage {
            device: profile.devices[*rank].id.clone(),
            layers: (index * layers / owners.len(), (index + 1) * layers / owners.len()),
            recompute: if index % 2 == 0 { Recompute::Full } else { Recompute::None },
        };
        let stages = owners.iter().enumerate().map(stage).collect();
        let plan = Plan::new(&profile.model.name, stages, schedule, m);
        let (simulation, trace) = simulate_traced(&profile, &plan).expect("the plan is sound");
        assert!(simulation.step_us.is_finite());
        for device in &simulation.devices {
            let all = device.busy_us + device.optimizer_us + device.idle_us.total_us();
            assert!((all - simulation.step_us).abs() <= 1e-6 * simulation.step_us);
        }
        assert!(!chrome::to_string(&trace).is_empty());
    }
});
